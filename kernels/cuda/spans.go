package cuda

import "retort/kernels/cuda/driver"

// Spans measures n pieces of work on the device's own clock: run(i) queues piece i, and the
// result is the milliseconds of each. The pieces follow each other without a wait of the
// host. It is for benchmarks.
func (b *Backend) Spans(n int, run func(i int)) (milliseconds []float64, err error) {
	marks := make([]driver.Event, n+1)
	defer func() {
		for _, e := range marks {
			if e != 0 {
				b.note(b.context.FreeEvent(e))
			}
		}
	}()
	for i := range marks {
		if marks[i], err = b.context.NewEvent(true); err != nil {
			return nil, err
		}
	}
	for i, mark := range marks {
		if i > 0 {
			run(i - 1)
		}
		b.note(b.context.Record(mark, b.stream))
	}
	if err := b.Sync(); err != nil {
		return nil, err
	}
	milliseconds = make([]float64, n)
	for i := range milliseconds {
		if milliseconds[i], err = b.context.Elapsed(marks[i], marks[i+1]); err != nil {
			return nil, err
		}
	}
	return milliseconds, nil
}
