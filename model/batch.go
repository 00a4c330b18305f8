package model

import (
	"fmt"

	"retort/kernels"
)

// Batch is one micro-batch on the host: documents packed one after the other.
type Batch struct {
	IDs       []int32   // (T) token ids
	Positions []int32   // (T) position of each token in its document
	Starts    []int32   // (documents+1) document i is tokens [Starts[i], Starts[i+1])
	Rows      []int32   // (N) tokens whose next token enters the loss
	Targets   []int32   // (N) that next token
	Weights   []float32 // (N) its weight in the loss, the division by the step's tokens included
	Draw      uint64    // number of the batch in its run, below 2³²: dropout is drawn anew for each
}

// Reset empties the batch, keeping its memory.
func (b *Batch) Reset() {
	b.IDs, b.Positions, b.Rows = b.IDs[:0], b.Positions[:0], b.Rows[:0]
	b.Targets, b.Weights, b.Draw = b.Targets[:0], b.Weights[:0], 0
	b.Starts = append(b.Starts[:0], 0)
}

// Add appends one document. weights[i] is the weight with which token i is predicted,
// 0 meaning that it is not trained; the first token is never predicted.
//
//	ids, weights (L)
func (b *Batch) Add(ids []int32, weights []float32) {
	if len(b.Starts) == 0 {
		b.Starts = append(b.Starts, 0)
	}
	base := int32(len(b.IDs))
	for i, id := range ids {
		b.IDs = append(b.IDs, id)
		b.Positions = append(b.Positions, int32(i))
		if i > 0 && i < len(weights) && weights[i] != 0 {
			b.Rows = append(b.Rows, base+int32(i)-1)
			b.Targets = append(b.Targets, id)
			b.Weights = append(b.Weights, weights[i])
		}
	}
	b.Starts = append(b.Starts, int32(len(b.IDs)))
}

// check panics on ids that the student does not have and on documents beyond its
// context: callers validate rows, so this is a broken invariant.
func (b *Batch) check(c Config) {
	for i, id := range b.IDs {
		if id < 0 || int(id) >= c.Vocab {
			panic(fmt.Sprintf("model: token id %d in a batch for a vocabulary of %d", id, c.Vocab))
		}
		if int(b.Positions[i]) >= c.Context {
			panic(fmt.Sprintf("model: position %d in a batch for a context of %d", b.Positions[i], c.Context))
		}
	}
}

// deviceBatch is a batch on the device, in buffers planned for the largest one.
type deviceBatch struct {
	maxTokens, maxRows int
	// tensors of the largest size
	ids, positions, starts, rows, targets, weights kernels.Tensor
	groupIDs, groupStarts, groupOrder              kernels.Tensor
	posIDs, posStarts, posOrder                    kernels.Tensor

	docs              kernels.Documents
	tokens, positionG kernels.Groups
	n, t              int // trained rows and tokens of the batch uploaded last

	order, starts32, unique []int32 // host scratch of the grouping
	next                    []int32 // (max(V, P))
}

// upload copies the batch to the device. Groups are only made for a backward pass.
func (d *deviceBatch) upload(k kernels.Backend, b *Batch, backward, positions bool) {
	d.t, d.n = len(b.IDs), len(b.Rows)
	put := func(dst kernels.Tensor, src []int32) kernels.Tensor {
		dst = dst.ColRange(0, len(src))
		k.UploadInts(dst, src)
		return dst
	}
	put(d.ids, b.IDs)
	put(d.positions, b.Positions)
	longest := 0
	for i := 1; i < len(b.Starts); i++ {
		longest = max(longest, int(b.Starts[i]-b.Starts[i-1]))
	}
	d.docs = kernels.Documents{Starts: b.Starts, Device: put(d.starts, b.Starts), Longest: longest}
	put(d.rows, b.Rows)
	put(d.targets, b.Targets)
	k.Upload(d.weights.ColRange(0, d.n), b.Weights)
	if backward {
		d.tokens = d.group(put, b.IDs, d.groupIDs, d.groupStarts, d.groupOrder)
		if positions {
			d.positionG = d.group(put, b.Positions, d.posIDs, d.posStarts, d.posOrder)
		}
	}
}

// group sorts token positions by value (counting sort, stable), so that gradients of one
// row of a table are summed in the order of the tokens.
func (d *deviceBatch) group(put func(kernels.Tensor, []int32) kernels.Tensor, values []int32, ids, starts, order kernels.Tensor) kernels.Groups {
	next := d.next // of each value, the place of its next token
	clear(next)
	for _, v := range values {
		next[v]++
	}
	d.unique, d.starts32, d.order = d.unique[:0], d.starts32[:0], d.order[:len(values)]
	place := int32(0)
	for v, count := range next {
		if count > 0 {
			d.unique, d.starts32 = append(d.unique, int32(v)), append(d.starts32, place)
			next[v] = place
			place += count
		}
	}
	d.starts32 = append(d.starts32, place)
	for t, v := range values {
		d.order[next[v]] = int32(t)
		next[v]++
	}
	return kernels.Groups{
		IDs: put(ids, d.unique), Starts: put(starts, d.starts32), Order: put(order, d.order), Count: len(d.unique),
	}
}
