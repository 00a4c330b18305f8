// Package kernels is the compute contract of retort: the Tensor and the Backend,
// whose operations are all that a student's forward pass, backward pass, optimizer
// step and decoding need. The package owns no memory and does no arithmetic;
// kernels/cpu and kernels/cuda fulfil the contract, kernels/conformance holds them
// to it, and package model is written against it without knowing which one runs.
//
// Letters used in shapes: T packed tokens, d hidden size, H query heads, K key and
// value heads, D head size, F feed-forward size, V vocabulary, N rows of a loss or
// of a decoding step, P positions of a table.
package kernels

import (
	"errors"
	"fmt"
)

// ErrDevice is what every error of a failing device is, for errors.Is: out of memory, a lost
// context, a kernel that does not load.
var ErrDevice = errors.New("device")

// Purpose says what memory is for, so that a backend can count it by purpose.
type Purpose string

// What device memory is used for.
const (
	Parameters  Purpose = "parameters"
	Gradients   Purpose = "gradients"
	Optimizer   Purpose = "optimizer"
	Activations Purpose = "activations"
	Cache       Purpose = "kv cache"
	Input       Purpose = "input"
	Scratch     Purpose = "scratch"
	Workspace   Purpose = "workspace" // what a backend keeps for itself between operations
)

// Backend is a device that computes. Contract:
//
//   - Memory calls return errors; operations return nothing. A wrong shape panics on
//     the caller's goroutine with both shapes. A failing device makes later
//     operations no-ops; the error comes out of the next Sync or Download.
//   - Operations run in the order of the calls. They may still be running when a
//     call returns; Sync and Download wait.
//   - Row i of a result never depends on other rows or on how many there are, and
//     results are equal bit for bit from run to run and for any number of threads.
//   - Activations, their gradients and parameters have the activation type; parameter
//     gradients (dw, db, dtable), statistics, log-sum-exps, log-probabilities, loss weights,
//     the RoPE table, uniforms, master weights, moments and control values are float32.
//     Parameters, their gradients, masters, moments, statistics and log-sum-exps are contiguous.
//   - Rows of a cache that nobody reads may hold anything, NaN too. Documents, and what a
//     query reads of a cache, are never empty.
//   - Outputs are written whole unless the comment says "+=". Outputs must not
//     overlap inputs unless the comment says "in place".
//   - No operation allocates once buffers of the largest shapes have been used.
//   - A backend is driven from one goroutine.
type Backend interface {
	Memory
	Layers
	Losses
	Optimization
	Decoding
}

// Memory is allocation, transfer and life cycle.
type Memory interface {
	// Name is what the run's header shows, for example "cpu (avx2, 2 threads)".
	Name() string
	// ActivationType is the type of activations; parameters have it too.
	ActivationType() DType
	// Alloc returns a zeroed tensor of the given shape, or an error that says how
	// much was asked for which purpose.
	Alloc(dtype DType, purpose Purpose, rows, cols int) (Tensor, error)
	// Free gives a tensor's buffer back; every view of it is dead afterwards.
	Free(t Tensor)
	// InUse is the number of bytes allocated now, by purpose.
	InUse() map[Purpose]int64
	// Peak is the most memory that was in use at once, in bytes; on the CPU, of the process.
	Peak() int64
	// Available is how many bytes could still be allocated; known is false where the
	// system does not say.
	Available() (bytes int64, known bool)
	// Upload copies host values into t (row-major, t.Len() of them), converting to
	// its type. src may be reused at once.
	Upload(t Tensor, src []float32)
	// UploadInts is Upload for int32 tensors.
	UploadInts(t Tensor, src []int32)
	// Download waits for the device and copies t into dst (t.Len() values).
	Download(dst []float32, t Tensor) error
	// DownloadInts is Download for int32 tensors.
	DownloadInts(dst []int32, t Tensor) error
	// Sync waits for the device and returns the first failure since the last one.
	Sync() error
	// Freeze promises that the matrix w (out, in) will not change until Thaw, so
	// that the backend may keep a copy in a layout that Linear reads faster.
	Freeze(w Tensor)
	// Thaw drops every frozen copy.
	Thaw()
	// Graph stands for a sequence of operations that will run many times: run calls them, on
	// the same tensors every time, and neither allocates, uploads nor downloads. A backend
	// may record the calls once and repeat them at the cost of one.
	Graph(run func()) Graph
	// Close frees everything.
	Close() error
}

