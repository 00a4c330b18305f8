package cuda_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/emu"
	"retort/kernels/cuda/driver/faulty"
)

// ledger is a driver that counts what its device holds, below everything that could hide a
// leak.
type ledger struct {
	driver.Driver
	held map[string]int
}

func newLedger(d driver.Driver) *ledger { return &ledger{d, map[string]int{}} }

// entry counts a call that gave something, or with -1 took it back.
func (l *ledger) entry(what string, by int, err error) {
	if err == nil {
		l.held[what] += by
	}
}

// open is what is held and was not given back.
func (l *ledger) open() map[string]int {
	left := map[string]int{}
	for what, n := range l.held {
		if n != 0 {
			left[what] = n
		}
	}
	return left
}

func (l *ledger) Open(index int) (driver.Device, error) {
	d, err := l.Driver.Open(index)
	l.entry("device", 1, err)
	return &ledgerDevice{d, l}, err
}

type ledgerDevice struct {
	driver.Device
	l *ledger
}

func (d *ledgerDevice) Close() error {
	err := d.Device.Close()
	d.l.entry("device", -1, err)
	return err
}

func (d *ledgerDevice) Alloc(n int64) (driver.Ptr, error) {
	p, err := d.Device.Alloc(n)
	d.l.entry("memory", 1, err)
	return p, err
}

func (d *ledgerDevice) Free(p driver.Ptr) error {
	err := d.Device.Free(p)
	d.l.entry("memory", -1, err)
	return err
}

func (d *ledgerDevice) AllocHost(n int64) ([]byte, error) {
	b, err := d.Device.AllocHost(n)
	d.l.entry("host memory", 1, err)
	return b, err
}

func (d *ledgerDevice) FreeHost(b []byte) error {
	err := d.Device.FreeHost(b)
	d.l.entry("host memory", -1, err)
	return err
}

func (d *ledgerDevice) NewStream() (driver.Stream, error) {
	s, err := d.Device.NewStream()
	d.l.entry("stream", 1, err)
	return s, err
}

func (d *ledgerDevice) FreeStream(s driver.Stream) error {
	err := d.Device.FreeStream(s)
	d.l.entry("stream", -1, err)
	return err
}

func (d *ledgerDevice) NewEvent(timed bool) (driver.Event, error) {
	e, err := d.Device.NewEvent(timed)
	d.l.entry("event", 1, err)
	return e, err
}

func (d *ledgerDevice) FreeEvent(e driver.Event) error {
	err := d.Device.FreeEvent(e)
	d.l.entry("event", -1, err)
	return err
}

func (d *ledgerDevice) Load(name, ptx string) (driver.Module, error) {
	m, err := d.Device.Load(name, ptx)
	d.l.entry("module", 1, err)
	return m, err
}

func (d *ledgerDevice) Unload(m driver.Module) error {
	err := d.Device.Unload(m)
	d.l.entry("module", -1, err)
	return err
}

// session is a backend's life in small: memory, an upload, a norm there and back, a product,
// an optimizer step, a download, and everything given back. It returns what was downloaded,
// nil when the download failed, and the first error, as a caller sees them.
func session(d driver.Driver) (result []float32, err error) {
	b, err := cuda.New(d, 0, cuda.Options{Activation: kernels.BFloat16})
	if err != nil {
		return nil, err
	}
	var tensors []kernels.Tensor
	defer func() {
		for _, t := range tensors {
			b.Free(t)
		}
		if closed := b.Close(); err == nil {
			err = closed
		}
	}()
	const rows, n = 3, 8
	alloc := func(dtype kernels.DType, rows, cols int) (t kernels.Tensor) {
		if err == nil {
			if t, err = b.Alloc(dtype, kernels.Activations, rows, cols); err == nil {
				tensors = append(tensors, t)
			}
		}
		return t
	}
	act := func(rows, cols int) kernels.Tensor { return alloc(kernels.BFloat16, rows, cols) }
	f32 := func(rows, cols int) kernels.Tensor { return alloc(kernels.Float32, rows, cols) }
	x, y, h, dy, dx := act(rows, n), act(rows, n), act(rows, n), act(rows, n), act(rows, n)
	stats, weight, w := f32(rows, 2), act(1, n), act(n, n)
	dw, control := f32(1, n), f32(1, kernels.ControlSlots)
	p := kernels.Parameter{Value: weight, Grad: dw, Master: f32(1, n), Moment1: f32(1, n), Moment2: f32(1, n), Decay: true}
	if err != nil {
		return nil, err
	}
	ramp := make([]float32, n*n)
	for i := range ramp {
		ramp[i] = float32(i%13) - 6
	}
	b.Upload(x, ramp[:rows*n])
	b.Upload(dy, ramp[5:5+rows*n])
	b.Upload(weight, ramp[1:1+n])
	b.Upload(w, ramp)
	b.Upload(p.Master, ramp[1:1+n])
	norm := kernels.Norm{Kind: kernels.RMSNorm, Weight: weight, Eps: 1e-5}
	b.Norm(y, stats, x, norm)
	b.Linear(h, y, w, kernels.Tensor{})
	b.NormBackward(dx, dw, kernels.Tensor{}, h, x, stats, norm, false)
	b.GlobalNorm(control, []kernels.Parameter{p}, 1)
	b.AdamW(control, []kernels.Parameter{p}, kernels.AdamW{LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8})
	if err := b.Sync(); err != nil {
		return nil, err
	}
	result = make([]float32, rows*n+n)
	if err := b.Download(result[:rows*n], dx); err != nil {
		return nil, err
	}
	if err := b.Download(result[rows*n:], weight); err != nil {
		return nil, err
	}
	return result, nil
}

func TestEveryCallThatFailsLeavesNoLeakAndNoWrongResult(t *testing.T) {
	fresh := func() driver.Driver { return emu.New(emu.Options{Workers: 1}) }
	whole := newLedger(fresh())
	clean := faulty.New(whole, 0, faulty.OutOfMemory)
	want, err := session(clean)
	require.NoError(t, err)
	require.Empty(t, whole.open())
	require.NotContains(t, want, float32(0), "every value is computed")
	require.Greater(t, clean.Calls(), 60)

	for _, fault := range faulty.Faults {
		sized := 0 // failures that say what was asked and what is free
		for k := 1; k <= clean.Calls(); k++ {
			l := newLedger(fresh())
			d := faulty.New(l, k, fault)
			got, err := session(d)
			require.Error(t, err, "call %d: %v was swallowed", k, fault)
			var e *driver.Error
			require.ErrorAs(t, err, &e, "call %d", k)
			require.Equal(t, int(fault), e.Code, "call %d: %v", k, err)
			require.ErrorIs(t, err, kernels.ErrDevice)
			if got != nil {
				require.Equal(t, want, got, "call %d: %v came with a wrong result", k, fault)
			}
			if fault != faulty.OutOfMemory {
				require.Zero(t, d.Late(), "call %d: the device was called after %v", k, fault)
				continue
			}
			require.Empty(t, l.open(), "call %d (%s) left things behind", k, e.Op)
			if e.Op == "alloc" || e.Op == "alloc host" {
				sized++
				require.Regexp(t, `asked for .*, .* of .* are free; in use: `, err.Error())
			}
		}
		if fault == faulty.OutOfMemory {
			require.Greater(t, sized, 15)
		}
	}
}
