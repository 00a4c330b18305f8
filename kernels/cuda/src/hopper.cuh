// What the kernels for Hopper (sm_90a) share: barriers in shared memory, copies of tiles by
// tensor maps, and the matrix instruction of a warpgroup.
//
// One warp, the producer, does nothing but start copies; groups of four warps, the consumers,
// multiply what lies in shared memory. Between them stands a ring of stages, each with two
// barriers: full, which counts the bytes of its copies, and empty, at which every warp of
// the consumers arrives when it has read the stage. Where the consumers need more than 168
// registers, three idle warps make the producer a group, which gives up registers to them.
//
// Every tile is made of boxes of 64 elements, 128 bytes, by 64 lines (once by 32): the hardware
// turns the 16-byte pieces of a line by the line's number modulo 8 as it copies, and turns them
// back as it multiplies (the swizzle of 128 bytes).
#pragma once
#include "tensor.cuh"

const int box_elements = 64;                    // of a line of a box
const int box_lines = 64;                       // of a whole box
const int line_bytes = box_elements * 2;        // 128
const int box_bytes = box_lines * line_bytes;   // 8192
const int group_threads = 128;                  // four warps

// TensorMap is what the driver's cuTensorMapEncodeTiled made of a matrix.
struct alignas(64) TensorMap { unsigned char opaque[128]; };

// Barriers. A wait with parity p returns when phase p (0, 1, 0, …) has ended; on a new
// barrier a wait with parity 1 returns at once.
__device__ inline void barrier_init(unsigned barrier, int arrivals) {
	asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(arrivals) : "memory");
}
// barriers_made makes new barriers known to the unit that copies.
__device__ inline void barriers_made() { asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory"); }
__device__ inline void arrive(unsigned barrier) {
	asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(barrier) : "memory");
}
__device__ inline void arrive_expecting(unsigned barrier, int bytes) {
	asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ inline void await(unsigned barrier, int parity) {
	asm volatile("\t{\n"
	             ".reg .pred ended;\n"
	             "again:\n"
	             "mbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
	             "@!ended bra again;\n"
	             "\t}\n" ::"r"(barrier), "r"(parity)
	             : "memory");
}

// Ring is the place of a walk over the stages: which comes next, and how often it came.
template <int STAGES> struct Ring {
	int stage = 0, parity = 0;
	__device__ void next() {
		if (++stage == STAGES) stage = 0, parity ^= 1;
	}
};

// copy_box starts the copy of the box at (line, element) to shared memory; what lies outside
// the matrix is zero. One thread calls it.
__device__ inline void copy_box(unsigned to, const TensorMap &map, int element, int line, unsigned barrier) {
	asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];\n" ::
	                 "r"(to), "l"(&map), "r"(element), "r"(line), "r"(barrier)
	             : "memory");
}

// writes_done lets copies and multiplications that come after the next arrival at a barrier
// see what this thread has written to shared memory.
__device__ inline void writes_done() { asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory"); }

// set_registers changes the number of registers of a thread; all warps of a group call it. It
// waits until others have given up as many as it takes: those of three groups that began with
// 168 each, the most that 384 threads may have, add up to block_registers.
const int block_registers = 3 * 168;
template <int COUNT, bool MORE> __device__ inline void set_registers() {
	if (MORE) asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(COUNT));
	else asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(COUNT));
}

// sync_groups waits for COUNT groups at one of the block's named barriers.
template <int NAME, int COUNT> __device__ inline void sync_groups() {
	asm volatile("bar.sync %0, %1;\n" ::"n"(NAME), "n"(COUNT * group_threads) : "memory");
}

// notify_groups counts as waiting there and goes on.
template <int NAME, int COUNT> __device__ inline void notify_groups() {
	asm volatile("bar.arrive %0, %1;\n" ::"n"(NAME), "n"(COUNT * group_threads) : "memory");
}

// sync_group waits for the other threads of the group. Two groups may do so.
__device__ inline void sync_group(int group) {
	if (group == 0) sync_groups<1, 1>();
	else sync_groups<2, 1>();
}
const int first_free_barrier = 3;

