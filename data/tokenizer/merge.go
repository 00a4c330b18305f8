package tokenizer

// Merging repeats: of all neighbouring pairs that are a merge, take the one of the lowest rank, the leftmost of
// equals, and replace it by the merged token. Short pieces search the pairs anew each time, which is quickest; long
// ones keep them in a heap, so that n symbols take O(n log n).

// maxShort is the number of symbols up to which searching beats the heap.
const maxShort = 48

// merge merges ids in place and returns how many are left.
func (m *bpe) merge(ids []int32) int {
	if len(ids) < 2 {
		return len(ids)
	}
	if len(ids) <= maxShort {
		return m.mergeShort(ids)
	}
	return m.mergeLong(ids)
}

func (m *bpe) mergeShort(ids []int32) int {
	var room [maxShort]merged
	pairs := room[:len(ids)-1] // pairs[i] is the merge of ids[i] and ids[i+1]
	for i := range pairs {
		pairs[i] = m.pairs.get(ids[i], ids[i+1])
	}
	for {
		best, rank := -1, noMerge.rank
		for i := range pairs {
			if pairs[i].rank < rank {
				best, rank = i, pairs[i].rank
			}
		}
		if best < 0 {
			return len(pairs) + 1
		}
		ids[best] = pairs[best].id
		copy(ids[best+1:], ids[best+2:len(pairs)+1])
		copy(pairs[best:], pairs[best+1:])
		pairs = pairs[:len(pairs)-1]
		if best > 0 {
			pairs[best-1] = m.pairs.get(ids[best-1], ids[best])
		}
		if best < len(pairs) {
			pairs[best] = m.pairs.get(ids[best], ids[best+1])
		}
	}
}

// symbol is a link of the list that mergeLong works on; ids holds its token, absent once it is swallowed.
type symbol struct{ previous, next int32 }

func (m *bpe) mergeLong(ids []int32) int {
	symbols := make([]symbol, len(ids))
	queue := make(mergeHeap, 0, len(ids))
	offer := func(left, right int32) {
		if found := m.pairs.get(ids[left], ids[right]); found != noMerge {
			queue = append(queue, candidate(found.rank)<<32|candidate(left))
		}
	}
	last := int32(len(ids) - 1)
	for i := range symbols {
		symbols[i] = symbol{previous: int32(i) - 1, next: int32(i) + 1}
		if int32(i) < last {
			offer(int32(i), int32(i)+1)
		}
	}
	queue.order()
	for len(queue) > 0 {
		top := queue.pop()
		left := int32(uint32(top))
		right := symbols[left].next
		if ids[left] == absent || right > last {
			continue // swallowed since this merge was offered
		}
		found := m.pairs.get(ids[left], ids[right])
		if found.rank != uint32(top>>32) {
			continue // a neighbour has changed since
		}
		ids[left], ids[right] = found.id, absent
		after := symbols[right].next
		symbols[left].next = after
		if after <= last {
			symbols[after].previous = left
			offer(left, after)
			queue.up()
		}
		if before := symbols[left].previous; before >= 0 {
			offer(before, left)
			queue.up()
		}
	}
	count := 0
	for _, id := range ids {
		if id != absent {
			ids[count] = id
			count++
		}
	}
	return count
}

// candidate is a merge that was possible when it was offered: rank<<32 | index of the left symbol. The smallest goes
// first; a rank belongs to one pair.
type candidate uint64

// mergeHeap is a heap of candidates, the smallest on top. Each has four below it, which halves the depth of a heap
// that is too large for the cache.
type mergeHeap []candidate

const branches = 4

// order makes a heap of candidates in any order.
func (h mergeHeap) order() {
	for i := len(h)/branches + 1; i >= 0; i-- {
		h.down(i)
	}
}

// up moves the last candidate to its place.
func (h mergeHeap) up() {
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / branches
		if h[parent] <= h[i] {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

// pop removes and returns the smallest candidate.
func (h *mergeHeap) pop() candidate {
	all := *h
	top, last := all[0], len(all)-1
	all[0] = all[last]
	*h = all[:last]
	h.down(0)
	return top
}

// down moves candidate i, if there is one, to its place among those below it.
func (h mergeHeap) down(i int) {
	if i >= len(h) {
		return
	}
	moving := h[i]
	for {
		first := branches*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for child := first + 1; child < min(first+branches, len(h)); child++ {
			if h[child] < h[least] {
				least = child
			}
		}
		if moving <= h[least] {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = moving
}
