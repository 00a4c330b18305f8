package model

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/model/safetensors"
)

// upload is a float32 tensor with the given values.
func upload(t testing.TB, k kernels.Backend, rows, cols int, values []float32) kernels.Tensor {
	x, err := k.Alloc(kernels.Float32, kernels.Scratch, rows, cols)
	require.NoError(t, err)
	k.Upload(x, values)
	return x
}

func uploadInts(t testing.TB, k kernels.Backend, rows, cols int, values []int32) kernels.Tensor {
	x, err := k.Alloc(kernels.Int32, kernels.Scratch, rows, cols)
	require.NoError(t, err)
	k.UploadInts(x, values)
	return x
}

// PyTorch's logits pass through a head that is the identity, so that dx is their gradient.
func TestDistillationEqualsPyTorch(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(golden, "losses.json"))
	if os.IsNotExist(err) {
		t.Skip("../shared/golden is not here: PyTorch's figures are not compared")
	}
	require.NoError(t, err)
	var want struct {
		KD struct {
			Lambda      float32 `json:"lambda_"`
			Temperature float32
			CE, Loss    float64
			KL          float64 `json:"kl_weighted_mean"`
		}
	}
	require.NoError(t, json.Unmarshal(raw, &want))
	file, err := safetensors.Open(filepath.Join(golden, "losses.safetensors"))
	require.NoError(t, err)
	defer file.Close()
	read := func(name string) []float32 {
		dense, err := file.Tensor(name)
		require.NoError(t, err)
		return dense.Float32s()
	}
	student, said, weights, gradient := read("kd_student_logits"), read("kd_teacher_logits"), read("kd_weights"), read("kd_grad")
	labels := readLabels(t, file)
	n := len(weights)
	v := len(student) / n
	total := 0.0
	for _, w := range weights {
		total += float64(w)
	}
	for i := range weights {
		weights[i] /= float32(total)
	}
	identity := make([]float32, v*v)
	for i := range v {
		identity[i*v+i] = 1
	}

	k := newCPU(t, 2)
	logprobs, kl, dx := upload(t, k, 1, n, make([]float32, n)), upload(t, k, 1, n, make([]float32, n)), upload(t, k, n, v, make([]float32, n*v))
	teacher := kernels.Teacher{Logits: upload(t, k, n, v, said), Weight: want.KD.Lambda, Temperature: want.KD.Temperature}
	k.HeadDistill(logprobs, kl, dx, kernels.Tensor{}, upload(t, k, n, v, student), upload(t, k, v, v, identity),
		uploadInts(t, k, 1, n, labels), upload(t, k, 1, n, weights), teacher, upload(t, k, 3, v, make([]float32, 3*v)))
	lps, kls, grad := make([]float32, n), make([]float32, n), make([]float32, n*v)
	require.NoError(t, k.Download(lps, logprobs))
	require.NoError(t, k.Download(kls, kl))
	require.NoError(t, k.Download(grad, dx))
	ce, divergence := 0.0, 0.0
	for i, w := range weights {
		ce -= float64(w) * float64(lps[i])
		divergence += float64(w) * float64(kls[i])
	}
	lambda, temperature := float64(want.KD.Lambda), float64(want.KD.Temperature)
	require.InEpsilon(t, want.KD.CE, ce, 1e-6)
	require.InEpsilon(t, want.KD.KL, divergence, 1e-6)
	require.InEpsilon(t, want.KD.Loss, (1-lambda)*ce+lambda*temperature*temperature*divergence, 1e-6)
	requireNear(t, "kd_grad", grad, gradient, 1e-6)
}

// readLabels is kd_labels, which are 64-bit integers.
func readLabels(t testing.TB, file *safetensors.File) (labels []int32) {
	raw, err := file.Raw("kd_labels")
	require.NoError(t, err)
	for i := 0; i < len(raw); i += 8 {
		labels = append(labels, int32(binary.LittleEndian.Uint64(raw[i:])))
	}
	return labels
}

// randomTeacher says something of n rows: of all tokens, or with k of k tokens each.
func randomTeacher(t testing.TB, b kernels.Backend, c Config, n, k int) kernels.Teacher {
	rng := rand.New(rand.NewPCG(3, uint64(k)))
	teacher := kernels.Teacher{Weight: 0.6, Temperature: 2.5}
	var ids []int32
	width := c.Vocab
	if k > 0 {
		width = k
		for range n {
			for _, id := range rng.Perm(c.Vocab)[:k] {
				ids = append(ids, int32(id))
			}
		}
		teacher.IDs = uploadInts(t, b, n, k, ids)
	}
	logits := make([]float32, n*width)
	for i := range logits {
		logits[i] = float32(3 * rng.NormFloat64())
	}
	teacher.Logits = upload(t, b, n, width, logits)
	return teacher
}

