// Package ptx executes PTX, the text that a CUDA driver compiles, without a GPU.
//
// It is for tests: every kernel of the program runs here lane by lane, with its
// real launch geometry and arguments, on machines that have no card. It is
// strict where a card is silent: a read of memory that nothing wrote, an access
// outside an allocation, a race in shared memory, a missing cp.async wait, a
// barrier or a shuffle that some lanes never reach are faults that name kernel,
// line, block, warp and lane. And it counts what makes kernels slow: sectors per
// request, bank conflicts, divergent branches.
//
// The way of a text: lexer.go and parser*.go make statements of it; build.go
// inlines device functions, lays out variables and gives every register, constant
// and special register a slot; decode*.go turn each statement once into a closure
// over slots (forms.go) around a function on whole vectors of 32 lanes (vec_*.go);
// cfg.go finds where diverged lanes meet again. warp.go runs one warp, block.go
// the warps of a block between barriers, launch.go the blocks on the cores. What
// runs most often is in assembly where the machine has AVX2 (vec.go, multiply.go),
// with the same bits.
//
// The package owns device memory (Memory) and nothing else; it imports nothing of
// ours. kernels/cuda/driver/emu is its caller.
//
// # What a kernel may rely on
//
// The subset is what NVRTC 12.4 emits for sm_80 from float32, bf16 and f16
// kernels, and of sm_90a mbarrier, bulk and tensor copies into shared memory
// (EncodeTensorMap), and wgmma of bf16 and f16 with float32 accumulators; no
// clusters. Anything else is an error at load time, with its line. Arithmetic is
// bit exact where PTX defines it. The .approx functions are computed in float64
// and rounded once, inside NVIDIA's documented bounds. mma.sync multiplies
// exactly and adds in float32 in ascending k; a card may differ in the last bits.
// Float atomics are refused: results must not depend on the order of blocks.
//
// # What is not seen
//
// Races in global memory, between blocks or warps, are not looked for. In shared
// memory only barriers and mbarriers order warps: a kernel that synchronises warps
// by flags and fences there is reported as racing. A missing fence.proxy.async is
// not noticed. Caches, timing and occupancy do not exist.
package ptx
