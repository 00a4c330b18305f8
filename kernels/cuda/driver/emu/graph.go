package emu

import "retort/kernels/cuda/driver"

// capture is what one stream records instead of running it.
type capture struct {
	calls   []func() error
	spoiled bool // a call came that no graph can hold
}

// graph is a finished capture.
type graph struct{ calls []func() error }

// spoil notes that the capture has failed and says why.
func (c *capture) spoil(op, detail string) error {
	c.spoiled = true
	return driver.NewError(op, driver.CodeCaptureUnsupported, detail)
}

// outsideCapture refuses a call that may not be made while this thread captures, and with
// it spoils the capture.
func (d *device) outsideCapture(op string) error {
	if d.lost != nil {
		return d.lost
	}
	for _, s := range d.streams {
		if s.capture != nil {
			return s.capture.spoil(op, "a stream is in a capture")
		}
	}
	return nil
}

// pageable refuses a copy from or to ordinary memory on a stream that is captured.
func (d *device) pageable(op string, h driver.Stream) error {
	s, err := d.stream(op, h)
	if err != nil || s.capture == nil {
		return err
	}
	return s.capture.spoil(op, "a captured copy needs page-locked host memory")
}

// BeginCapture records from here on; the default stream cannot.
func (d *device) BeginCapture(h driver.Stream) error {
	const op = "begin capture"
	s, err := d.stream(op, h)
	switch {
	case err != nil:
		return err
	case h == 0:
		return driver.NewError(op, driver.CodeCaptureUnsupported, "the default stream cannot be captured")
	case s.capture != nil:
		return driver.NewError(op, driver.CodeIllegalState, "the stream is in a capture already")
	}
	s.capture = &capture{}
	return nil
}

// EndCapture ends the capture in any case and returns the recording.
func (d *device) EndCapture(h driver.Stream) (driver.Graph, error) {
	const op = "end capture"
	s, err := d.stream(op, h)
	if err != nil {
		return 0, err
	}
	c := s.capture
	s.capture = nil
	switch {
	case c == nil:
		return 0, driver.NewError(op, driver.CodeIllegalState, "the stream is in no capture")
	case c.spoiled:
		return 0, driver.NewError(op, driver.CodeCaptureInvalid, "a call before it was not allowed in a capture")
	}
	return driver.Graph(d.add(&graph{c.calls})), nil
}

// LaunchGraph queues the recording as one piece of work.
func (d *device) LaunchGraph(h driver.Graph, on driver.Stream) error {
	const op = "launch graph"
	g, err := handle[*graph](d, op, uint64(h))
	if err != nil {
		return err
	}
	return d.enqueue(op, on, 0, func() error {
		for _, call := range g.calls {
			if err := call(); err != nil {
				return err
			}
		}
		return nil
	})
}

// FreeGraph forgets the handle; queued launches keep the recording.
func (d *device) FreeGraph(h driver.Graph) error {
	if _, err := handle[*graph](d, "free graph", uint64(h)); err != nil {
		return err
	}
	delete(d.handles, uint64(h))
	return nil
}
