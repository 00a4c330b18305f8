package conformance

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	straight "retort/kernels/conformance/plain"
	"retort/kernels/conformance/reference"
)

// TestTheTableCatches breaks the plain backend in one place at a time, in the ways in
// which backends have been broken, and requires that the entry of the operation
// notices at its small shapes, which are all that the PTX machine runs.
func TestTheTableCatches(t *testing.T) {
	for _, m := range mutants() {
		e := entryCalled(t, m.entry)
		require.False(t, passes(m.broken, e, Options{}), "%s does not notice %T", m.entry, m.broken)
	}
}

// mutant is a broken backend and the entry that must notice.
type mutant struct {
	entry  string
	broken kernels.Backend
}

func mutants() []mutant {
	p := newPlain
	return []mutant{
		{"alloc and free", &allocNotZeroed{plain: p()}},
		{"upload and download", uploadIgnoresStride{p()}},
		{"frozen Linear", &frozenIsStale{plain: p()}},
		{"Copy", copyForgetsLastRow{p()}},
		{"Copy", copyIgnoresStride{p()}},
		{"Copy", copyTakesAnyShape{p()}},
		{"EmbedBackward", embedBackwardOverwrites{p()}},
		{"ScatterRows", scatterClearsTheRest{p()}},
		{"Norm", normWithoutEps{p()}},
		{"Norm", normInOnePass{p()}},
		{"Norm", normOverTheRow{p()}},
		{"AddNorm", addNormForgetsDelta{p()}},
		{"NormBackward", normBackwardNeverAccumulates{p()}},
		{"NormBackward", normBackwardWithoutMean{p()}},
		{"NormBackward", normBackwardOverwritesWeight{p()}},
		{"Linear", linearInHalfPrecision{p()}},
		{"Linear", linearSumsInBF16{straight.BF16{Backend: p()}}},
		{"Linear", linearDependsOnRowCount{p()}},
		{"Linear", linearChangesItsInput{p()}},
		{"Linear", &linearNeverTheSame{plain: p()}},
		{"LinearGELU", linearGELUKeepsBias{p()}},
		{"LinearGELU", linearGELUOneForm{p()}},
		{"LinearBackwardInput", backwardInputAlwaysAccumulates{p()}},
		{"LinearBackwardWeight", backwardWeightOverwrites{p()}},
		{"BiasGELU", geluKeepsPre{p()}},
		{"BiasGELU", geluOneForm{p()}},
		{"GELUBackward", geluBackwardNotInPlace{p()}},
		{"SwiGLU", swigluSwapped{p()}},
		{"Dropout", dropoutIgnoresStream{p()}},
		{"Dropout", dropoutNeverAccumulates{p()}},
		{"RoPE", ropeAdjacentPairs{p()}},
		{"RoPE there and back", ropeIgnoresInverse{p()}},
		{"Attention", attentionLeaks{p()}},
		{"Attention", attentionSeesAhead{p()}},
		{"Attention", attentionHeadsInterleaved{p()}},
		{"Attention", attentionWithoutMaximum{p()}},
		{"AttentionBackward", attentionBackwardLeaks{p()}},
		{"AttentionBackward", attentionBackwardOneGroup{p()}},
		{"HeadCrossEntropy", headIgnoresWeights{p()}},
		{"HeadCrossEntropy", headDropsLastChunk{p()}},
		{"HeadCrossEntropy", headOverwritesWeight{p()}},
		{"HeadDistill", distillForgetsSquare{p()}},
		{"HeadDistill", distillWarmTeacher{p()}},
		{"HeadDistill", distillReportsTheLoss{p()}},
		{"HeadDistill", distillMaskedIsEven{p()}},
		{"HeadDistill top-k", distillTakesFirstIDs{p()}},
		{"HeadDistill top-k", distillStudentAmongIDs{p()}},
		{"GlobalNorm", globalNormForgetsLast{p()}},
		{"GlobalNorm", globalNormZeroLimit{p()}},
		{"GlobalNorm", globalNormAlwaysFinite{p()}},
		{"GlobalNorm", globalNormResetsStep{p()}},
		{"AdamW", adamwIgnoresFinite{p()}},
		{"a bad step changes nothing", adamwIgnoresFinite{p()}},
		{"AdamW", adamwDecaysEverything{p()}},
		{"AdamW", adamwHalvesEpsilon{p()}},
		{"AdamW", adamwWithoutCorrection{p()}},
		{"AdamW", adamwIgnoresScale{p()}},
		{"CacheStore", cacheSwapsKeysAndValues{p()}},
		{"CachedAttention", cachedReadsOneMore{p()}},
		{"CachedAttention equals Attention", cachedReadsOneMore{p()}},
		{"Sample", sampleTakesLastOfEquals{p()}},
		{"Sample", sampleTopKOneShort{p()}},
		{"Sample", sampleTopPBeforeTopK{p()}},
		{"Sample", sampleLogprobsAfterTemperature{p()}},
		{"Sample frequencies", sampleIgnoresTopP{p()}},
	}
}

