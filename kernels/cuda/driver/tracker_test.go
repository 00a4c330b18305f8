package driver

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The tracker itself is tested in every build; only its use needs the tag.

func TestTrackerPanicsOnMisuse(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *tracker)
		want string
	}{
		{"double free", func(t *tracker) { t.remove("free", kindMemory, 1000) }, "free: device memory 0x3e8 was freed before (made at tracker_test.go:"},
		{"free of nothing", func(t *tracker) { t.remove("free", kindMemory, 77) }, "free: device memory 0x4d was never made"},
		{"use after free", func(t *tracker) { t.bytes("copy in", 1099, 1) }, "copy in: 0x44b lies in memory that was freed (made at tracker_test.go:"},
		{"beyond the end", func(t *tracker) { t.bytes("fill", 2090, 20) }, "fill: 20 bytes at 0x82a, but the allocation ends after 10"},
		{"no allocation", func(t *tracker) { t.bytes("copy", 5000, 1) }, "copy: 0x1388 lies in no allocation"},
		{"dead argument", func(t *tracker) { t.arguments(new(Args).Int32(1).Ptr(2000).Ptr(1000)) }, "launch: argument at byte 16: 0x3e8 lies in memory that was freed"},
		{"dead stream", func(t *tracker) { t.use("sync", kindStream, 9) }, "sync: stream 0x9 was never made"},
		{"leak", func(t *tracker) { t.closed() }, "close: 1 leaks: device memory of 100 bytes made at tracker_test.go:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newTracker()
			k.add(kindMemory, 1000, 100)
			k.remove("free", kindMemory, 1000)
			k.add(kindMemory, 2000, 100)
			defer func() { require.Contains(t, recover(), test.want) }()
			test.do(k)
			t.Fatal("did not panic")
		})
	}
}

func TestTrackerAcceptsRightUse(t *testing.T) {
	k := newTracker()
	k.add(kindMemory, 2000, 100)
	k.bytes("copy", 2050, 50)
	k.arguments(new(Args).Ptr(2099).Ptr(0))
	k.use("sync", kindStream, 0)
	k.remove("free", kindMemory, 2000)
	k.add(kindMemory, 2000, 10) // the address is handed out again
	k.remove("free", kindMemory, 2000)
	k.closed()
	var none *tracker
	none.remove("free", kindMemory, 1)
	none.bytes("copy", 1, 1)
	none.closed()
}
