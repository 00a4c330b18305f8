package cuda

import (
	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// graph runs a sequence of operations: the first time as it is, which loads its kernels and
// grows the workspace, then as a CUDA graph, which costs the host one launch.
type graph struct {
	b        *Backend
	run      func()
	warm     bool
	recorded driver.Graph
	moved    int // b.moved when it was recorded
}

// Graph stands for a sequence of operations that will run many times.
func (b *Backend) Graph(run func()) kernels.Graph { return &graph{b: b, run: run} }

// Run queues the operations. A recording holds addresses: when the backend's own memory has
// moved since, it is made anew.
func (g *graph) Run() {
	b := g.b
	if b.err != nil {
		return
	}
	if !g.warm {
		g.run()
		g.warm = b.err == nil
		return
	}
	if g.recorded != 0 && g.moved != b.moved {
		g.Close()
		g.warm = false // memory may have to grow again, which a recording may not do
		g.Run()
		return
	}
	if g.recorded == 0 && !g.record() {
		g.warm = false
		return
	}
	b.note(b.context.LaunchGraph(g.recorded, b.stream))
}

// record captures the operations instead of running them.
func (g *graph) record() bool {
	b := g.b
	if err := b.context.BeginCapture(b.stream); err != nil {
		b.note(err)
		return false
	}
	g.run()
	recorded, err := b.context.EndCapture(b.stream)
	b.note(err)
	if b.err != nil {
		if err == nil {
			b.note(b.context.FreeGraph(recorded))
		}
		return false
	}
	g.recorded, g.moved = recorded, b.moved
	return true
}

// Close frees the recording.
func (g *graph) Close() {
	if g.recorded != 0 {
		g.b.note(g.b.context.FreeGraph(g.recorded))
		g.recorded = 0
	}
}
