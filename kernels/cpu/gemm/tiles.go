package gemm

// tileRange is a rectangle of C and where its part of A and B lies for the
// steps at hand. Strides and panels are in elements.
type tileRange struct {
	a                   []float32
	aRow, aStep, aPanel int // distance of rows, of steps, of groups of mr rows
	b                   []float32
	bPanel              int // distance of panels of nr columns
	steps               int
	row, rows           int // of C
	col, panels         int // of C; the last panel may be incomplete
	add                 bool
}

// tiles computes the rectangle: panel by panel all the full tiles of mr rows,
// and every few panels the rows that are left, on tiles that are lower and,
// for the same work in flight, wider.
func (j *job) tiles(t tileRange, spill []float32) {
	mr := j.kernel.mr
	full := t.rows / mr * mr
	for panel := 0; panel < t.panels; panel += maxPanels {
		end := min(panel+maxPanels, t.panels)
		for p := panel; p < end && full > 0; p++ {
			for row := 0; row < full; row += mr {
				j.tile(&t, row, mr, p, 1, spill)
			}
		}
		left := t.rows - full
		for p := panel; p < end && left > 0; {
			wide := j.kernel.wide[left]
			if p+wide > end || t.col+(p+wide)*j.kernel.nr > j.n {
				wide = 1
			}
			j.tile(&t, full, left, p, wide, spill)
			p += wide
		}
	}
}

// tile computes rows row..row+rows-1 of the given number of panels. An
// incomplete panel is computed in spill, and the columns that exist are taken
// from there with the arithmetic of the assembly.
func (j *job) tile(t *tileRange, row, rows, panel, panels int, spill []float32) {
	nr := j.kernel.nr
	a := &t.a[row/j.kernel.mr*t.aPanel]
	b := &t.b[panel*t.bPanel]
	col := t.col + panel*nr
	at := (t.row+row)*j.ldc + col
	cols := j.n - col
	if cols >= panels*nr {
		j.kernel.tile(rows, panels, t.steps, a, t.aRow, t.aStep, b, t.bPanel, &j.c[at], j.ldc, t.add)
		return
	}
	j.kernel.tile(rows, 1, t.steps, a, t.aRow, t.aStep, b, t.bPanel, &spill[0], nr, false)
	for r := range rows {
		dst, src := j.c[at+r*j.ldc:][:cols], spill[r*nr:][:cols]
		if !t.add {
			copy(dst, src)
			continue
		}
		for i := range dst {
			dst[i] += src[i]
		}
	}
}
