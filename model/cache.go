package model

import (
	"fmt"

	"retort/kernels"
)

// Cache is the keys and values of sequences being decoded: slots of length positions
// each, for every layer a matrix (slots·length, K·D) of keys and one of values.
type Cache struct {
	slots, length int
	keys, values  []kernels.Tensor
	plan          planner
}

// newCache allocates a cache for slots sequences of at most length tokens.
func newCache(s *Student, slots, length int) (*Cache, error) {
	c := &Cache{slots: slots, length: length, plan: planner{k: s.k}}
	for range s.Layers {
		for _, to := range []*[]kernels.Tensor{&c.keys, &c.values} {
			*to = append(*to, c.plan.tensor(s.k.ActivationType(), kernels.Cache, slots*length, s.KVHeads*s.HeadDim))
		}
	}
	if c.plan.err != nil {
		err := c.plan.err
		c.close()
		return nil, fmt.Errorf("model: kv cache of %d sequences of %d tokens: %w", slots, length, err)
	}
	return c, nil
}

func (c *Cache) close() { c.plan.free() }

// newCachedPass plans a pass that writes to the cache: a prefill over packed prompts, or
// with decoding one token of each of up to tokens sequences.
func newCachedPass(s *Student, cache *Cache, tokens, rows int, decoding bool) (*Pass, error) {
	p, err := NewPass(s, PassOptions{Tokens: tokens, Rows: rows})
	if err != nil {
		return nil, err
	}
	p.cache, p.decoding = cache, decoding
	p.cacheRows, p.cacheFirst, p.cacheCount = p.plan.ints(tokens), p.plan.ints(tokens), p.plan.ints(tokens)
	if p.plan.err != nil {
		err := p.plan.err
		p.Close()
		return nil, err
	}
	return p, nil
}

// uploadCached is upload for a pass with a cache; rows[t] is the cache row of token t, and
// when decoding token t reads cache rows [first[t], first[t]+count[t]), its own included.
func (p *Pass) uploadCached(b *Batch, rows, first, count []int32) {
	p.upload(b)
	p.k.UploadInts(p.cacheRows.ColRange(0, len(rows)), rows)
	if p.decoding {
		p.k.UploadInts(p.cacheFirst.ColRange(0, len(first)), first)
		p.k.UploadInts(p.cacheCount.ColRange(0, len(count)), count)
	}
}
