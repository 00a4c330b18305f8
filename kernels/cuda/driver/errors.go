package driver

import (
	"errors"
	"fmt"

	"retort/kernels"
)

// What a caller decides by; every *Error is one of them for errors.Is.
var (
	// ErrNoDriver is returned when the machine has no CUDA driver.
	ErrNoDriver = errors.New("no CUDA driver")
	// ErrNoDevice is returned when there is no device of the index that was asked for.
	ErrNoDevice = errors.New("no such device")
	// ErrOutOfMemory is returned when device or page-locked memory is exhausted.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrIllegalAddress is returned after a kernel touched memory that is not its own.
	ErrIllegalAddress = errors.New("illegal address")
	// ErrECC is returned after memory or a link failed beyond correction.
	ErrECC = errors.New("uncorrectable hardware error")
	// ErrTimeout is returned when the system stopped a kernel that ran too long.
	ErrTimeout = errors.New("kernel timeout")
	// ErrKernel is returned after a kernel failed in another way: trap, assert, illegal instruction.
	ErrKernel = errors.New("kernel failed")
	// ErrPTX is returned when PTX does not load: too new for the driver, or malformed.
	ErrPTX = errors.New("PTX does not load")
	// ErrInvalid is returned when a call's arguments or order are wrong.
	ErrInvalid = errors.New("invalid call")
	// ErrOther is returned for everything else.
	ErrOther = errors.New("driver error")
)

// Error is what a call of a device came to.
type Error struct {
	Op     string // the call, for example "alloc"
	Code   int    // CUresult
	Name   string // the code's name, for example "CUDA_ERROR_OUT_OF_MEMORY"
	Kind   error  // one of the sentinels above
	Sticky bool   // the context is lost; the process must end and start anew
	Detail string // sizes, the JIT log, or empty
	Cause  error  // what it comes from, for errors.As, or nil; Detail has its text
}

// NewError describes a CUresult other than 0.
func NewError(op string, code int, detail string) *Error {
	e := &Error{Op: op, Code: code, Name: "CUresult", Kind: ErrOther, Detail: detail}
	if r, ok := results[code]; ok {
		e.Name, e.Kind, e.Sticky = r.name, r.kind, r.sticky
	}
	return e
}

