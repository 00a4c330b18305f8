package emu

import (
	"slices"
	"time"

	"retort/kernels/cuda/driver"
)

// A queue of this many entries, or that holds this many bytes of copied host memory, runs
// by itself.
const (
	maxPending   = 4096
	maxHeldBytes = 64 << 20
)

// stream is a queue whose entries run in order, when something needs them.
type stream struct {
	pending []entry
	done    int64 // entries that have run
	bytes   int   // host memory that pending holds
	last    int64 // when the youngest entry was queued, in entries of the device
	capture *capture
}

// end is the count of entries that will have run when the stream is empty.
func (s *stream) end() int64 { return s.done + int64(len(s.pending)) }

// entry is one piece of queued work: a call, an event's mark or a wait for one.
type entry struct {
	op    string
	run   func() error
	mark  *mark // the event passes here
	after *mark // the stream may not go on before this has passed
	bytes int
}

// event is what its handle stands for; waits and times refer to the record that they met.
type event struct {
	timed  bool
	record *mark // the latest Record, or nil
}

// mark is one Record of an event.
type mark struct {
	stream  *stream
	end     int64 // of the stream's entries, this one included
	passed  bool
	at      time.Duration // the device's clock when it passed
	capture *capture      // recorded in a capture: it never passes
}

// stream returns the stream of a handle.
func (d *device) stream(op string, h driver.Stream) (*stream, error) {
	if h == 0 {
		return d.streams[0], d.ready()
	}
	return handle[*stream](d, op, uint64(h))
}

// enqueue queues work on a stream, or records it while the stream is captured.
func (d *device) enqueue(op string, h driver.Stream, bytes int, run func() error) error {
	s, err := d.stream(op, h)
	if err != nil {
		return err
	}
	if s.capture != nil {
		s.capture.calls = append(s.capture.calls, run)
		return nil
	}
	return d.push(s, entry{op: op, run: run, bytes: bytes})
}

// push queues an entry.
func (d *device) push(s *stream, e entry) error {
	d.issued++
	s.last = d.issued
	s.bytes += e.bytes
	s.pending = append(s.pending, e)
	if len(s.pending) >= maxPending || s.bytes >= maxHeldBytes {
		return d.runTo(s, s.end())
	}
	return nil
}

// runTo runs s until end entries have run, and of other streams what it waits for. That
// ends: a wait refers to entries that were queued before it.
func (d *device) runTo(s *stream, end int64) error {
	for s.done < end {
		e := s.pending[0]
		s.pending[0] = entry{} // let go of what it holds
		s.pending = s.pending[1:]
		s.bytes -= e.bytes
		switch {
		case e.after != nil:
			if err := d.runTo(e.after.stream, e.after.end); err != nil {
				return err
			}
		case e.mark != nil:
			e.mark.passed, e.mark.at = true, d.clock
		default:
			if err := d.do(e.op, e.run); err != nil {
				return err
			}
		}
		s.done++
	}
	return nil
}

// do runs one call on the device's clock; a failure loses the device.
func (d *device) do(op string, run func() error) error {
	start := time.Now()
	err := run()
	d.clock += time.Since(start)
	if err != nil {
		return d.lose(failure(op, err))
	}
	return nil
}

// finish runs everything, the stream with the youngest work first: that is the order in
// which a missing wait shows.
func (d *device) finish() error {
	for {
		var next *stream
		for _, s := range d.streams {
			if len(s.pending) > 0 && (next == nil || s.last > next.last) {
				next = s
			}
		}
		if next == nil {
			return nil
		}
		if err := d.runTo(next, next.end()); err != nil {
			return err
		}
	}
}

// NewStream returns an empty queue.
func (d *device) NewStream() (driver.Stream, error) {
	if d.lost != nil {
		return 0, d.lost
	}
	s := &stream{}
	d.streams = append(d.streams, s)
	return driver.Stream(d.add(s)), nil
}