func entryCalled(t *testing.T, name string) Entry {
	table := Table()
	i := slices.IndexFunc(table, func(e Entry) bool { return e.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return table[i]
}

type allocNotZeroed struct {
	*plain
	freed []kernels.Tensor
}

func (m *allocNotZeroed) Free(t kernels.Tensor) { m.plain.Free(t); m.freed = append(m.freed, t) }
func (m *allocNotZeroed) Alloc(d kernels.DType, p kernels.Purpose, rows, cols int) (kernels.Tensor, error) {
	t, err := m.plain.Alloc(d, p, rows, cols)
	for _, old := range m.freed {
		if old.DType == d && old.Len() == t.Len() && err == nil && d != kernels.Int32 {
			copy(mat(t.Reshape(1, t.Len())).Data, mat(old.Reshape(1, old.Len())).Data)
		}
	}
	return t, err
}

// dense is the mistake of reading a view as if its rows followed each other.
func dense(t kernels.Tensor) kernels.Tensor { t.Stride = t.Cols; return t }

type uploadIgnoresStride struct{ *plain }

func (m uploadIgnoresStride) Upload(t kernels.Tensor, src []float32) { m.plain.Upload(dense(t), src) }

type frozenIsStale struct {
	*plain
	copies map[kernels.Tensor]reference.Matrix[float32]
}

func (m *frozenIsStale) Freeze(w kernels.Tensor) {
	if m.copies == nil {
		m.copies = map[kernels.Tensor]reference.Matrix[float32]{}
	}
	if _, ok := m.copies[w]; !ok {
		m.copies[w] = mat(w).Clone()
	}
}
func (m *frozenIsStale) Linear(y, x, w, b kernels.Tensor) {
	if c, ok := m.copies[w]; ok {
		reference.Linear(mat(y), mat(x), c, vec(b))
		return
	}
	m.plain.Linear(y, x, w, b)
}

type copyForgetsLastRow struct{ *plain }

func (m copyForgetsLastRow) Copy(dst, src kernels.Tensor) {
	n := max(0, src.Rows-1)
	m.plain.Copy(dst.RowRange(0, n), src.RowRange(0, n))
}

type copyIgnoresStride struct{ *plain }

func (m copyIgnoresStride) Copy(dst, src kernels.Tensor) { m.plain.Copy(dense(dst), src) }

type copyTakesAnyShape struct{ *plain }

func (m copyTakesAnyShape) Copy(dst, src kernels.Tensor) {
	n := min(dst.Cols, src.Cols)
	m.plain.Copy(dst.ColRange(0, n), src.ColRange(0, n))
}

type embedBackwardOverwrites struct{ *plain }

func (m embedBackwardOverwrites) EmbedBackward(dtable, dx kernels.Tensor, g kernels.Groups) {
	for _, id := range ints(g.IDs) {
		clear(mat(dtable).Row(int(id)))
	}
	m.plain.EmbedBackward(dtable, dx, g)
}

type scatterClearsTheRest struct{ *plain }

func (m scatterClearsTheRest) ScatterRows(dst, src, rows kernels.Tensor) {
	m.Zero(dst)
	m.plain.ScatterRows(dst, src, rows)
}

type normWithoutEps struct{ *plain }

func (m normWithoutEps) Norm(y, stats, x kernels.Tensor, n kernels.Norm) {
	n.Eps = 0
	m.plain.Norm(y, stats, x, n)
}

type normInOnePass struct{ *plain } // var = E[x²] − E[x]²

func (m normInOnePass) Norm(y, stats, x kernels.Tensor, n kernels.Norm) {
	m.plain.Norm(y, stats, x, n)
	if n.Kind == kernels.RMSNorm || x.Cols != n.Weight.Cols {
		return
	}
	for i := range x.Rows {
		var sum, squares float32
		for _, v := range mat(x).Row(i) {
			sum += v
			squares += v * v
		}
		mean := sum / float32(x.Cols)
		rstd := 1 / float32(math.Sqrt(float64(squares/float32(x.Cols)-mean*mean+n.Eps)))
		for j, v := range mat(x).Row(i) {
			mat(y).Row(i)[j] = (v-mean)*rstd*vec(n.Weight)[j] + vec(n.Bias)[j]
		}
		mat(stats).Row(i)[1] = rstd
	}
}

type normOverTheRow struct{ *plain } // groups share the first group's deviation

func (m normOverTheRow) Norm(y, stats, x kernels.Tensor, n kernels.Norm) {
	m.plain.Norm(y, stats, x, n)
	groups := x.Cols / n.Weight.Cols
	for i := range stats.Rows {
		copy(mat(stats).Row(i), mat(stats).Row(i/groups*groups))
	}
}

type addNormForgetsDelta struct{ *plain }

func (m addNormForgetsDelta) AddNorm(y, stats, sum, x, delta kernels.Tensor, n kernels.Norm) {
	m.plain.AddNorm(y, stats, sum, x, delta, n)
	m.Norm(y, stats, x, n)
}

type normBackwardNeverAccumulates struct{ *plain }

func (m normBackwardNeverAccumulates) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, n kernels.Norm, _ bool) {
	m.plain.NormBackward(dx, dw, db, dy, x, stats, n, false)
}

type normBackwardWithoutMean struct{ *plain } // LayerNorm treated as RMSNorm

func (m normBackwardWithoutMean) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, n kernels.Norm, accumulate bool) {
	n.Kind = kernels.RMSNorm
	m.plain.NormBackward(dx, dw, db, dy, x, stats, n, accumulate)
}