func TestDistillationGradientsEqualFiniteDifferences(t *testing.T) {
	for _, name := range []string{"llama", "qwen3", "gpt2"} {
		for _, k := range []int{0, 5} {
			c := tiny()[name]
			b := newCPU(t, 2)
			s := stirred(t, b, c)
			batch := randomBatch(c, 7, 1, 12)
			p, err := NewPass(s, PassOptions{Tokens: len(batch.IDs), Rows: len(batch.Rows), Training: true})
			require.NoError(t, err)
			teacher := randomTeacher(t, b, c, len(batch.Rows), k)
			loss := func() float64 {
				p.Forward(batch)
				p.Distill(teacher)
				logprobs, err := p.LogProbs(nil)
				require.NoError(t, err)
				kl, err := p.Divergences(nil)
				require.NoError(t, err)
				sum, lambda, square := 0.0, float64(teacher.Weight), float64(teacher.Temperature*teacher.Temperature)
				for i, w := range batch.Weights {
					require.Positive(t, kl[i])
					sum += float64(w) * ((1-lambda)*-float64(logprobs[i]) + lambda*square*float64(kl[i]))
				}
				return sum
			}
			p.Forward(batch)
			p.DistillBackward(teacher)
			for i, g := range p.Gradients() {
				requireSlope(t, name+" "+g.Name, b, s.Named()[i].Tensor, g.Tensor, loss)
			}
		}
	}
}

// requireSlope compares the gradient by w with the loss's slope in the gradient's direction.
func requireSlope(t testing.TB, name string, k kernels.Backend, w, gradient kernels.Tensor, loss func() float64) {
	start, direction := make([]float32, w.Len()), make([]float32, w.Len())
	require.NoError(t, k.Download(start, w))
	require.NoError(t, k.Download(direction, gradient))
	norm := 0.0
	for _, d := range direction {
		norm += float64(d) * float64(d)
	}
	norm = math.Sqrt(norm)
	const h = 3e-3
	at := func(sign float64) float64 {
		moved := make([]float32, len(start))
		for i, v := range start {
			moved[i] = v + float32(sign*h*float64(direction[i])/max(norm, 1e-9))
		}
		k.Upload(w, moved)
		return loss()
	}
	slope := (at(1) - at(-1)) / (2 * h)
	k.Upload(w, start)
	require.InDelta(t, norm, slope, 2e-2*norm+3e-3, name)
}

func TestATeacherWithoutWeightIsTheCrossEntropy(t *testing.T) {
	c := tiny()["llama"]
	b := newCPU(t, 2)
	s := stirred(t, b, c)
	batch := randomBatch(c, 7, 12)
	run := func(backward func(p *Pass)) (logprobs []float32, gradients [][]float32) {
		p, err := NewPass(s, PassOptions{Tokens: len(batch.IDs), Rows: len(batch.Rows), Training: true})
		require.NoError(t, err)
		defer p.Close()
		p.Forward(batch)
		backward(p)
		logprobs, err = p.LogProbs(nil)
		require.NoError(t, err)
		for _, g := range p.Gradients() {
			host, err := g.Host(b)
			require.NoError(t, err)
			gradients = append(gradients, host)
		}
		return logprobs, gradients
	}
	want, gradients := run(func(p *Pass) { p.LossBackward() })
	weightless := randomTeacher(t, b, c, len(batch.Rows), 0)
	weightless.Weight = 0
	silent := randomTeacher(t, b, c, len(batch.Rows), 4)
	none := make([]float32, silent.Logits.Len())
	for i := range none {
		none[i] = float32(math.Inf(-1))
	}
	b.Upload(silent.Logits, none)
	for _, teacher := range []kernels.Teacher{weightless, silent} {
		have, distilled := run(func(p *Pass) { p.DistillBackward(teacher) })
		require.Equal(t, want, have)
		require.Equal(t, gradients, distilled)
	}
}

func TestATeacherThatNamesEveryTokenIsTheFullOne(t *testing.T) {
	c := tiny()["gpt2"]
	b := newCPU(t, 2)
	s := stirred(t, b, c)
	batch := randomBatch(c, 9)
	p, err := NewPass(s, PassOptions{Tokens: len(batch.IDs), Rows: len(batch.Rows), Batches: 2})
	require.NoError(t, err)
	named := randomTeacher(t, b, c, len(batch.Rows), c.Vocab)
	ids, logits, full := make([]int32, named.IDs.Len()), make([]float32, named.Logits.Len()), make([]float32, named.Logits.Len())
	require.NoError(t, b.DownloadInts(ids, named.IDs))
	require.NoError(t, b.Download(logits, named.Logits))
	for i, v := range logits {
		full[i/c.Vocab*c.Vocab+int(ids[i])] = v
	}
	all := kernels.Teacher{Logits: upload(t, b, len(batch.Rows), c.Vocab, full), Weight: named.Weight, Temperature: named.Temperature}
	p.Forward(batch)
	p.Distill(named)
	p.Distill(all)
	_, err = p.LogProbs(nil)
	require.NoError(t, err)
	kl, err := p.Divergences(nil)
	require.NoError(t, err)
	n := len(batch.Rows)
	require.Len(t, kl, 2*n)
	require.InDeltaSlice(t, kl[:n], kl[n:], 1e-5)
}
