// The instructions behind the tensor cores' kernels: asynchronous copies to shared memory,
// matrices from there to registers, and the matrix product of a warp.
#pragma once
#include "common.cuh"

// shared_address is what these instructions take for a place in shared memory.
__device__ inline unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

__device__ inline void close_copies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }

// await_copies waits until at most PENDING groups of the thread's copies are under way.
template <int PENDING> __device__ inline void await_copies() {
	asm volatile("cp.async.wait_group %0;\n" ::"n"(PENDING) : "memory");
}

// copy_async starts the copy of BYTES to shared memory; those beyond the first `valid` become
// zeros and are not read. Copies of 16 bytes let the L2 cache fetch 128, the next ones with them.
template <int BYTES> __device__ inline void copy_async(unsigned to, const void *from, int valid) {
	if (BYTES == 16)
		asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;\n" ::"r"(to), "l"(from), "r"(valid) : "memory");
	else
		asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(to), "l"(from), "r"(valid) : "memory");
}

// load_matrices is ldmatrix: four 8×8 matrices, lanes 8j to 8j+7 pointing to the rows of the j-th.
__device__ inline void load_matrices(unsigned (&r)[4], unsigned at, bool transposed) {
	if (transposed)
		asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
		             : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
	else
		asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
		             : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

// mma adds a (16, 16) · b (16, 8) to c (16, 8). Of c a lane holds columns 2·(lane%4) and the next
// one of row lane/4 (0, 1) and of row lane/4 + 8 (2, 3).
__device__ inline void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, "
	    "%2, %3};\n"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
