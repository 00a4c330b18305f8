package problems

import (
	"hash/fnv"
	"slices"
)

// Operations of a Node. A given quantity stands in the question.
const (
	Given    = "given"
	Add      = "+"
	Subtract = "-"
	Multiply = "*"
	Divide   = "/"
)

// Node is one named quantity: a given number, or an operation on earlier nodes.
type Node struct {
	Name  string `json:"name"`
	Op    string `json:"op"`
	Args  []int  `json:"args,omitempty"` // earlier nodes; two, or more for a sum
	Value int    `json:"value"`
}

// Graph is the operation graph of a problem. Nodes stand in the order in which
// they can be computed; givens that the answer does not need are distractors.
type Graph struct {
	Nodes  []Node `json:"nodes"`
	Answer int    `json:"answer"` // node that the question asks for
}

// Hash identifies the arithmetic of the answer: operations, their operands and
// the numbers, whatever the wording, the names, the distractors and the order
// of summands and factors.
func (g Graph) Hash() uint64 {
	sums := make([]uint64, g.Answer+1)
	for i, n := range g.Nodes[:g.Answer+1] {
		parts := []uint64{uint64(n.Value)}
		if n.Op != Given {
			parts = parts[:0]
			for _, a := range n.Args {
				parts = append(parts, sums[a])
			}
			if n.Op == Add || n.Op == Multiply {
				slices.Sort(parts)
			}
		}
		h := fnv.New64a()
		h.Write([]byte(n.Op))
		for _, p := range parts {
			for shift := 0; shift < 64; shift += 8 {
				h.Write([]byte{byte(p >> shift)})
			}
		}
		sums[i] = scramble(h.Sum64())
	}
	return sums[g.Answer]
}

// Needed marks the nodes that the answer depends on.
func (g Graph) Needed() []bool {
	needed := make([]bool, len(g.Nodes))
	needed[g.Answer] = true
	for i := g.Answer; i >= 0; i-- {
		if needed[i] {
			for _, a := range g.Nodes[i].Args {
				needed[a] = true
			}
		}
	}
	return needed
}

// compute applies an operation. ok is false where the result is no whole number
// or negative.
func compute(op string, args []int) (result int, ok bool) {
	result = args[0]
	for _, a := range args[1:] {
		switch op {
		case Add:
			result += a
		case Subtract:
			result -= a
		case Multiply:
			result *= a
		case Divide:
			if a == 0 || result%a != 0 {
				return 0, false
			}
			result /= a
		}
	}
	return result, result >= 0
}

// scramble spreads the bits of x (the finaliser of SplitMix64).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
