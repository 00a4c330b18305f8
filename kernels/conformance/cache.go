package conformance

import (
	"errors"
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Decoding with a cache of keys and values. Rows of the cache that no query may read
// hold NaN: one sequence's accident must not reach another.
func cacheEntries() []Entry {
	attention := []Shape{
		{N: 1, P: 1, H: 1, K: 1, Size: 16}, {N: 3, P: 9, H: 3, K: 1, Size: 32}, {N: 5, P: 70, H: 9, K: 3, Size: 16},
		{N: 2, P: 40, H: 9, K: 1, Size: 64}, {N: 4, P: 33, H: 2, K: 2, Size: 96, Strided: true}, {N: 2, P: 33, H: 2, K: 1, Size: 128},
		{N: 3, P: 20, H: 2, K: 1, Size: 32, Special: "offset"},
	}
	return []Entry{
		{
			Name: "CacheStore", Methods: []string{"CacheStore"}, Moves: true, Wrong: []string{"vc", "k", "v", "rows"},
			Doc:   "rows that are not named keep their values",
			Small: []Shape{{N: 1, P: 1, K: 1, Size: 16}, {N: 7, P: 30, K: 3, Size: 32}, {N: 5, P: 8, K: 2, Size: 64, Strided: true}, {N: 0, P: 3, K: 1, Size: 16}},
			Large: []Shape{{N: 300, P: 1024, K: 12, Size: 64, Strided: true}},
			Arguments: func(c *Case) {
				c.update("kc", c.P, c.K*c.Size)
				c.update("vc", c.P, c.K*c.Size)
				c.in("k", c.N, c.K*c.Size).join("kv")
				c.in("v", c.N, c.K*c.Size).join("kv")
				c.ints("rows", c.distinct(c.N, c.P))
			},
			Call: func(b kernels.Backend, a *Args) {
				b.CacheStore(a.t("kc"), a.t("vc"), a.t("k"), a.t("v"), a.t("rows"))
			},
			Exact: cacheStoreReference[float64], Plain: cacheStoreReference[float32],
			Bytes: func(s Shape) float64 { return 16 * float64(s.N*s.K*s.Size) },
		},
		{
			Name: "CachedAttention", Methods: []string{"CachedAttention"}, Wrong: []string{"o", "q", "vc", "first", "count"},
			Doc:   "each query has a range of rows of its own; ranges may overlap",
			Small: attention, Large: []Shape{{N: 33, P: 2048, H: 9, K: 3, Size: 64}, {N: 4, P: 1031, H: 2, K: 2, Size: 128}},
			Arguments: func(c *Case) {
				c.out("o", c.N, c.H*c.Size).each(1)
				q := c.in("q", c.N, c.H*c.Size).each(1)
				kc, vc := c.in("kc", c.P, c.K*c.Size), c.in("vc", c.P, c.K*c.Size)
				c.offsetScores(q, kc)
				first, count, read := make([]int32, c.N), make([]int32, c.N), make([]bool, c.P)
				for i := range first {
					first[i] = int32(c.rand.IntN(c.P))
					count[i] = int32(1 + c.rand.IntN(min(c.P-int(first[i]), 300)))
					for row := first[i]; row < first[i]+count[i]; row++ {
						read[row] = true
					}
				}
				for _, a := range []*Arg{kc, vc} {
					c.fill(a, func(i int) float64 { return choose(read[i/a.cols], float64(a.floats[i]), math.NaN()) })
				}
				c.ints("first", first).column()
				c.ints("count", count).column()
			},
			Call: func(b kernels.Backend, a *Args) {
				b.CachedAttention(a.t("o"), a.t("q"), a.t("kc"), a.t("vc"), a.t("first"), a.t("count"), a.heads())
			},
			Exact: cachedAttentionReference[float64], Plain: cachedAttentionReference[float32],
		},
		{
			Name: "CachedAttention equals Attention", Methods: []string{"CacheStore", "CachedAttention", "Attention"},
			Doc:   "token by token through the cache, and documents at once, within the tolerance of both",
			Small: []Shape{Shape{H: 9, K: 3, Size: 16}.withDocuments(7, 1, 4), Shape{H: 2, K: 2, Size: 64}.withDocuments(17)},
			Large: []Shape{Shape{H: 9, K: 3, Size: 64}.withDocuments(65, 130)}, Scenario: cachedEqualsAttention,
		},
	}
}

func cacheStoreReference[F reference.Float](v Values[F]) {
	reference.ScatterRows(v.m("kc"), v.m("k"), v.i("rows"))
	reference.ScatterRows(v.m("vc"), v.m("v"), v.i("rows"))
}

func cachedAttentionReference[F reference.Float](v Values[F]) {
	reference.CachedAttention(v.m("o"), v.m("q"), v.m("kc"), v.m("vc"), v.i("first"), v.i("count"), v.heads())
}

// cachedEqualsAttention stores the documents' keys and values in another order of
// documents and compares both ways of attending, each with the float64 reference.
func cachedEqualsAttention(k *kit) error {
	k.documents()
	starts, docs := k.starts, kernels.Documents{Starts: k.starts, Device: k.integers(k.starts)}
	q, _ := k.random(k.T, k.H*k.Size)
	key, _ := k.random(k.T, k.K*k.Size)
	value, _ := k.random(k.T, k.K*k.Size)
	kc, vc := k.alloc(k.activation, k.T+3, k.K*k.Size), k.alloc(k.activation, k.T+3, k.K*k.Size)
	var rows, first, count []int32
	for i := 1; i < len(starts); i++ {
		docs.Longest = max(docs.Longest, int(starts[i]-starts[i-1]))
		base := int32(k.T) + 3 - starts[i] // documents from the end of the cache to its beginning
		for t := range starts[i] - starts[i-1] {
			rows, first, count = append(rows, base+t), append(first, base), append(count, t+1)
		}
	}
	o, lse := k.alloc(k.activation, k.T, k.H*k.Size), k.alloc(kernels.Float32, k.T, k.H)
	k.Attention(o, lse, q, key, value, docs, k.heads())
	cached := k.alloc(k.activation, k.T, k.H*k.Size)
	k.CacheStore(kc, vc, key, value, k.integers(rows))
	k.CachedAttention(cached, q, kc, vc, k.integers(first), k.integers(count), k.heads())

	s := sample{}
	exact, plain := attended[float64](k, q, key, value), attended[float32](k, q, key, value)
	s.exact = exact
	for _, v := range plain {
		s.plain = append(s.plain, round(k.activation, float64(v)))
	}
	a := &Arg{name: "o", dtype: k.activation, role: output, rows: k.T, cols: k.H * k.Size}
	judged := func(name string, t kernels.Tensor) error {
		s.got = k.read(t)
		if err := judge(a, false, []sample{s}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return errors.Join(judged("Attention", o), judged("CachedAttention", cached))
}

// attended is the reference's o for what lies on the device.
func attended[F reference.Float](k *kit, q, key, value kernels.Tensor) []F {
	matrix := func(t kernels.Tensor) reference.Matrix[F] {
		m := reference.New[F](t.Rows, t.Cols)
		for i, v := range k.read(t) {
			m.Data[i] = F(v)
		}
		return m
	}
	o, lse := reference.New[F](k.T, k.H*k.Size), reference.New[F](k.T, k.H)
	reference.Attention(o, lse, matrix(q), matrix(key), matrix(value), k.starts, k.heads())
	return o.Data
}
