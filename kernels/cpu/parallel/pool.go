// Package parallel spreads one operation over the cores. A Pool owns its
// worker goroutines; the CPU backend owns one Pool and hands it to every
// operation. Only one goroutine at a time may use a Pool.
//
// A worker that is asleep never delays an operation: workers join the work
// that is on offer, and the caller, who takes part itself, waits only for
// those that joined. All of that state is one 64-bit word, so that joining,
// closing the offer and waiting cannot miss each other.
package parallel

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Task is one operation's work, cut into items that write disjoint results.
type Task interface {
	// Run does one item. worker, in [0, Threads), names the thread that
	// runs it, for scratch memory; the results must not depend on it.
	Run(item, worker int)
}

// Panic is what Do panics with when a Run panicked, on whichever thread.
type Panic struct {
	Value any    // what Run panicked with
	Stack []byte // of the goroutine on which it did
}

// Error returns the value and the stack of the thread that panicked.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value when it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// The state word: the number of the operation in the upper half, flags, and
// the number of workers that have joined it.
const (
	joinedMask = 1<<16 - 1
	flagOpen   = 1 << 16 // workers may join
	flagWaits  = 1 << 17 // the caller sleeps until the last worker leaves
	flagClosed = 1 << 18 // the pool is closed
	oneOp      = 1 << 32
)

// Spinning: how long a worker looks for the next operation before it sleeps,
// and how many looks it takes between two offers of its core to the scheduler.
const (
	spinTime  = 40 * time.Microsecond
	spinLooks = 200
)

// Pool runs tasks on a fixed number of threads.
type Pool struct {
	workers []worker // threads - 1 of them; the caller of Do is the last thread
	exited  sync.WaitGroup
	busy    atomic.Bool   // a Do is in progress
	done    chan struct{} // the last worker left, to a sleeping caller

	// Written by Do before the operation opens, read by those who joined.
	task  Task
	items int64

	_      [64]byte
	state  atomic.Uint64
	_      [56]byte
	next   atomic.Int64 // next item to hand out
	_      [56]byte
	failed atomic.Pointer[Panic]
}

type worker struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [40]byte
}

// New starts a pool of the given number of threads, the caller of Do being
// one of them; threads <= 0 means GOMAXPROCS.
func New(threads int) *Pool {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	threads = min(threads, joinedMask)
	p := &Pool{workers: make([]worker, threads-1), done: make(chan struct{}, 1)}
	for i := range p.workers {
		p.workers[i].wake = make(chan struct{}, 1)
		p.exited.Add(1)
		go p.work(i)
	}
	return p
}

// Threads returns the number of threads, the caller's included.
func (p *Pool) Threads() int { return len(p.workers) + 1 }

// Do runs items 0..items-1 of t over the threads and returns when all are
// done. The caller runs items too, as the last worker. It allocates nothing.
// When a Run panics, no further items start, and Do panics with a *Panic
// after every thread has left the task. Run must not call Do.
func (p *Pool) Do(t Task, items int) {
	if !p.busy.CompareAndSwap(false, true) {
		panic("parallel: Do called while another Do runs on the same pool (nested, or from two goroutines)")
	}
	defer p.busy.Store(false)
	if p.state.Load()&flagClosed != 0 {
		panic("parallel: Do called on a closed pool")
	}
	if items <= 0 {
		return
	}
	p.task, p.items = t, int64(items)
	p.next.Store(0)
	if len(p.workers) == 0 || items == 1 {
		p.take(len(p.workers))
	} else {
		p.state.Store((p.state.Load()&^(oneOp-1) + oneOp) | flagOpen)
		p.wakeWorkers(items - 1)
		p.take(len(p.workers))
		p.await()
	}
	p.task = nil
	if failed := p.failed.Swap(nil); failed != nil {
		panic(failed)
	}
}

// Close stops the workers and waits for them. Do panics after it.
func (p *Pool) Close() {
	if !p.busy.CompareAndSwap(false, true) {
		panic("parallel: Close called while a Do runs")
	}
	defer p.busy.Store(false)
	p.state.Store(p.state.Load()&^(oneOp-1) | flagClosed)
	p.wakeWorkers(len(p.workers))
	p.exited.Wait()
}

// take runs items as the given worker until none is left.
func (p *Pool) take(worker int) {
	finished := false
	defer func() {
		if finished {
			return
		}
		value := recover()
		if value == nil {
			value = "parallel: Run ended its goroutine (runtime.Goexit)"
		}
		p.failed.CompareAndSwap(nil, &Panic{Value: value, Stack: debug.Stack()})
		p.next.Store(p.items) // hand out nothing more
	}()
	for item := p.next.Add(1) - 1; item < p.items; item = p.next.Add(1) - 1 {
		p.task.Run(int(item), worker)
	}
	finished = true
}

// wakeWorkers wakes at most limit of the workers that sleep.
func (p *Pool) wakeWorkers(limit int) {
	for i := range p.workers[:min(limit, len(p.workers))] {
		w := &p.workers[i]
		if w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// await closes the operation to further workers and returns when those that
// joined have left.
func (p *Pool) await() {
	p.state.And(^uint64(flagOpen))
	gone := func(state uint64) bool { return state&joinedMask == 0 }
	if p.spin(gone) {
		return
	}
	for {
		state := p.state.Load()
		if gone(state) {
			return
		}
		if p.state.CompareAndSwap(state, state|flagWaits) {
			<-p.done
			p.state.And(^uint64(flagWaits))
			return
		}
	}
}

// work is the life of worker i.
func (p *Pool) work(i int) {
	defer p.exited.Done()
	w := &p.workers[i]
	last := uint64(0) // number of the operation that this worker saw last
	news := func(state uint64) bool {
		return state&flagClosed != 0 || state&flagOpen != 0 && state/oneOp != last
	}
	for {
		if !p.spin(news) {
			w.asleep.Store(true)
			if !news(p.state.Load()) || !w.asleep.CompareAndSwap(true, false) {
				<-w.wake
			}
		}
		state := p.state.Load()
		if state&flagClosed != 0 {
			return
		}
		if !news(state) || !p.state.CompareAndSwap(state, state+1) {
			continue
		}
		last = state / oneOp
		p.join(i)
	}
}

// join runs items as worker i, which has been counted in, and counts it out
// even when Run ends the goroutine.
func (p *Pool) join(i int) {
	defer func() {
		state := p.state.Add(^uint64(0))
		if state&joinedMask == 0 && state&flagWaits != 0 {
			p.done <- struct{}{}
		}
	}()
	p.take(i)
}

// spin looks at the state for a short while and reports whether it became ready.
func (p *Pool) spin(ready func(state uint64) bool) bool {
	for start := time.Now(); ; {
		for range spinLooks {
			if ready(p.state.Load()) {
				return true
			}
		}
		if time.Since(start) > spinTime {
			return false
		}
		runtime.Gosched()
	}
}
