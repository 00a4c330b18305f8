package cuda

import (
	"encoding/binary"
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Host memory reaches the device through two page-locked buffers that take turns: uploads
// fill one, many small ones or a piece of a large one, while copies from the other may still
// be under way. So an upload neither keeps the caller's slice nor, as a rule, waits.

// stagingBytes is the size of each.
const stagingBytes = 4 << 20

// staging is a page-locked buffer and the event after which it may be written again.
type staging struct {
	bytes []byte
	used  int
	sent  driver.Event
}

func (b *Backend) openStaging() error {
	for i := range b.staging {
		s := &b.staging[i]
		var err error
		if s.bytes, err = b.context.AllocHost(kernels.Workspace, stagingBytes); err != nil {
			return err
		}
		if s.sent, err = b.context.NewEvent(false); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) closeStaging() {
	for _, s := range b.staging {
		b.note(b.context.FreeHost(s.bytes))
		if s.sent != 0 {
			b.note(b.context.FreeEvent(s.sent))
		}
	}
	b.staging = [2]staging{}
}

// room returns page-locked memory for up to n bytes, whole elements of size bytes; where
// the buffer in use is too full, it is the other one's turn.
func (b *Backend) room(n, size int) []byte {
	s := &b.staging[b.turn]
	if left := len(s.bytes) - s.used; left < n && s.used > 0 {
		b.note(b.context.Record(s.sent, b.stream))
		b.turn = 1 - b.turn
		s = &b.staging[b.turn]
		b.note(b.context.SyncEvent(s.sent))
		s.used = 0
	}
	if b.err != nil {
		return nil
	}
	n = min(n, len(s.bytes)-s.used) / size * size
	s.used += n
	return s.bytes[s.used-n : s.used : s.used]
}

// send copies n elements of size bytes to the device; encode writes elements [lo, hi) to
// page-locked memory.
func (b *Backend) send(dst driver.Ptr, n, size int, encode func(to []byte, lo, hi int)) {
	for lo := 0; lo < n && b.err == nil; {
		to := b.room((n-lo)*size, size)
		hi := lo + len(to)/size
		encode(to, lo, hi)
		if b.err == nil {
			b.note(b.context.CopyIn(dst+driver.Ptr(lo*size), to, b.stream))
		}
		lo = hi
	}
}

// Upload copies host values into t, rounding to its type.
func (b *Backend) Upload(t kernels.Tensor, src []float32) {
	b.upload("Upload", t, len(src), t.DType != kernels.Int32, func(to []byte, lo, hi int) {
		if t.DType == kernels.BFloat16 {
			for i, v := range src[lo:hi] {
				binary.LittleEndian.PutUint16(to[2*i:], toBF16(v))
			}
			return
		}
		for i, v := range src[lo:hi] {
			binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(v))
		}
	})
}

// UploadInts is Upload for int32 tensors.
func (b *Backend) UploadInts(t kernels.Tensor, src []int32) {
	b.upload("UploadInts", t, len(src), t.DType == kernels.Int32, func(to []byte, lo, hi int) {
		for i, v := range src[lo:hi] {
			binary.LittleEndian.PutUint32(to[4*i:], uint32(v))
		}
	})
}

// upload sends n encoded elements to t, by way of the workspace where t has gaps.
func (b *Backend) upload(op string, t kernels.Tensor, n int, fits bool, encode func(to []byte, lo, hi int)) {
	mustHold(op, t, n, fits)
	to, size := b.pointer(t), t.DType.Size()
	if n == 0 {
		return
	}
	if t.Contiguous() {
		b.send(to, n, size, encode)
		return
	}
	packed := b.reserve(int64(n * size))
	b.send(packed, n, size, encode)
	b.copyRows(to, packed, t.DType, t.Rows, t.Cols, t.Stride, t.Cols)
}

// mustHold panics unless t has n elements of a type that fits.
func mustHold(op string, t kernels.Tensor, n int, fits bool) {
	if !fits || t.Len() != n {
		panic(fmt.Sprintf("kernels: %s: %d host values for tensor %v", op, n, t))
	}
}

// Download waits for the device and copies t into dst.
func (b *Backend) Download(dst []float32, t kernels.Tensor) error {
	raw, err := b.download("Download", t, len(dst), t.DType != kernels.Int32)
	if err != nil {
		return err
	}
	for i := range dst {
		if t.DType == kernels.BFloat16 {
			dst[i] = fromBF16(binary.LittleEndian.Uint16(raw[2*i:]))
		} else {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	return nil
}

// DownloadInts is Download for int32 tensors.
func (b *Backend) DownloadInts(dst []int32, t kernels.Tensor) error {
	raw, err := b.download("DownloadInts", t, len(dst), t.DType == kernels.Int32)
	if err != nil {
		return err
	}
	for i := range dst {
		dst[i] = int32(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

// download returns the elements of t, row by row.
func (b *Backend) download(op string, t kernels.Tensor, n int, fits bool) ([]byte, error) {
	mustHold(op, t, n, fits)
	from, size := b.pointer(t), t.DType.Size()
	if n > 0 && !t.Contiguous() {
		packed := b.reserve(int64(n * size))
		b.copyRows(packed, from, t.DType, t.Rows, t.Cols, t.Cols, t.Stride)
		from = packed
	}
	raw := make([]byte, n*size)
	if b.err == nil {
		b.note(b.context.CopyOut(raw, from, b.stream))
	}
	if err := b.Sync(); err != nil {
		return nil, err
	}
	return raw, nil
}

// toBF16 rounds to nearest, ties to even; NaN stays NaN.
func toBF16(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func fromBF16(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }
