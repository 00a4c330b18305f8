package emu

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/faulty"
)

// watched keeps the device that it opened.
type watched struct {
	*Driver
	device *device
}

func (w *watched) Open(index int) (driver.Device, error) {
	d, err := w.Driver.Open(index)
	if err == nil {
		w.device = d.(*device)
	}
	return d, err
}

// live is how many allocations and handles have not been given back.
func (d *device) live() int {
	n := len(d.sizes) + len(d.pinned) + len(d.streams) - 1
	for _, h := range d.handles {
		if _, ok := h.(*function); !ok {
			n++
		}
	}
	return n
}

// TestEveryFailingCallLeavesNoLeakAndNoWrongResult runs the embedded norm with each call
// failing once. Under the tag cudadebug a leak above the device panics as well.
func TestEveryFailingCallLeavesNoLeakAndNoWrongResult(t *testing.T) {
	for _, fault := range faulty.Faults {
		for k := 1; ; k++ {
			below := &watched{Driver: New(Options{Workers: 1})}
			d := faulty.New(below, k, fault)
			var failed error
			var out []byte
			c, err := driver.Open(d, 0)
			if err != nil {
				failed = err
			} else {
				out = rmsNorm(c, 8, 0, func(err error) bool { failed = errors.Join(failed, err); return err == nil })
				failed = errors.Join(failed, c.Close())
				require.Empty(t, c.InUse())
			}
			what := fmt.Sprintf("%v at call %d", fault, k)
			require.Zero(t, d.Late(), what)
			if out != nil {
				normalized(t, out)
			}
			sticky := driver.NewError("", int(fault), "").Sticky
			if below.device != nil && !(sticky && failed != nil) {
				require.Zero(t, below.device.live(), what)
			}
			if k > d.Calls() {
				require.NoError(t, failed, what)
				require.NotNil(t, out)
				require.Greater(t, k, 15)
				break
			}
			require.ErrorIs(t, failed, driver.NewError("", int(fault), "").Kind, what)
		}
	}
}
