package check

import (
	"errors"
	"runtime"
	"sync"

	"retort/data/rowfile"
)

// Bounds of a batch of lines: whichever is reached first.
const (
	batchRows  = 256
	batchBytes = 1 << 20
)

// line is one row of the file, not parsed yet.
type line struct {
	number int
	index  int
	text   []byte
	fault  error
}

// batch goes from the reader through one worker to the collector, in the file's order.
type batch struct {
	lines    []line
	findings []finding
	err      error
	done     chan struct{}
}

// errStopped ends the reading when the collector has given up.
var errStopped = errors.New("stopped")

// scan reads the file, judges its rows on all cores and hands the findings to collect in
// the order of the file. judges are made by newJudge, one for each goroutine.
func scan(path string, newJudge func() (*judge, error), collect func(finding) error) error {
	workers := runtime.GOMAXPROCS(0)
	waiting, ordered := make(chan *batch, workers), make(chan *batch, 2*workers)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range workers {
		j, err := newJudge()
		if err != nil {
			close(waiting)
			group.Wait()
			return err
		}
		group.Go(func() {
			for b := range waiting {
				b.judge(j)
			}
		})
	}
	var readErr error
	group.Go(func() {
		defer close(waiting)
		defer close(ordered)
		readErr = readBatches(path, func(b *batch) error {
			select {
			case ordered <- b:
				waiting <- b
				return nil
			case <-stop:
				return errStopped
			}
		})
	})
	var err error
	for b := range ordered {
		<-b.done
		if err != nil {
			continue // drain
		}
		if err = b.collect(collect); err != nil {
			close(stop)
		}
	}
	group.Wait()
	if err != nil {
		return err
	}
	return readErr
}

func (b *batch) judge(j *judge) {
	defer close(b.done)
	b.findings = make([]finding, 0, len(b.lines))
	for _, l := range b.lines {
		f, err := j.judge(l)
		if err != nil {
			b.err = err
			return
		}
		b.findings = append(b.findings, f)
	}
	b.lines = nil
}

func (b *batch) collect(collect func(finding) error) error {
	for _, f := range b.findings {
		if err := collect(f); err != nil {
			return err
		}
	}
	return b.err
}

// readBatches cuts a file into batches.
func readBatches(path string, send func(*batch) error) error {
	b, size, index := &batch{done: make(chan struct{})}, 0, 0
	err := rowfile.Each(path, func(number int, text []byte, fault error) error {
		b.lines = append(b.lines, line{number, index, append([]byte(nil), text...), fault})
		index++
		if size += len(text); len(b.lines) < batchRows && size < batchBytes {
			return nil
		}
		full := b
		b, size = &batch{done: make(chan struct{})}, 0
		return send(full)
	})
	if err == nil && len(b.lines) > 0 {
		err = send(b)
	}
	return err
}
