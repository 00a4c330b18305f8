// Package cu is the real CUDA driver behind package driver, through gorgonia.org/cu.
// It is empty without the build tag cuda (Linux on amd64 and arm64).
//
// One binary runs on every machine: trampoline.c defines the driver's functions itself
// and fills them from libcuda.so.1 when the process starts, if there is one. Without it
// gorgonia.org/cu sees a driver with no devices, and New returns ErrNoDriver with the
// reason. lib/libcuda.a is an empty archive, for the -lcuda that gorgonia.org/cu asks of
// the linker.
//
// extra.c adds the calls that gorgonia.org/cu lacks: page-locked memory, function
// attributes, tensor maps, stream capture and graphs, and a launch that takes the argument block as
// it is and allocates nothing.
package cu
