package conformance

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"retort/kernels"
)

// Memory: allocation, transfer, accounting. Each scenario is a handful of calls and
// what must be seen after them.
func memoryEntries() []Entry {
	return []Entry{
		{
			Name:    "identity",
			Methods: []string{"Name", "ActivationType", "Sync"},
			Doc:     "a backend has a name, computes in float32 or bf16, and nothing has failed yet",
			Scenario: func(k *kit) error {
				if k.Name() == "" {
					return errors.New("the name is empty")
				}
				if t := k.ActivationType(); t != kernels.Float32 && t != kernels.BFloat16 {
					return fmt.Errorf("ActivationType is %v", t)
				}
				return k.Sync()
			},
		},
		{
			Name:     "alloc and free",
			Methods:  []string{"Alloc", "Free", "InUse", "Peak", "Available"},
			Doc:      "memory is zeroed, also when it is used again, and counted by purpose; some is available",
			Scenario: allocated,
		},
		{
			Name:     "upload and download",
			Methods:  []string{"Upload", "Download", "Sync"},
			Doc:      "views are copied row by row; bits survive; the source may be reused at once",
			Scenario: transferred,
		},
		{
			Name:     "upload and download of integers",
			Methods:  []string{"UploadInts", "DownloadInts", "Zero"},
			Doc:      "as for floats, with every bit of 32",
			Scenario: transferredInts,
		},
		{
			Name:    "refused allocation",
			Methods: []string{"Alloc"},
			Doc:     "an allocation that cannot be is an error that names the purpose, and takes nothing",
			Scenario: func(k *kit) error {
				before := held(k.InUse())
				t, err := k.Alloc(kernels.Float32, kernels.Cache, 1<<30, 1<<30)
				if err == nil {
					k.Free(t)
					return errors.New("4 EiB were allocated")
				}
				if !strings.Contains(err.Error(), string(kernels.Cache)) {
					return fmt.Errorf("the error does not name the purpose %q: %w", kernels.Cache, err)
				}
				if after := held(k.InUse()); fmt.Sprint(before) != fmt.Sprint(after) {
					return fmt.Errorf("memory in use went from %v to %v", before, after)
				}
				return nil
			},
		},
	}
}

func allocated(k *kit) error {
	purposes := []kernels.Purpose{kernels.Parameters, kernels.Gradients, kernels.Optimizer,
		kernels.Activations, kernels.Cache, kernels.Input, kernels.Scratch}
	for _, p := range purposes {
		for _, dtype := range []kernels.DType{kernels.Float32, k.activation, kernels.Int32} {
			for _, fresh := range []bool{true, false} {
				before := k.InUse()[p]
				t, err := k.Alloc(dtype, p, 7, 33)
				if err != nil {
					return err
				}
				if t.Rows != 7 || t.Cols != 33 || t.Stride != 33 || t.Off != 0 || t.DType != dtype || t.Absent() {
					return fmt.Errorf("Alloc(%v, 7, 33) gave %#v", dtype, t)
				}
				size := int64(7 * 33 * dtype.Size())
				if grown := k.InUse()[p] - before; grown < size || t.Buf.Bytes() < size {
					return fmt.Errorf("%s grew by %d bytes, the buffer has %d, want at least %d", p, grown, t.Buf.Bytes(), size)
				}
				if err := holdsZeros(k, t); err != nil {
					return fmt.Errorf("%s, first time %v: %w", p, fresh, err)
				}
				k.dirty(t)
				k.Free(t)
				if after := k.InUse()[p]; after != before {
					return fmt.Errorf("%s: %d bytes in use after Free, %d before Alloc", p, after, before)
				}
			}
		}
	}
	if k.Peak() <= 0 {
		return fmt.Errorf("the peak is %d bytes", k.Peak())
	}
	if n, known := k.Available(); known && n <= 0 {
		return fmt.Errorf("%d bytes are available", n)
	}
	return nil
}

