package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"retort/kernels"
	"retort/kernels/cpu"
)

// profileResult is where the time of a step goes.
type profileResult struct {
	Operations []operationShare `json:"operations"`
	GFLOPS     float64          `json:"gflops"` // of a large matrix product on this machine
	GBps       float64          `json:"gbps"`   // of copying memory with all threads
	Outside    float64          `json:"outside_ms"`
	Step       float64          `json:"step_ms"`
}

// operationShare is one operation's part of a step.
type operationShare struct {
	Name         string  `json:"name"`
	Calls        int     `json:"calls"`
	Milliseconds float64 `json:"ms"`
	GFLOPS       float64 `json:"gflops"`
	GBps         float64 `json:"gbps"`
}

// profileSuite says where a training step's time goes, by operation: as milliseconds, and
// as a share of what the machine's arithmetic or memory allows. It has no peer.
func profileSuite(ctx context.Context, o Options) ([]Row, error) {
	o.Python, o.Rounds = "", 1
	var rows []Row
	for _, name := range []string{"gpt2-124m", "smollm2-135m"} {
		us, _, err := sides[profileResult](ctx, o, []string{"profile:" + name}, nil)
		if err != nil {
			return nil, err
		}
		p := us[0]
		for _, op := range p.Operations {
			what := fmt.Sprintf("%s, %d calls a step, %.0f %% of it", op.Name, op.Calls, 100*op.Milliseconds/p.Step)
			if op.GFLOPS > 0 {
				what += fmt.Sprintf(", %.0f %% of %.0f GFLOP/s", 100*op.GFLOPS/p.GFLOPS, p.GFLOPS)
			} else {
				what += fmt.Sprintf(", %.1f GB/s of %.1f copied", op.GBps, p.GBps)
			}
			rows = append(rows, Row{Name: name + ": " + what, Ours: op.Milliseconds, Unit: "ms"})
		}
		rows = append(rows, Row{Name: name + ": outside operations", Ours: p.Outside, Unit: "ms"}, Row{Name: name + ": whole step", Ours: p.Step, Unit: "ms"})
	}
	return rows, nil
}

// profileWorker times the operations of the fastest of a few steps of so many rows; the
// first, which warms up, does not count.
func profileWorker(name string, stepRows, stepCount int) (profileResult, error) {
	k, err := cpu.New(0)
	if err != nil {
		return profileResult{}, err
	}
	defer k.Close()
	t := &timed{Backend: k, costs: map[string]*cost{}}
	var r profileResult
	var costs map[string]*cost // of the fastest step: the least disturbed by what else runs
	fastest := 0.0
	_, err = runSteps(t, name, stepRows, stepCount, func(step int, seconds float64) {
		if step == 2 || step > 2 && seconds < fastest {
			fastest, costs = seconds, t.costs
		}
		t.costs = map[string]*cost{}
	})
	if err != nil {
		return r, err
	}
	inside := 0.0
	for op, c := range costs {
		inside += c.seconds
		r.Operations = append(r.Operations, operationShare{
			Name: op, Calls: c.calls, Milliseconds: 1000 * c.seconds,
			GFLOPS: c.flops / c.seconds / 1e9, GBps: c.bytes / c.seconds / 1e9,
		})
	}
	slices.SortFunc(r.Operations, func(a, b operationShare) int { return int(1000 * (b.Milliseconds - a.Milliseconds)) })
	r.Step, r.Outside = 1000*fastest, 1000*(fastest-inside)
	r.GFLOPS, r.GBps, err = roofline(k)
	return r, err
}

// roofline measures the machine: a large matrix product, and copying more than any cache
// holds.
func roofline(k kernels.Backend) (gflops, gbps float64, err error) {
	const n, rows, cols = 2048, 1 << 15, 1024
	alloc := func(rows, cols int) (t kernels.Tensor) {
		if err == nil {
			t, err = k.Alloc(kernels.Float32, kernels.Scratch, rows, cols)
		}
		return t
	}
	a, b, c := alloc(n, n), alloc(n, n), alloc(n, n)
	x, table := alloc(rows, cols), alloc(rows, cols)
	var ids kernels.Tensor
	if err == nil {
		ids, err = k.Alloc(kernels.Int32, kernels.Scratch, 1, rows)
	}
	if err != nil {
		return 0, 0, err
	}
	host := make([]float32, n*n)
	for i := range host {
		host[i] = rand.Float32()
	}
	k.Upload(a, host)
	k.Upload(b, host)
	index := make([]int32, rows)
	for i := range index {
		index[i] = int32(i)
	}
	k.UploadInts(ids, index)
	for range 4 {
		began := time.Now()
		k.Linear(c, a, b, kernels.Tensor{})
		gflops = max(gflops, product(n, n, n)/time.Since(began).Seconds()/1e9)
		began = time.Now()
		k.GatherRows(x, table, ids) // a copy by all threads
		gbps = max(gbps, 2*4*rows*cols/time.Since(began).Seconds()/1e9)
	}
	return gflops, gbps, nil
}
