// Package driver is the small interface through which retort reaches a GPU, and what
// every implementation of it shares.
//
// A Driver lists devices and opens one; a Device is the open device with its memory,
// streams, events, modules, launches and graphs, named as CUDA names them. There are
// several: driver/cu is the real one (build tag cuda), driver/faulty wraps another and
// fails on purpose, and driver/emu runs kernels on the PTX machine, without a card.
//
// Package kernels/cuda, the caller, never holds a Device but a Context around it. The
// Context owns what is the same for all: device and pinned memory counted by purpose,
// out-of-memory errors that say what was asked and what is free, and the rule that after
// a sticky error (an illegal address, ECC, a timeout: the context is lost) no further
// call reaches the device. Under the build tag cudadebug it also panics on double free,
// use after free and, at Close, on leaks, naming the line that allocated.
//
// A Context is driven from one goroutine, which Open locks to its thread; the training
// loop itself should run on it, since a hop to another thread costs far more than a call.
package driver