// Graph is a sequence of operations; see Memory.
type Graph interface {
	// Run queues the operations; what the tensors hold may have changed since the last time.
	Run()
	// Close frees what was recorded. The graph is dead afterwards.
	Close()
}

// NormKind chooses between LayerNorm and RMSNorm.
type NormKind uint8

// The two normalisations that students use.
const (
	LayerNorm NormKind = iota // (x−mean)/sqrt(var+eps)·w + b
	RMSNorm                   // x/sqrt(mean(x²)+eps)·w
)

// Norm is a normalisation with its parameters. A row longer than Weight is made of
// groups of len(Weight) values that are normalised each for itself: Qwen3's norm of
// every query and key head.
type Norm struct {
	Kind   NormKind
	Weight Tensor // (1, n)
	Bias   Tensor // (1, n), LayerNorm only
	Eps    float32
}

// GELUKind chooses the form of GELU.
type GELUKind uint8

// The two forms of GELU.
const (
	GELUTanh GELUKind = iota // the tanh approximation: gelu_new, gelu_pytorch_tanh
	GELUErf                  // x·Φ(x): gelu
)

// Heads is the geometry of attention: query head h reads key and value head
// h / (Query/KV).
type Heads struct {
	Query, KV, Size int
	Scale           float32 // factor on q·k, usually 1/sqrt(Size)
}

// Mask says which elements of a matrix Dropout keeps, without a state: one block of Philox
// 4x32-10 (Salmon et al., SC 2011) with the key Seed and the counter (j/8, i, Stream) decides
// elements (i, 8·(j/8)) to (i, 8·(j/8)+7), 16 bits each from its lowest; those whose 16 bits are
// below Threshold become zero. So every backend keeps the same elements, and a backward pass
// finds them again. The zero Mask keeps all.
type Mask struct {
	Rate         float32 // share of the elements that become zero, below 1
	Seed, Stream uint64
}

// Threshold is the rate in 65536ths, of 16 bits too.
func (m Mask) Threshold() int { return min(int(m.Rate*65536+0.5), 65535) }

// Layers is the forward and backward of a student's layers.
type Layers interface {
	// Zero sets t to zero.
	Zero(t Tensor)
	// Copy copies src to dst, same shape; from float32 to bfloat16 it rounds.
	Copy(dst, src Tensor)

	// Embed looks tokens up: x[t] = table[ids[t]] + pos[positions[t]].
	//   x (T, d)   table (V, d)   ids (1, T) int32
	//   pos (P, d) and positions (1, T) int32, or both absent
	Embed(x, table, ids, pos, positions Tensor)
	// EmbedBackward sums gradients per id: dtable[g.IDs[u]] += Σ dx[t], t in group u.
	//   dtable (V, d)   dx (T, d)
	EmbedBackward(dtable, dx Tensor, g Groups)

	// Norm normalises rows (or groups of a row): y = norm(x).
	//   y, x (T, n·G)   stats (T·G, 2): mean (0 for RMSNorm) and 1/deviation, for backward
	Norm(y, stats, x Tensor, p Norm)
	// AddNorm adds a layer's output to the residual stream and normalises the sum:
	// sum = x + delta, y = norm(sum).
	//   y, sum, x, delta (T, d)   stats (T, 2)
	AddNorm(y, stats, sum, x, delta Tensor, p Norm)
	// NormBackward carries dy through y = norm(x): dx = … or, with accumulate,
	// dx += … (the residual gradient), dw +=, db +=. dw and db may be absent.
	//   dx, dy, x (T, n·G)   stats (T·G, 2)   dw, db (1, n)
	NormBackward(dx, dw, db, dy, x, stats Tensor, p Norm, accumulate bool)

	// Linear is y = x·wᵀ + b. y may be float32 whatever the activation type: logits.
	//   y (T, out)   x (T, in)   w (out, in)   b (1, out) or absent
	Linear(y, x, w, b Tensor)
	// LinearGELU is a projection and its activation in one: pre = x·wᵀ + b, h = gelu(pre).
	//   h, pre (T, F)   x (T, in)   w (F, in)   b (1, F) or absent
	LinearGELU(h, pre, x, w, b Tensor, kind GELUKind)
	// LinearBackwardInput is dx = dy·w, or dx += dy·w with accumulate.
	//   dx (T, in)   dy (T, out)   w (out, in)
	LinearBackwardInput(dx, dy, w Tensor, accumulate bool)
	// LinearBackwardWeight is dw += dyᵀ·x and db += Σ_t dy[t]; either may be absent, and both
	// are of a frozen layer.
	//   dw (out, in)   db (1, out)   dy (T, out)   x (T, in)
	LinearBackwardWeight(dw, db, dy, x Tensor)

	// BiasGELU adds the bias in place and applies the activation: pre += b, h = gelu(pre).
	//   h, pre (T, F)   b (1, F) or absent
	BiasGELU(h, pre, b Tensor, kind GELUKind)
	// GELUBackward is dpre = dh·gelu'(pre). dpre may be dh, in place.
	//   dpre, dh, pre (T, F)
	GELUBackward(dpre, dh, pre Tensor, kind GELUKind)
	// SwiGLU is h = silu(gate)·up, gate and up being the halves of one activation.
	//   h (T, F)   gateUp (T, 2F)
	SwiGLU(h, gateUp Tensor)
	// SwiGLUBackward writes the gradients of gate and up.
	//   dgateUp, gateUp (T, 2F)   dh (T, F)
	SwiGLUBackward(dgateUp, dh, gateUp Tensor)

	// Dropout is y = factor·x where the mask keeps an element and 0 elsewhere, or y += that
	// with accumulate. y may be x, in place. It is its own backward, and with the zero Mask
	// it scales.
	//   y, x (T, n)
	Dropout(y, x Tensor, factor float32, m Mask, accumulate bool)

	// RoPE rotates every head in place by its token's position, pairing element i
	// with i + D/2 (Hugging Face's order); inverse rotates back, which is the backward.
	//   x (T, n·D)   table (P, D): D/2 cosines, then D/2 sines   positions (1, T) int32
	RoPE(x, table, positions Tensor, inverse bool)

	// CanAttend says why the backend cannot attend with such heads, nil where it can.
	CanAttend(h Heads) error
	// Attention is causal softmax attention inside each document.
	//   o, q (T, H·D)   k, v (T, K·D)   lse (T, H): log-sum-exp of the scaled scores
	Attention(o, lse, q, k, v Tensor, docs Documents, h Heads)
	// AttentionBackward writes the gradients of q, k and v.
	//   dq, do, o, q (T, H·D)   dk, dv, k, v (T, K·D)   lse (T, H)
	//   delta (T, H) is scratch: Σ do·o per head
	AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v Tensor, docs Documents, h Heads)
}

