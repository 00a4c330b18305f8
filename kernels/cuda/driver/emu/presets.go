package emu

import "retort/kernels/cuda/driver"

// Cards that a device may imitate, with the figures of NVIDIA's data sheets and of the
// architecture papers (Ampere GA100, Hopper GH100, Ada AD102); shared memory, registers
// and threads are those of the CUDA programming guide's table of compute capabilities. The
// memory's bandwidth is 2 · clock · bus, as the driver states clocks.
var (
	// A100 is the A100 80GB SXM, 2039 GB/s.
	A100 = driver.Attributes{
		Name: "PTX machine (A100)", Major: 8, Minor: 0, Multiprocessors: 108, ClockKHz: 1410e3,
		MemoryBytes: 80 << 30, MemoryClockKHz: 1593e3, MemoryBusBits: 5120, L2Bytes: 40 << 20,
		SharedBytesPerBlock: 163 << 10, RegistersPerSM: 64 << 10, ThreadsPerSM: 2048,
	}
	// H100 is the H100 80GB SXM5, 3352 GB/s. Its tensor cores' peak is stated at 1830 MHz.
	H100 = driver.Attributes{
		Name: "PTX machine (H100)", Major: 9, Minor: 0, Multiprocessors: 132, ClockKHz: 1980e3,
		MemoryBytes: 80 << 30, MemoryClockKHz: 2619e3, MemoryBusBits: 5120, L2Bytes: 50 << 20,
		SharedBytesPerBlock: 227 << 10, RegistersPerSM: 64 << 10, ThreadsPerSM: 2048,
	}
	// RTX4090 is the GeForce RTX 4090, 1008 GB/s.
	RTX4090 = driver.Attributes{
		Name: "PTX machine (RTX 4090)", Major: 8, Minor: 9, Multiprocessors: 128, ClockKHz: 2520e3,
		MemoryBytes: 24 << 30, MemoryClockKHz: 10501e3, MemoryBusBits: 384, L2Bytes: 72 << 20,
		SharedBytesPerBlock: 99 << 10, RegistersPerSM: 64 << 10, ThreadsPerSM: 1536,
	}
)
