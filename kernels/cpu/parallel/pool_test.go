package parallel

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type taskFunc func(item, worker int)

func (f taskFunc) Run(item, worker int) { f(item, worker) }

func TestEveryItemRunsExactlyOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		p := New(threads)
		require.Equal(t, threads, p.Threads())
		for _, items := range []int{0, 1, 2, 3, 7, 64, 1000} {
			runs := make([]atomic.Int32, items)
			p.Do(taskFunc(func(item, worker int) {
				if worker < 0 || worker >= threads {
					panic("worker out of range")
				}
				runs[item].Add(1)
			}), items)
			for i := range runs {
				require.EqualValues(t, 1, runs[i].Load(), "threads %d items %d item %d", threads, items, i)
			}
		}
		p.Close()
	}
}

// The results of one Do must be visible to the next, and to the caller,
// through thousands of short operations with sleeping and spinning workers.
func TestConsecutiveDosSeeEachOthersResults(t *testing.T) {
	p := New(3)
	defer p.Close()
	cells := make([]int, 16)
	step := taskFunc(func(item, _ int) { cells[item]++ })
	for round := 1; round <= 3000; round++ {
		p.Do(step, len(cells))
		if round%500 == 0 {
			time.Sleep(2 * spinTime)
		}
		for i := range cells {
			if cells[i] != round {
				require.Equal(t, round, cells[i], "item %d", i)
			}
		}
	}
}

func TestWorkersTakePart(t *testing.T) {
	p := New(2)
	defer p.Close()
	for _, pause := range []time.Duration{0, 5 * spinTime} {
		time.Sleep(pause)
		var both atomic.Int32
		p.Do(taskFunc(func(int, int) { // each item waits for the other: two threads or never
			both.Add(1)
			for both.Load() < 2 {
				runtime.Gosched()
			}
		}), 2)
	}
}

func TestPanicInRunReachesTheCaller(t *testing.T) {
	boom := errors.New("boom")
	for _, threads := range []int{1, 2, 4} {
		for _, bad := range []int{0, 5, 99} {
			p := New(threads)
			func() {
				defer func() {
					got, ok := recover().(*Panic)
					require.True(t, ok)
					require.ErrorIs(t, got, boom)
					require.Contains(t, got.Error(), "pool_test.go")
				}()
				p.Do(taskFunc(func(item, _ int) {
					if item == bad {
						panic(boom)
					}
				}), 100)
			}()
			var sum atomic.Int64 // the pool still works
			p.Do(taskFunc(func(item, _ int) { sum.Add(int64(item)) }), 100)
			require.EqualValues(t, 4950, sum.Load())
			p.Close()
		}
	}
}

func TestGoexitInAWorkerIsAPanicToo(t *testing.T) {
	p := New(2)
	defer p.Close()
	require.Panics(t, func() {
		var both atomic.Int32
		p.Do(taskFunc(func(_, worker int) {
			both.Add(1)
			for both.Load() < 2 {
				runtime.Gosched()
			}
			if worker == 0 {
				runtime.Goexit()
			}
		}), 2)
	})
	var sum atomic.Int64
	p.Do(taskFunc(func(item, _ int) { sum.Add(int64(item)) }), 10)
	require.EqualValues(t, 45, sum.Load())
}

func TestMisuseIsNamed(t *testing.T) {
	p := New(2)
	nested := taskFunc(func(int, int) { p.Do(taskFunc(func(int, int) {}), 1) })
	require.ErrorContains(t, capture(func() { p.Do(nested, 1) }), "nested")
	p.Close()
	p.Close()
	require.PanicsWithValue(t, "parallel: Do called on a closed pool", func() { p.Do(taskFunc(func(int, int) {}), 1) })
}

func capture(f func()) (err error) {
	defer func() { err = recover().(error) }()
	f()
	return nil
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		p := New(4)
		p.Do(taskFunc(func(int, int) {}), 8)
		p.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // Close has returned; the scheduler may still be burying the last worker
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestIdlePoolSleeps(t *testing.T) {
	p := New(4)
	defer p.Close()
	p.Do(taskFunc(func(int, int) {}), 8)
	require.Eventually(t, func() bool {
		for i := range p.workers {
			if !p.workers[i].asleep.Load() {
				return false
			}
		}
		return true
	}, 5*time.Second, time.Millisecond)
}

type count struct{ n atomic.Int64 }

func (c *count) Run(int, int) { c.n.Add(1) }

func TestDoAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	task := &count{}
	require.Zero(t, testing.AllocsPerRun(200, func() { p.Do(task, 32) }))
}

func BenchmarkDo(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(map[int]string{1: "1thread", 2: "2threads"}[threads], func(b *testing.B) {
			p := New(threads)
			defer p.Close()
			task := &count{}
			b.ReportAllocs()
			for b.Loop() {
				p.Do(task, 2*threads)
			}
		})
	}
}
