package conformance

import (
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// The head's loss with a teacher beside the targets: HeadCrossEntropy's chunks and inputs, with
// the weights and temperatures at their ends and between. "masked" teachers give some tokens no
// probability, one row none at all, and name a token twice where the second has none.
func distillEntries() []Entry {
	half := Teaching{Weight: 0.7, Temperature: 2}
	small := []Shape{
		{N: 1, D: 1, V: 2, Chunk: 1, Teacher: half}, {N: 0, D: 16, V: 33, Chunk: 4, Teacher: half},
		{N: 5, D: 16, V: 33, Chunk: 1, Teacher: Teaching{Weight: 1, Temperature: 1}},
		{N: 9, D: 33, V: 65, Chunk: 4, Teacher: Teaching{Weight: 0.25, Temperature: 0.7}},
		{N: 3, D: 8, V: 1501, Chunk: 3, Teacher: Teaching{Weight: 0.9, Temperature: 3}},
		{N: 4, D: 16, V: 33, Chunk: 9, Teacher: Teaching{Temperature: 3}},
		{N: 6, D: 48, V: 66, Chunk: 4, Strided: true, Teacher: half},
		{N: 7, D: 32, V: 129, Chunk: 16, Special: "masked", Teacher: Teaching{Weight: 0.5, Temperature: 1.5}},
		{N: 6, D: 32, V: 65, Chunk: 5, Special: "offset", Teacher: Teaching{Weight: 0.5, Temperature: 3}},
	}
	large := []Shape{{N: 130, D: 64, V: 401, Chunk: 48, Teacher: half}, {N: 11, D: 64, V: 50257, Chunk: 4, Teacher: half}}
	return []Entry{
		distillEntry("HeadDistill", "the teacher says something of every token", small, large,
			func(Shape) int { return 0 }),
		distillEntry("HeadDistill top-k", "the teacher names a few tokens of each row, in any order", small[3:], large,
			func(s Shape) int { return min(s.V, 1+s.V/3, 1000) }, "ids"),
	}
}

// distillEntry is the operation with a teacher that names topK tokens a row; wrong adds to what
// must panic. One shape also leaves dw out, and both gradients.
func distillEntry(name, doc string, small, large []Shape, topK func(Shape) int, wrong ...string) Entry {
	named := func(shapes []Shape, absent ...string) (list []Shape) {
		for _, s := range shapes {
			for _, s.Absent = range absent {
				s.TopK = topK(s)
				list = append(list, s)
			}
		}
		return list
	}
	return Entry{
		Name: name, Methods: []string{"HeadDistill"}, Doc: doc,
		Wrong: append([]string{"logprobs", "kl", "dx", "dw", "w", "targets", "weights", "teacher", "chunk"}, wrong...),
		Small: append(named(small, ""), named(small[len(small)-1:], "dw", "dx dw")...), Large: named(large, "", "dx dw"),
		Arguments: func(c *Case) {
			headArguments(c)
			c.out32("kl", 1, c.N).column()
			k := c.V
			if c.TopK > 0 {
				k = c.TopK
				ids := make([]int32, 0, c.N*k)
				for range c.N {
					ids = append(ids, c.distinct(k, c.V)...)
				}
				c.intRows("ids", c.N, k, ids).each(1)
			}
			teacher := c.scale(c.in32("teacher", c.N, k).each(1), 2)
			if c.Special == "masked" {
				c.mask(teacher, k)
			}
		},
		Call: func(b kernels.Backend, a *Args) {
			teacher := kernels.Teacher{Logits: a.t("teacher"), Weight: a.Teacher.Weight, Temperature: a.Teacher.Temperature}
			if a.TopK > 0 {
				teacher.IDs = a.t("ids")
			}
			b.HeadDistill(a.t("logprobs"), a.t("kl"), a.t("dx"), a.t("dw"), a.t("x"), a.t("w"), a.t("targets"), a.t("weights"), teacher, a.t("chunk"))
		},
		Exact: func(v Values[float64]) { distillReference(v, nil) },
		Plain: func(v Values[float32]) {
			distillReference(v, func(d float32) float32 { return round(v.activation, float64(d)) })
		},
		FLOPs: headFLOPs,
	}
}

// mask takes the probability from every third token of the teacher and from all of row 2, and
// where the teacher names tokens lets one without any have the name of its neighbour.
func (c *Case) mask(teacher *Arg, k int) {
	c.fill(teacher, func(i int) float64 {
		masked := i%k%3 == 1 || i/k == 2
		if masked && c.TopK > 0 && i%k > 0 {
			ids := c.arg("ids").ints
			ids[i] = ids[i-1]
		}
		return choose(masked, math.Inf(-1), float64(teacher.floats[i]))
	})
}

func distillReference[F reference.Float](v Values[F], stored func(F) F) {
	t := reference.Teacher[F]{Logits: v.m("teacher"), Weight: F(v.Teacher.Weight), Temperature: F(v.Teacher.Temperature)}
	if v.TopK > 0 {
		t.IDs = v.i("ids")
	}
	reference.HeadDistill(v.vec("logprobs"), v.vec("kl"), v.m("dx"), v.m("dw"), v.m("x"), v.m("w"), v.i("targets"), v.vec("weights"), t, stored)
}