// Error says it in one line (a JIT log may add more).
func (e *Error) Error() string {
	s := fmt.Sprintf("cuda: %s: %v (%s, %d)", e.Op, e.Kind, e.Name, e.Code)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Is tells that the error is a device's.
func (e *Error) Is(target error) bool { return target == kernels.ErrDevice }

// Unwrap returns the sentinel and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// Codes that other packages name.
const (
	CodeInvalidValue       = 1
	CodeOutOfMemory        = 2
	CodeNoDevice           = 100
	CodeInvalidDevice      = 101
	CodeNoBinary           = 209
	CodeECC                = 214
	CodeInvalidPTX         = 218
	CodePTXVersion         = 222
	CodeInvalidHandle      = 400
	CodeIllegalState       = 401
	CodeNotFound           = 500
	CodeNotReady           = 600
	CodeIllegalAddress     = 700
	CodeTimeout            = 702
	CodeContextDestroyed   = 709
	CodeMisaligned         = 716
	CodeLaunchFailed       = 719
	CodeNotSupported       = 801
	CodeCaptureUnsupported = 900
	CodeCaptureInvalid     = 901
	CodeCaptureIsolation   = 905
	CodeCapturedEvent      = 907
)

// results says what each CUresult means for us. Sticky are those after which CUDA
// documents that the process must be terminated.
var results = map[int]struct {
	name   string
	kind   error
	sticky bool
}{
	CodeInvalidValue:       {"CUDA_ERROR_INVALID_VALUE", ErrInvalid, false},
	CodeOutOfMemory:        {"CUDA_ERROR_OUT_OF_MEMORY", ErrOutOfMemory, false},
	3:                      {"CUDA_ERROR_NOT_INITIALIZED", ErrNoDriver, false},
	4:                      {"CUDA_ERROR_DEINITIALIZED", ErrOther, false},
	34:                     {"CUDA_ERROR_STUB_LIBRARY", ErrNoDriver, false},
	46:                     {"CUDA_ERROR_DEVICE_UNAVAILABLE", ErrNoDevice, false},
	CodeNoDevice:           {"CUDA_ERROR_NO_DEVICE", ErrNoDevice, false},
	CodeInvalidDevice:      {"CUDA_ERROR_INVALID_DEVICE", ErrNoDevice, false},
	200:                    {"CUDA_ERROR_INVALID_IMAGE", ErrPTX, false},
	201:                    {"CUDA_ERROR_INVALID_CONTEXT", ErrInvalid, false},
	CodeNoBinary:           {"CUDA_ERROR_NO_BINARY_FOR_GPU", ErrPTX, false},
	CodeECC:                {"CUDA_ERROR_ECC_UNCORRECTABLE", ErrECC, true},
	CodeInvalidPTX:         {"CUDA_ERROR_INVALID_PTX", ErrPTX, false},
	220:                    {"CUDA_ERROR_NVLINK_UNCORRECTABLE", ErrECC, true},
	221:                    {"CUDA_ERROR_JIT_COMPILER_NOT_FOUND", ErrPTX, false},
	CodePTXVersion:         {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", ErrPTX, false},
	CodeInvalidHandle:      {"CUDA_ERROR_INVALID_HANDLE", ErrInvalid, false},
	CodeIllegalState:       {"CUDA_ERROR_ILLEGAL_STATE", ErrInvalid, false},
	CodeNotFound:           {"CUDA_ERROR_NOT_FOUND", ErrInvalid, false},
	CodeNotReady:           {"CUDA_ERROR_NOT_READY", ErrInvalid, false},
	CodeIllegalAddress:     {"CUDA_ERROR_ILLEGAL_ADDRESS", ErrIllegalAddress, true},
	701:                    {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", ErrInvalid, false},
	CodeTimeout:            {"CUDA_ERROR_LAUNCH_TIMEOUT", ErrTimeout, true},
	CodeContextDestroyed:   {"CUDA_ERROR_CONTEXT_IS_DESTROYED", ErrInvalid, true},
	710:                    {"CUDA_ERROR_ASSERT", ErrKernel, true},
	714:                    {"CUDA_ERROR_HARDWARE_STACK_ERROR", ErrKernel, true},
	715:                    {"CUDA_ERROR_ILLEGAL_INSTRUCTION", ErrKernel, true},
	CodeMisaligned:         {"CUDA_ERROR_MISALIGNED_ADDRESS", ErrIllegalAddress, true},
	717:                    {"CUDA_ERROR_INVALID_ADDRESS_SPACE", ErrIllegalAddress, true},
	718:                    {"CUDA_ERROR_INVALID_PC", ErrKernel, true},
	CodeLaunchFailed:       {"CUDA_ERROR_LAUNCH_FAILED", ErrKernel, true},
	CodeNotSupported:       {"CUDA_ERROR_NOT_SUPPORTED", ErrInvalid, false},
	802:                    {"CUDA_ERROR_SYSTEM_NOT_READY", ErrNoDriver, false},
	803:                    {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", ErrNoDriver, false},
	CodeCaptureUnsupported: {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", ErrInvalid, false},
	CodeCaptureInvalid:     {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", ErrInvalid, false},
	CodeCaptureIsolation:   {"CUDA_ERROR_STREAM_CAPTURE_ISOLATION", ErrInvalid, false},
	CodeCapturedEvent:      {"CUDA_ERROR_CAPTURED_EVENT", ErrInvalid, false},
	906:                    {"CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", ErrInvalid, false},
	999:                    {"CUDA_ERROR_UNKNOWN", ErrOther, true},
}