// Losses is the language-model head and its loss.
type Losses interface {
	// HeadRows is how many rows of logits HeadCrossEntropy wants room for in its chunk, to
	// run at full speed; fewer are allowed.
	HeadRows(vocabulary int) int
	// GatherRows is dst[i] = src[rows[i]].
	//   dst (N, d)   src (T, d)   rows (1, N) int32
	GatherRows(dst, src, rows Tensor)
	// ScatterRows is dst[rows[i]] = src[i]; other rows keep their values.
	//   dst (T, d)   src (N, d)   rows (1, N) int32, distinct
	ScatterRows(dst, src, rows Tensor)
	// HeadCrossEntropy is the head and the loss in one, a chunk of rows at a time, so
	// that the (N, V) logits never exist: logits = x·wᵀ, logprobs[i] = log softmax(logits[i])[targets[i]],
	// and for the loss −Σ weights[i]·logprobs[i]: dx = …, dw += …. With dx and dw
	// absent only the log-probabilities are computed; dw alone may be absent (frozen head).
	//   logprobs (1, N)   dx, x (N, d)   dw, w (V, d)
	//   targets (1, N) int32   weights (1, N)   chunk (C, V) float32 scratch, C ≥ 1
	HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk Tensor)
	// HeadDistill is HeadCrossEntropy with a teacher beside the targets: for the loss
	//
	//	Σ weights[i]·((1−λ)·−logprobs[i] + λ·T²·kl[i])
	//
	// where kl[i] = KL(p ‖ q), p is the teacher's softmax(logits/T) over the tokens that it names and q the
	// student's over the whole vocabulary. By logits its gradient is
	// weights[i]·((1−λ)·(softmax(logits) − onehot(targets[i])) + λ·T·(q − p)).
	//   logprobs, kl (1, N)   the others as in HeadCrossEntropy
	HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights Tensor, teacher Teacher, chunk Tensor)
}

// Teacher is what a teacher says of N rows, and how much it counts beside their targets
// (Hinton et al., arXiv 1503.02531). A logit of −Inf is a token without probability; a row of
// nothing else has no teacher: its λ and its KL are 0.
type Teacher struct {
	Logits      Tensor  // (N, V) float32; with IDs (N, k), k at most MostTeacherTokens
	IDs         Tensor  // (N, k) int32, or absent; different in a row where logits are not −Inf
	Weight      float32 // λ, 0 to 1
	Temperature float32 // T of both softmaxes, above 0
}