type normBackwardOverwritesWeight struct{ *plain }

func (m normBackwardOverwritesWeight) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, n kernels.Norm, accumulate bool) {
	if !dw.Absent() {
		m.Zero(dw)
	}
	m.plain.NormBackward(dx, dw, db, dy, x, stats, n, accumulate)
}

type linearInHalfPrecision struct{ *plain } // results that were kept in bf16

func (m linearInHalfPrecision) Linear(y, x, w, b kernels.Tensor) {
	m.plain.Linear(y, x, w, b)
	for i := range y.Rows {
		for j, v := range mat(y).Row(i) {
			mat(y).Row(i)[j] = round(kernels.BFloat16, float64(v))
		}
	}
}

type linearSumsInBF16 struct{ straight.BF16 } // a sum that is stored after every product

func (m linearSumsInBF16) Linear(y, x, w, b kernels.Tensor) {
	m.Backend.Linear(y, x, w, b)
	for i := range y.Rows {
		for o := range w.Rows {
			var sum float32
			for j, v := range mat(x).Row(i) {
				sum = round(kernels.BFloat16, float64(sum+v*mat(w).Row(o)[j]))
			}
			if !b.Absent() {
				sum += vec(b)[o]
			}
			mat(y).Row(i)[o] = sum
		}
	}
}

type linearDependsOnRowCount struct{ *plain } // another order of summation for one row

func (m linearDependsOnRowCount) Linear(y, x, w, b kernels.Tensor) {
	m.plain.Linear(y, x, w, b)
	if y.Rows != 1 {
		return
	}
	for o := range w.Rows {
		var sum float32
		for j := w.Cols - 1; j >= 0; j-- {
			sum += mat(x).Row(0)[j] * mat(w).Row(o)[j]
		}
		if !b.Absent() {
			sum += vec(b)[o]
		}
		mat(y).Row(0)[o] = sum
	}
}

type linearChangesItsInput struct{ *plain }

func (m linearChangesItsInput) Linear(y, x, w, b kernels.Tensor) {
	m.plain.Linear(y, x, w, b)
	mat(w).Row(w.Rows - 1)[0]++
}

type linearNeverTheSame struct {
	*plain
	calls uint64
}

func (m *linearNeverTheSame) Linear(y, x, w, b kernels.Tensor) {
	m.plain.Linear(y, x, w, b)
	m.calls++
	noise := rand.New(rand.NewPCG(m.calls, 0))
	for i := range y.Rows {
		mat(y).Row(i)[0] = math.Float32frombits(math.Float32bits(mat(y).Row(i)[0]) + uint32(noise.IntN(2)))
	}
}

type backwardInputAlwaysAccumulates struct{ *plain }

func (m backwardInputAlwaysAccumulates) LinearBackwardInput(dx, dy, w kernels.Tensor, _ bool) {
	m.plain.LinearBackwardInput(dx, dy, w, true)
}

type backwardWeightOverwrites struct{ *plain }

func (m backwardWeightOverwrites) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) {
	if !dw.Absent() {
		m.Zero(dw)
	}
	m.plain.LinearBackwardWeight(dw, db, dy, x)
}