// descriptor tells a multiplication where an operand begins: 128-byte swizzle, from eight lines
// to the next eight 1024 bytes, and, where lines run across k, `leading` bytes from 64 rows or
// columns to the next 64.
__device__ inline unsigned long long descriptor(unsigned at, int leading) {
	return (unsigned long long)(at >> 4) | (unsigned long long)(leading >> 4) << 16 | 64ull << 32 | 1ull << 62;
}

// wgmma: a warpgroup multiplies (64, 16) with (16, N) and adds to (64, N), asynchronously.
// Warp w of the group holds rows [16w, 16w + 16) of the sums as mma.sync would.
__device__ inline void products_begin() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
__device__ inline void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory"); }
template <int PENDING> __device__ inline void products_wait() {
	asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(PENDING) : "memory");
}

// settle keeps the compiler from moving what it does with registers across this place: it
// does not know that wgmma reads and writes them later.
template <int N> __device__ inline void settle(float (&d)[N][4]) {
#pragma unroll
	for (int i = 0; i < N; i++)
#pragma unroll
		for (int e = 0; e < 4; e++) asm volatile("" : "+f"(d[i][e])::"memory");
}

#define SUMS_16 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define SUMS_32 SUMS_16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define SUMS_64 \
	SUMS_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, " \
	        "%52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define SUMS_128 \
	SUMS_64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, " \
	        "%84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, " \
	        "%104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, "  \
	        "%121, %122, %123, %124, %125, %126, %127"
#define IN_4(i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define IN_16(i) IN_4(i), IN_4(i + 1), IN_4(i + 2), IN_4(i + 3)
#define IN_32(i) IN_16(i), IN_16(i + 4)
#define IN_64(i) IN_32(i), IN_32(i + 8)
#define IN_128(i) IN_64(i), IN_64(i + 16)

// PRODUCT defines multiply for N columns, which are COUNT = N / 2 sums of a thread; the other
// numbers are those of the operands behind the sums. Without add the sums begin anew.
#define PRODUCT(N, COUNT, A, B, ADD, LEFT, RIGHT)                                                                \
	template <bool LEFT_ALONG_K, bool RIGHT_ALONG_K>                                                             \
	__device__ inline void multiply(float (&d)[N / 8][4], unsigned long long a, unsigned long long b, int add) { \
		asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %" #ADD ", 0;\n"                                      \
		             "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" SUMS_##COUNT "}, "             \
		             "%" #A ", %" #B ", add, 1, 1, %" #LEFT ", %" #RIGHT ";\n\t}\n"                              \
		             : IN_##COUNT(0)                                                                             \
		             : "l"(a), "l"(b), "r"(add), "n"(!LEFT_ALONG_K), "n"(!RIGHT_ALONG_K)                         \
		             : "memory");                                                                                \
	}
PRODUCT(32, 16, 16, 17, 18, 19, 20)
PRODUCT(64, 32, 32, 33, 34, 35, 36)
PRODUCT(128, 64, 64, 65, 66, 67, 68)
PRODUCT(256, 128, 128, 129, 130, 131, 132)

// PRODUCT_OF_REGISTERS defines multiply for a left operand in registers, as mma.sync takes it, and
// a right one whose lines run across k. It always adds.
#define PRODUCT_OF_REGISTERS(N, COUNT, A0, A1, A2, A3, B)                                                 \
	__device__ inline void multiply(float (&d)[N / 8][4], const unsigned (&a)[4], unsigned long long b) { \
		asm volatile("{\n.reg .pred add;\nsetp.eq.b32 add, 0, 0;\n"                                       \
		             "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" SUMS_##COUNT "}, "      \
		             "{%" #A0 ", %" #A1 ", %" #A2 ", %" #A3 "}, %" #B ", add, 1, 1, 1;\n\t}\n"            \
		             : IN_##COUNT(0)                                                                      \
		             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b)                                 \
		             : "memory");                                                                         \
	}
PRODUCT_OF_REGISTERS(64, 32, 32, 33, 34, 35, 36)
PRODUCT_OF_REGISTERS(128, 64, 64, 65, 66, 67, 68)