// MostTeacherTokens is how many tokens a row of Teacher.IDs may name; full logits name more.
const MostTeacherTokens = 8192

// Want panics unless the teacher fits n rows of a loss over the vocabulary.
func (t Teacher) Want(op string, n, vocabulary int) {
	if t.IDs.Absent() {
		Want(op, "teacher.Logits", t.Logits, Float32, n, vocabulary)
	} else {
		Want(op, "teacher.IDs", t.IDs, Int32, n, min(t.Logits.Cols, MostTeacherTokens))
		Want(op, "teacher.Logits", t.Logits, Float32, n, t.IDs.Cols)
	}
	if !(t.Weight >= 0 && t.Weight <= 1 && t.Temperature > 0) {
		panic(fmt.Sprintf("kernels: %s: a teacher of weight %g and temperature %g, want 0 to 1 and above 0", op, t.Weight, t.Temperature))
	}
}

// RowRange is the teacher of rows [lo, hi).
func (t Teacher) RowRange(lo, hi int) Teacher {
	t.Logits = t.Logits.RowRange(lo, hi)
	if !t.IDs.Absent() {
		t.IDs = t.IDs.RowRange(lo, hi)
	}
	return t
}

// Parameter is one tensor under optimization.
type Parameter struct {
	Value Tensor // activation type
	Grad  Tensor // float32
	// Master is the float32 value that AdamW keeps when the activation type is narrower;
	// Value is then Master rounded. Absent when Value is float32 itself.
	Master           Tensor
	Moment1, Moment2 Tensor // float32
	Decay            bool   // weight decay applies
}

// AdamW is the optimizer's hyperparameters (Loshchilov & Hutter, arXiv 1711.05101).
// They are float64, so that 1 − Beta2 is rounded only once, by the backend.
type AdamW struct {
	LearningRate, Beta1, Beta2, Epsilon, WeightDecay float64
}

// The slots of the control tensor (1, ControlSlots) float32, which lives on the
// device so that a step never waits for the host.
const (
	ControlNorm   = iota // gradient norm before clipping
	ControlScale         // factor that clips the gradients
	ControlFinite        // 1 when Σ grad² is a finite float32, else 0: then AdamW changes nothing
	ControlStep          // optimizer steps taken, for AdamW's bias correction
	ControlSlots
)

// Optimization is clipping and the optimizer.
type Optimization interface {
	// GlobalNorm writes ControlNorm = sqrt(Σ grad²) over all gradients,
	// ControlScale = min(1, maxNorm/(norm+1e-6)) (1 when maxNorm ≤ 0) and ControlFinite:
	// a norm beyond 1.8e19, whose square no float32 holds, counts as not finite.
	GlobalNorm(control Tensor, params []Parameter, maxNorm float32)
	// AdamW updates all parameters when ControlFinite is 1, and advances ControlStep.
	// With ControlFinite 0 it changes nothing at all.
	AdamW(control Tensor, params []Parameter, hp AdamW)
}

// Sampling is how a token is drawn from logits: temperature first, then top-k, then
// top-p, as transformers orders its warpers. Temperature 0 takes the largest logit,
// the lowest id among equals.
type Sampling struct {
	Temperature float32
	TopK        int     // 0: all
	TopP        float32 // 1: all
}

// Decoding is generation with a cache of keys and values.
type Decoding interface {
	// CacheStore writes keys and values of tokens to rows of the cache.
	//   kc, vc (S, K·D)   k, v (T, K·D)   rows (1, T) int32
	CacheStore(kc, vc, k, v, rows Tensor)
	// CachedAttention lets query i read cache rows [first[i], first[i]+count[i]).
	//   o, q (N, H·D)   kc, vc (S, K·D)   first, count (1, N) int32
	CachedAttention(o, q, kc, vc, first, count Tensor, h Heads)
	// Sample draws one token a row: the first id, in order of ids, at which the
	// cumulative probability of the filtered distribution exceeds uniforms[i]. logprobs
	// are of the raw logits, before temperature and filters.
	//   ids (1, N) int32   logprobs (1, N)   logits (N, V) float32   uniforms (1, N) in [0, 1)
	Sample(ids, logprobs, logits, uniforms Tensor, s Sampling)
}
