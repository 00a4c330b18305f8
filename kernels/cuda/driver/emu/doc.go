// Package emu is the driver of a device that no machine needs to have: a driver.Driver
// whose kernels run on the PTX machine (kernels/cuda/ptx). With it every test of the CUDA
// backend runs the embedded PTX with the real geometry and arguments in pure Go.
//
// The package owns what surrounds a kernel on a card: capacity, streams, events, page-locked
// memory, modules, graphs and the errors of a driver. kernels/cuda and tests may call it.
//
// # Order
//
// A stream is a queue, and nothing in it runs before it must: at Sync, SyncEvent and
// CopyOut into ordinary memory the stream concerned runs, with what it waits for by events
// and nothing else; where a card waits for all its work (Free, FreeHost, Unload, Close), the
// stream with the youngest work runs first. A long queue runs by itself. So a program that
// changes page-locked memory before its copy is over, or that forgets to make one stream
// wait for another, gets wrong data here, as it may on a card. A graph runs in the order in
// which it was captured, and one capture has one stream.
//
// # Errors
//
// A fault of a kernel is the sticky error that a card would report, with the fault in its
// text and as its Cause. Reading back bytes that nothing has written is an error too, where
// a card returns garbage.
//
// # Time
//
// The device's clock advances by the host's time while queued work runs, and only then:
// Elapsed says what the work between two events took the PTX machine. It says nothing of a
// card; Driver.Counts does.
package emu
