package data

import (
	"fmt"
	"slices"
)

// Pack puts whole documents of the given lengths (tokens) into packs of at most
// budget tokens and returns the document numbers of each pack. Best fit, longest
// document first: each goes into the fullest pack that still has room. Where
// filling the packs in the given order needs fewer of them, that is returned.
//
// The result depends on the arguments alone. Inside a pack documents stand in
// their given order, and packs are ordered by their first document. A document
// longer than the budget is a broken invariant (EncodeAll has limited lengths)
// and panics. O(n log n) for n documents.
func Pack(lengths []int, budget int) [][]int {
	total := 0
	for i, n := range lengths {
		if n < 0 || n > budget {
			panic(fmt.Sprintf("data: document %d has %d tokens, a pack holds 0 to %d", i, n, budget))
		}
		total += n
	}
	packs := bestFit(lengths, min(budget, total))
	if plain := nextFit(lengths, budget); len(plain) < len(packs) {
		packs = plain
	}
	for _, p := range packs {
		slices.Sort(p)
	}
	slices.SortFunc(packs, func(a, b []int) int { return a[0] - b[0] })
	return packs
}

// bestFit packs the longest documents first; ties keep the given order.
func bestFit(lengths []int, budget int) [][]int {
	order := make([]int, len(lengths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return lengths[b] - lengths[a] })

	var packs [][]int
	open := newRooms(budget)
	for _, doc := range order {
		room, pack, ok := open.take(lengths[doc])
		if !ok {
			room, pack = budget, len(packs)
			packs = append(packs, nil)
		}
		packs[pack] = append(packs[pack], doc)
		open.put(room-lengths[doc], pack)
	}
	return packs
}

// nextFit opens a new pack whenever the next document does not fit the last one.
func nextFit(lengths []int, budget int) [][]int {
	var packs [][]int
	room := -1
	for doc, n := range lengths {
		if n > room {
			packs, room = append(packs, nil), budget
		}
		packs[len(packs)-1] = append(packs[len(packs)-1], doc)
		room -= n
	}
	return packs
}

// rooms holds open packs by the tokens they have left, and finds the pack with
// the least sufficient room by walking a binary tree over the amounts of room.
type rooms struct {
	leaves int     // a power of two above the budget
	count  []int   // (2·leaves) packs under each node of the tree
	packs  [][]int // by room: pack numbers, the last one is taken first
}

func newRooms(budget int) *rooms {
	leaves := 1
	for leaves <= budget {
		leaves *= 2
	}
	return &rooms{leaves: leaves, count: make([]int, 2*leaves), packs: make([][]int, budget+1)}
}

// put adds a pack with the given room.
func (r *rooms) put(room, pack int) {
	r.packs[room] = append(r.packs[room], pack)
	for node := r.leaves + room; node > 0; node /= 2 {
		r.count[node]++
	}
}

// take removes a pack with the least room that is at least need.
func (r *rooms) take(need int) (room, pack int, ok bool) {
	node := r.leaves + need
	for r.count[node] == 0 { // up until something lies to the right
		for node&1 == 1 {
			node /= 2
		}
		if node == 0 {
			return 0, 0, false
		}
		node++
	}
	for node < r.leaves { // and down to its smallest room
		node *= 2
		if r.count[node] == 0 {
			node++
		}
	}
	room = node - r.leaves
	last := len(r.packs[room]) - 1
	pack = r.packs[room][last]
	r.packs[room] = r.packs[room][:last]
	for ; node > 0; node /= 2 {
		r.count[node]--
	}
	return room, pack, true
}
