// Package faulty wraps a driver and fails its k-th call, for tests: what a program does
// when the device runs out of memory, or is lost, at every point where that can happen.
package faulty

import "retort/kernels/cuda/driver"

// Fault is what the k-th call comes to.
type Fault int

// The faults, by CUresult. All but OutOfMemory lose the context.
const (
	OutOfMemory    Fault = driver.CodeOutOfMemory
	IllegalAddress Fault = driver.CodeIllegalAddress
	ECC            Fault = driver.CodeECC
	Timeout        Fault = driver.CodeTimeout
)

// Faults lists them all.
var Faults = []Fault{OutOfMemory, IllegalAddress, ECC, Timeout}

// String is the fault's sentinel error in words.
func (f Fault) String() string { return driver.NewError("", int(f), "").Kind.Error() }

// Driver fails the k-th call, counted from 1, to the driver and its devices; 0 fails
// none. After a sticky fault every call fails as a lost context does, and is counted.
type Driver struct {
	driver.Driver
	k     int
	fault Fault
	calls int
	late  int
	lost  *driver.Error
}

// New wraps d.
func New(d driver.Driver, k int, fault Fault) *Driver { return &Driver{Driver: d, k: k, fault: fault} }

// Calls is how many calls were made.
func (d *Driver) Calls() int { return d.calls }

// Late is how many calls were made after a sticky fault; a caller that stops has none.
func (d *Driver) Late() int { return d.late }

// before counts a call and returns the error that it shall come to.
func (d *Driver) before(op string) error {
	d.calls++
	if d.lost != nil {
		d.late++
		return d.lost
	}
	if d.calls != d.k {
		return nil
	}
	e := driver.NewError(op, int(d.fault), "")
	if e.Sticky {
		d.lost = e
	}
	return e
}

// release is before for calls that give something back: those do their work even when
// they report a failure, as the real driver's do, unless the context is lost.
func (d *Driver) release(op string, call func() error) error {
	err := d.before(op)
	if d.lost != nil {
		return err
	}
	return first(err, call())
}

// first is the first error that is not nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Open opens a device of the wrapped driver.
func (d *Driver) Open(index int) (driver.Device, error) {
	if err := d.before("open"); err != nil {
		return nil, err
	}
	inner, err := d.Driver.Open(index)
	if err != nil {
		return nil, err
	}
	return &device{d, inner}, nil
}