func holdsZeros(k *kit, t kernels.Tensor) error {
	if t.DType == kernels.Int32 {
		if got := k.readInts(t); slices.ContainsFunc(got, func(v int32) bool { return v != 0 }) {
			return fmt.Errorf("%v is not zeroed: %v", t, got[:8])
		}
		return nil
	}
	return same("fresh memory", make([]float32, t.Len()), k.read(t))
}

// dirty fills t with values that are not zero.
func (k *kit) dirty(t kernels.Tensor) {
	if t.DType == kernels.Int32 {
		k.UploadInts(t, k.distinct(t.Len(), t.Len()))
		return
	}
	k.Upload(t, k.values(t.DType, t.Len()))
}

func transferred(k *kit) error {
	for _, dtype := range []kernels.DType{kernels.Float32, k.activation} {
		whole := k.alloc(dtype, 9, 40)
		background := k.values(dtype, whole.Len())
		k.Upload(whole, background)
		inner := whole.RowRange(2, 7).ColRange(3, 36)
		values := k.values(dtype, inner.Len())
		copy(values, []float32{0, float32(math.Copysign(0, -1)), 1, -2, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())})
		if dtype == kernels.Float32 {
			values[7], values[8] = math.MaxFloat32, math.SmallestNonzeroFloat32
		}
		source := slices.Clone(values)
		k.Upload(inner, source)
		clear(source) // reused at once
		if err := same("the uploaded view", values, k.read(inner)); err != nil {
			return err
		}
		for i := range inner.Rows {
			copy(background[(2+i)*40+3:], values[i*33:(i+1)*33])
		}
		if err := same("the buffer around the view", background, k.read(whole)); err != nil {
			return err
		}
		if err := same("a row", background[4*40:5*40], k.read(whole.RowRange(4, 5))); err != nil {
			return err
		}
		if err := lengthPanics(func() { k.Upload(inner, values[1:]) }); err != nil {
			return fmt.Errorf("upload: %w", err)
		}
		if err := lengthPanics(func() { _ = k.Download(values[1:], inner) }); err != nil {
			return fmt.Errorf("download: %w", err)
		}
	}
	// An operation's result is waited for, and a host value that the type cannot hold
	// is rounded to the nearest, ties to even.
	t := k.alloc(k.activation, 1, 3)
	values := []float32{1.0000001, 1.00390625, -3.14159274}
	k.Upload(t, values)
	for i, v := range values {
		values[i] = round(k.activation, float64(v))
	}
	return same("rounded values", values, k.read(t))
}

func transferredInts(k *kit) error {
	whole := k.alloc(kernels.Int32, 3, 11)
	background := k.below(33, math.MaxInt32)
	k.UploadInts(whole, background)
	values := []int32{math.MaxInt32, math.MinInt32, -1, 0, 1<<24 + 1, 16777219, 7}
	source := slices.Clone(values)
	inner := whole.RowRange(1, 2).ColRange(2, 9)
	k.UploadInts(inner, source)
	clear(source)
	if got := k.readInts(inner); !slices.Equal(values, got) {
		return fmt.Errorf("uploaded %v, downloaded %v", values, got)
	}
	copy(background[13:], values)
	if got := k.readInts(whole); !slices.Equal(background, got) {
		return fmt.Errorf("around the view: %v, want %v", got, background)
	}
	k.Zero(inner)
	clear(background[13:20])
	if got := k.readInts(whole); !slices.Equal(background, got) {
		return fmt.Errorf("after Zero of the view: %v, want %v", got, background)
	}
	return lengthPanics(func() { k.UploadInts(inner, values[1:]) })
}

// lengthPanics tells when a transfer of the wrong length does not panic.
func lengthPanics(f func()) (err error) {
	defer func() {
		if recover() == nil {
			err = errors.New("a wrong number of host values does not panic")
		}
	}()
	f()
	return nil
}
