package emu

import (
	"errors"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
)

// faultCodes is the CUresult by which a card reports what the PTX machine finds. What a
// card does not notice at all (a race, a read of unwritten memory) counts as a failed launch.
var faultCodes = []struct {
	kind error
	code int
}{
	{ptx.ErrBounds, driver.CodeIllegalAddress},
	{ptx.ErrUseAfterFree, driver.CodeIllegalAddress},
	{ptx.ErrReadOnly, driver.CodeIllegalAddress},
	{ptx.ErrAlignment, driver.CodeMisaligned},
	{ptx.ErrBudget, driver.CodeTimeout},
	{ptx.ErrLaunch, driver.CodeInvalidValue},
}

// failure turns an error of the PTX machine into the driver's, which wraps it.
func failure(op string, err error) *driver.Error {
	code := driver.CodeLaunchFailed
	for _, f := range faultCodes {
		if errors.Is(err, f.kind) {
			code = f.code
			break
		}
	}
	return caused(op, code, err)
}

// caused is the driver's error that wraps err.
func caused(op string, code int, err error) *driver.Error {
	e := driver.NewError(op, code, err.Error())
	e.Cause = err
	return e
}