// FreeStream runs what is queued and forgets the stream.
func (d *device) FreeStream(h driver.Stream) error {
	s, err := handle[*stream](d, "free stream", uint64(h))
	if err != nil {
		return err
	}
	if err := d.runTo(s, s.end()); err != nil {
		return err
	}
	delete(d.handles, uint64(h))
	i := slices.Index(d.streams, s)
	d.streams = slices.Delete(d.streams, i, i+1)
	return nil
}

// Sync runs the stream and what it waits for.
func (d *device) Sync(h driver.Stream) error {
	const op = "sync"
	s, err := d.stream(op, h)
	if err != nil {
		return err
	}
	if s.capture != nil {
		return s.capture.spoil(op, "the stream is in a capture")
	}
	return d.runTo(s, s.end())
}

// NewEvent returns an event that nothing has recorded.
func (d *device) NewEvent(timed bool) (driver.Event, error) {
	if d.lost != nil {
		return 0, d.lost
	}
	return driver.Event(d.add(&event{timed: timed})), nil
}

// FreeEvent forgets the handle; queued waits keep the mark.
func (d *device) FreeEvent(h driver.Event) error {
	if _, err := handle[*event](d, "free event", uint64(h)); err != nil {
		return err
	}
	delete(d.handles, uint64(h))
	return nil
}

// Record queues a new mark for the event. In a capture it marks nothing but the capture.
func (d *device) Record(h driver.Event, on driver.Stream) error {
	const op = "record"
	e, err := handle[*event](d, op, uint64(h))
	if err != nil {
		return err
	}
	s, err := d.stream(op, on)
	if err != nil {
		return err
	}
	e.record = &mark{stream: s, end: s.end() + 1, capture: s.capture}
	if s.capture != nil {
		return nil
	}
	return d.push(s, entry{op: op, mark: e.record})
}

// Wait queues a wait for the event's latest record; there may be none.
func (d *device) Wait(on driver.Stream, h driver.Event) error {
	const op = "wait"
	e, err := handle[*event](d, op, uint64(h))
	if err != nil {
		return err
	}
	s, err := d.stream(op, on)
	switch m := e.record; {
	case err != nil:
		return err
	case m == nil || m.stream == s && m.capture == s.capture:
		return nil
	case m.capture != nil:
		return m.capture.spoil(op, "the event was recorded in a capture; here a capture has one stream")
	case s.capture != nil:
		s.capture.spoiled = true
		return driver.NewError(op, driver.CodeCaptureIsolation, "the event was recorded outside of the stream's capture")
	default:
		return d.push(s, entry{op: op, after: m})
	}
}

// SyncEvent runs the event's stream up to its latest record.
func (d *device) SyncEvent(h driver.Event) error {
	const op = "sync event"
	e, err := handle[*event](d, op, uint64(h))
	if err != nil || e.record == nil {
		return err
	}
	if e.record.capture != nil {
		return driver.NewError(op, driver.CodeCapturedEvent, "the event was recorded in a capture")
	}
	return d.runTo(e.record.stream, e.record.end)
}

// Elapsed is the time that queued work ran between two marks, on the device's clock.
func (d *device) Elapsed(from, to driver.Event) (float64, error) {
	const op = "elapsed"
	var at [2]time.Duration
	for i, h := range []driver.Event{from, to} {
		e, err := handle[*event](d, op, uint64(h))
		switch {
		case err != nil:
			return 0, err
		case !e.timed || e.record == nil:
			return 0, driver.NewError(op, driver.CodeInvalidHandle, "the event is not timed, or nothing has recorded it")
		case e.record.capture != nil:
			return 0, driver.NewError(op, driver.CodeCapturedEvent, "the event was recorded in a capture")
		case !e.record.passed:
			return 0, driver.NewError(op, driver.CodeNotReady, "the event has not passed; sync first")
		}
		at[i] = e.record.at
	}
	return float64(at[1]-at[0]) / float64(time.Millisecond), nil
}
