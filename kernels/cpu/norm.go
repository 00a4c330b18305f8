package cpu

import (
	"math"

	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// normTask normalises rows, or groups of a row, after adding delta where there is one.
type normTask struct {
	y, stats, sum, x, delta mat
	weight, bias            []float32
	eps                     float32
	kind                    kernels.NormKind
	groups, chunk           int
}

// Norm is y = norm(x), group by group.
func (b *Backend) Norm(y, stats, x kernels.Tensor, p kernels.Norm) {
	b.norm("Norm", y, stats, kernels.Tensor{}, x, kernels.Tensor{}, p)
}

// AddNorm is sum = x + delta, y = norm(sum).
func (b *Backend) AddNorm(y, stats, sum, x, delta kernels.Tensor, p kernels.Norm) {
	want("AddNorm", "sum", sum, x.Rows, x.Cols)
	want("AddNorm", "delta", delta, x.Rows, x.Cols)
	b.norm("AddNorm", y, stats, sum, x, delta, p)
}

func (b *Backend) norm(op string, y, stats, sum, x, delta kernels.Tensor, p kernels.Norm) {
	groups := normGroups(op, x, p)
	want(op, "y", y, x.Rows, x.Cols)
	want(op, "stats", stats, x.Rows*groups, 2)
	t := &b.tasks.norm
	weight, bias := view(p.Weight), view(p.Bias)
	*t = normTask{
		y: view(y), stats: view(stats), sum: view(sum), x: view(x), delta: view(delta),
		weight: weight.data, bias: bias.data,
		eps: p.Eps, kind: p.Kind, groups: groups, chunk: rowsPerItem(x.Cols),
	}
	b.pool.Do(t, items(x.Rows, t.chunk))
}

// normGroups is how many groups of len(Weight) a row of x has.
func normGroups(op string, x kernels.Tensor, p kernels.Norm) int {
	groups := 1
	if p.Weight.Cols > 0 {
		groups = x.Cols / p.Weight.Cols
	}
	want(op, "x", x, x.Rows, groups*p.Weight.Cols)
	want(op, "weight", p.Weight, 1, p.Weight.Cols)
	wantOptional(op, "bias", p.Bias, 1, p.Weight.Cols)
	return groups
}

// Run normalises the item's rows.
func (t *normTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.x.rows)
	n := len(t.weight)
	for i := lo; i < hi; i++ {
		x := t.x.row(i)
		if t.sum.present() {
			sum := t.sum.row(i)
			vec.Add(sum, x, t.delta.row(i))
			x = sum
		}
		y := t.y.row(i)
		for g := range t.groups {
			xg, yg := x[g*n:(g+1)*n], y[g*n:(g+1)*n]
			mean, rstd := t.moments(xg)
			stats := t.stats.row(i*t.groups + g)
			stats[0], stats[1] = mean, rstd
			vec.Normalize(yg, xg, t.weight, t.bias, mean, rstd)
		}
	}
}

// moments returns the mean (0 for RMSNorm) and one over the deviation of x.
func (t *normTask) moments(x []float32) (mean, rstd float32) {
	n := float64(len(x))
	if t.kind == kernels.LayerNorm {
		mean = float32(float64(vec.Sum(x)) / n)
	}
	return mean, float32(1 / math.Sqrt(vec.SumSquaresFrom(x, mean)/n+float64(t.eps)))
}

// NormBackward writes (or adds to) dx, and adds to dw and db.
func (b *Backend) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, p kernels.Norm, accumulate bool) {
	const op = "NormBackward"
	groups, n := normGroups(op, x, p), p.Weight.Cols
	want(op, "dx", dx, x.Rows, x.Cols)
	want(op, "dy", dy, x.Rows, x.Cols)
	want(op, "stats", stats, x.Rows*groups, 2)
	weight := view(p.Weight)
	t := &b.tasks.normBackward
	*t = normBackwardTask{
		dx: view(dx), dy: view(dy), x: view(x), stats: view(stats), weight: weight.data,
		layerNorm: p.Kind == kernels.LayerNorm, accumulate: accumulate,
		groups: groups, chunk: rowsPerItem(x.Cols),
	}
	if !dw.Absent() || !db.Absent() { // before dx, which may be where dy lies
		wantOptional(op, "dw", dw, 1, n)
		wantOptional(op, "db", db, 1, n)
		dwv, dbv := view(dw), view(db)
		s := &b.tasks.normParams
		*s = normParamsTask{b: b, dw: dwv.data, db: dbv.data, dy: t.dy, x: t.x, stats: t.stats, groups: groups, width: n}
		b.pool.Do(s, items(n, columnChunk))
	}
	b.pool.Do(t, items(x.Rows, t.chunk))
}

// normBackwardTask carries the gradient to the norm's input.
type normBackwardTask struct {
	dx, dy, x, stats      mat
	weight                []float32
	layerNorm, accumulate bool
	groups, chunk         int
}

// Run handles the item's rows. With x̂ = (x−mean)·rstd and g = dy·w:
// dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), without the term mean(g) for RMSNorm.
func (t *normBackwardTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.x.rows)
	n := len(t.weight)
	for i := lo; i < hi; i++ {
		for g := range t.groups {
			stats := t.stats.row(i*t.groups + g)
			mean, rstd := stats[0], stats[1]
			from, to := g*n, (g+1)*n
			dx, dy, x := t.dx.row(i)[from:to], t.dy.row(i)[from:to], t.x.row(i)[from:to]
			sumG, sumGX := vec.NormSums(dy, x, t.weight, mean)
			meanG, meanGX := sumG/float32(n), sumGX*rstd/float32(n)
			if !t.layerNorm {
				meanG = 0
			}
			vec.NormInput(dx, dy, x, t.weight, mean, rstd, meanG, meanGX, t.accumulate)
		}
	}
}

// columnChunk is how many columns one item of a sum over rows covers.
const columnChunk = 64

// normParamsTask sums the gradients of weight and bias over rows; an item is a range
// of columns, so that rows are added in one order whatever the threads.
type normParamsTask struct {
	b             *Backend
	dw, db        []float32
	dy, x, stats  mat
	groups, width int
}

// Run sums the item's columns over all rows and groups.
func (t *normParamsTask) Run(item, worker int) {
	lo, hi := span(item, columnChunk, t.width)
	columns := &t.b.scratch.workers[worker].columns
	dw, db := columns[0][:hi-lo], columns[1][:hi-lo]
	clear(dw)
	clear(db)
	for i := range t.dy.rows {
		dyRow, xRow := t.dy.row(i), t.x.row(i)
		for g := range t.groups {
			stats := t.stats.row(i*t.groups + g)
			mean, rstd := stats[0], stats[1]
			from, to := g*t.width+lo, g*t.width+hi
			vec.NormParameters(dw[:hi-lo], db[:hi-lo], dyRow[from:to], xRow[from:to], mean, rstd)
		}
	}
	if t.dw != nil {
		vec.AddTo(t.dw[lo:hi], dw)
	}
	if t.db != nil {
		vec.AddTo(t.db[lo:hi], db)
	}
}
