package driver

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"
)

// tracker knows what is live, so that double free, use after free and leaks panic with
// the line that allocated. A nil tracker does nothing.
type tracker struct {
	live map[tracked]origin
	dead map[tracked]origin // what was given back, where it came from
}

// tracked names one live thing.
type tracked struct {
	kind   kind
	handle uint64
}

// origin is where a thing came from and how large it is.
type origin struct {
	line  string
	bytes int64
}

type kind string

const (
	kindMemory kind = "device memory"
	kindHost   kind = "page-locked memory"
	kindStream kind = "stream"
	kindEvent  kind = "event"
	kindModule kind = "module"
	kindGraph  kind = "graph"
)

func newTracker() *tracker {
	return &tracker{live: map[tracked]origin{}, dead: map[tracked]origin{}}
}

// add notes a new thing.
func (t *tracker) add(k kind, handle uint64, bytes int64) {
	if t == nil {
		return
	}
	id := tracked{k, handle}
	delete(t.dead, id)
	t.live[id] = origin{caller(), bytes}
}

// remove notes that a thing is given back, which must be live.
func (t *tracker) remove(op string, k kind, handle uint64) {
	if t == nil {
		return
	}
	t.use(op, k, handle)
	id := tracked{k, handle}
	t.dead[id] = t.live[id]
	delete(t.live, id)
}

// use panics unless the handle is live; the default stream always is.
func (t *tracker) use(op string, k kind, handle uint64) {
	if t == nil || k == kindStream && handle == 0 {
		return
	}
	id := tracked{k, handle}
	if _, ok := t.live[id]; ok {
		return
	}
	if from, ok := t.dead[id]; ok {
		panic(fmt.Sprintf("driver: %s: %s %#x was freed before (made at %s)", op, k, handle, from.line))
	}
	panic(fmt.Sprintf("driver: %s: %s %#x was never made", op, k, handle))
}

// bytes panics unless all n bytes at p lie in one live allocation.
func (t *tracker) bytes(op string, p Ptr, n int64) {
	if t == nil {
		return
	}
	inside := func(id tracked, o origin) bool {
		return id.kind == kindMemory && uint64(p) >= id.handle && uint64(p)-id.handle < uint64(o.bytes)
	}
	for id, o := range t.live {
		if inside(id, o) {
			if left := o.bytes - int64(uint64(p)-id.handle); n > left {
				panic(fmt.Sprintf("driver: %s: %d bytes at %#x, but the allocation ends after %d (made at %s)", op, n, uint64(p), left, o.line))
			}
			return
		}
	}
	for id, o := range t.dead {
		if inside(id, o) {
			panic(fmt.Sprintf("driver: %s: %#x lies in memory that was freed (made at %s)", op, uint64(p), o.line))
		}
	}
	panic(fmt.Sprintf("driver: %s: %#x lies in no allocation", op, uint64(p)))
}

// arguments panics when an address among a launch's arguments is not live.
func (t *tracker) arguments(a *Args) {
	if t == nil {
		return
	}
	for _, at := range a.pointers {
		if p := binary.LittleEndian.Uint64(a.block[at:]); p != 0 {
			t.bytes(fmt.Sprintf("launch: argument at byte %d", at), Ptr(p), 1)
		}
	}
}

// closed panics when something is still live.
func (t *tracker) closed() {
	if t == nil || len(t.live) == 0 {
		return
	}
	var leaks []string
	for id, o := range t.live {
		what := string(id.kind)
		if o.bytes > 0 {
			what = fmt.Sprintf("%s of %s", what, size(o.bytes))
		}
		leaks = append(leaks, what+" made at "+o.line)
	}
	slices.Sort(leaks)
	panic(fmt.Sprintf("driver: close: %d leaks: %s", len(leaks), strings.Join(leaks, "; ")))
}

// caller is the nearest file and line outside this package's own files.
func caller() string {
	frames := make([]uintptr, 16)
	walk := runtime.CallersFrames(frames[:runtime.Callers(3, frames)])
	for {
		f, more := walk.Next()
		if !strings.Contains(f.Function, "driver.(*Context).") || !more {
			return fmt.Sprintf("%s:%d", f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
	}
}

// address is where b lies, as a handle.
func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }
