package ptx

// reconverge finds for every branch where lanes that went different ways meet
// again: the first instruction of the immediate post-dominator of its block.
// Branches straight to a ret become exits first; lanes that end need no meeting.
func reconverge(code []instr) {
	for i := range code {
		if in := &code[i]; in.op == opBranch && code[in.target].op == opExit && code[in.target].guard < 0 {
			in.target = exitTarget
		}
	}
	g := newGraph(code)
	g.postDominators()
	for i := range code {
		if in := &code[i]; in.op == opBranch || in.op == opTable {
			in.reconverg = noReconvergence
			if d := g.dominator[g.blockOf[i]]; d >= 0 && d != g.exit {
				in.reconverg = g.first[d]
			}
		}
	}
}

// graph is the control flow between basic blocks; exit is a virtual last block.
type graph struct {
	first     []int // instruction
	blockOf   []int // of each instruction
	next      [][]int
	previous  [][]int
	exit      int
	dominator []int // immediate post-dominator; -1: the end is out of reach
}

func newGraph(code []instr) *graph {
	leader := make([]bool, len(code)+1)
	leader[0] = true
	for i := range code {
		switch in := &code[i]; in.op {
		case opBranch:
			leader[i+1] = true
			if in.target >= 0 {
				leader[in.target] = true
			}
		case opTable:
			leader[i+1] = true
			for _, t := range in.targets {
				leader[t] = true
			}
		case opExit:
			leader[i+1] = true
		}
	}
	g := &graph{blockOf: make([]int, len(code))}
	for i := range code {
		if leader[i] {
			g.first = append(g.first, i)
		}
		g.blockOf[i] = len(g.first) - 1
	}
	g.exit = len(g.first)
	g.next = make([][]int, g.exit+1)
	g.previous = make([][]int, g.exit+1)
	for b := 0; b < g.exit; b++ {
		last := len(code) - 1
		if b+1 < g.exit {
			last = g.first[b+1] - 1
		}
		for _, s := range g.successors(code, last) {
			g.next[b] = append(g.next[b], s)
			g.previous[s] = append(g.previous[s], b)
		}
	}
	return g
}

// successors returns the blocks that may follow instruction last. An exit under a
// predicate leads on: the lanes that end are gone.
func (g *graph) successors(code []instr, last int) []int {
	in := &code[last]
	behind := g.exit
	if last+1 < len(code) {
		behind = g.blockOf[last+1]
	}
	var out []int
	switch in.op {
	case opBranch:
		switch {
		case in.target >= 0:
			out = append(out, g.blockOf[in.target])
		case in.guard < 0:
			out = append(out, g.exit)
		}
	case opTable:
		for _, t := range in.targets {
			out = append(out, g.blockOf[t])
		}
	case opExit:
		if in.guard < 0 {
			return []int{g.exit}
		}
	default:
		return []int{behind}
	}
	if in.guard >= 0 {
		out = append(out, behind)
	}
	return out
}

// postDominators computes dominator by the iteration of Cooper, Harvey and
// Kennedy over the reversed graph.
func (g *graph) postDominators() {
	order := make([]int, 0, g.exit+1) // postorder of the reversed graph
	rank := make([]int, g.exit+1)
	visited := make([]bool, g.exit+1)
	var visit func(b int)
	visit = func(b int) {
		visited[b] = true
		for _, p := range g.previous[b] {
			if !visited[p] {
				visit(p)
			}
		}
		rank[b] = len(order)
		order = append(order, b)
	}
	visit(g.exit)
	g.dominator = make([]int, g.exit+1)
	for b := range g.dominator {
		g.dominator[b] = -1
	}
	g.dominator[g.exit] = g.exit
	for changed := true; changed; {
		changed = false
		for i := len(order) - 2; i >= 0; i-- {
			b := order[i]
			meet := -1
			for _, s := range g.next[b] {
				switch {
				case g.dominator[s] < 0:
				case meet < 0:
					meet = s
				default:
					meet = g.common(rank, meet, s)
				}
			}
			if g.dominator[b] != meet {
				g.dominator[b] = meet
				changed = true
			}
		}
	}
}

func (g *graph) common(rank []int, a, b int) int {
	for a != b {
		for rank[a] < rank[b] {
			a = g.dominator[a]
		}
		for rank[b] < rank[a] {
			b = g.dominator[b]
		}
	}
	return a
}
