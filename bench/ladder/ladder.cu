// The steps from a loop to the matrix product of kernels/cuda/src/gemm_bf16.cu, which is
// the last of them: y (M, N) = x (M, K) · w (N, K)ᵀ in bf16 with float sums. They are read
// and counted, never used: M and N are multiples of 128, K of 32, rows have no gaps.
#include <cuda_bf16.h>

typedef __nv_bfloat16 bf16;

// 1. Each thread makes one element and reads all that it needs from global memory.
// Launch: (N/32, M/8) × (32, 8)
extern "C" __global__ void __launch_bounds__(256) naive(bf16 *y, const bf16 *x, const bf16 *w, int n, int k) {
	int i = blockIdx.y * 8 + threadIdx.y, j = blockIdx.x * 32 + threadIdx.x;
	float sum = 0;
	for (int l = 0; l < k; l++) sum += __bfloat162float(x[(long long)i * k + l]) * __bfloat162float(w[(long long)j * k + l]);
	y[(long long)i * n + j] = __float2bfloat16_rn(sum);
}

// 2. A block makes 64×64 elements from tiles in shared memory, a thread 4×4 of them: each
// value that is read from global memory is used 64 times, each from shared memory 4 times.
// Launch: (N/64, M/64) × 256
extern "C" __global__ void __launch_bounds__(256) shared_tiles(bf16 *y, const bf16 *x, const bf16 *w, int n, int k) {
	const int depth = 16;
	__shared__ float xs[depth][64 + 4], ws[depth][64 + 4];
	int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
	x += (long long)blockIdx.y * 64 * k;
	w += (long long)blockIdx.x * 64 * k;
	float sums[4][4] = {};
	for (int k0 = 0; k0 < k; k0 += depth) {
		for (int e = threadIdx.x; e < 64 * depth; e += 256) {
			int line = e / depth, l = e % depth;
			xs[l][line] = __bfloat162float(x[(long long)line * k + k0 + l]);
			ws[l][line] = __bfloat162float(w[(long long)line * k + k0 + l]);
		}
		__syncthreads();
#pragma unroll
		for (int l = 0; l < depth; l++) {
			float4 a = *(float4 *)&xs[l][row], b = *(float4 *)&ws[l][column];
			float as[4] = {a.x, a.y, a.z, a.w}, bs[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
			for (int i = 0; i < 4; i++)
#pragma unroll
				for (int j = 0; j < 4; j++) sums[i][j] += as[i] * bs[j];
		}
		__syncthreads();
	}
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			y[(long long)(blockIdx.y * 64 + row + i) * n + blockIdx.x * 64 + column + j] = __float2bfloat16_rn(sums[i][j]);
}

__device__ inline unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

__device__ inline void load_matrices(unsigned (&r)[4], const bf16 *at) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
	             : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(at)) : "memory");
}

__device__ inline void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, "
	    "%2, %3};\n"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

const int depth = 32; // of the tiles below

// multiply adds one pair of tiles, (128, 32) and (128, 32), to the warp's 64×64 sums.
__device__ inline void multiply(float (&sums)[4][8][4], const bf16 *xs, const bf16 *ws) {
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = warp / 2 * 64, column = warp % 2 * 64;
#pragma unroll
	for (int l = 0; l < depth; l += 16) {
		unsigned a[4][4], b[4][4];
#pragma unroll
		for (int i = 0; i < 4; i++) {
			load_matrices(a[i], xs + (row + i * 16 + lane % 16) * depth + l + lane / 16 * 8);
			load_matrices(b[i], ws + (column + i * 16 + lane % 8 + lane / 16 * 8) * depth + l + lane / 8 % 2 * 8);
		}
#pragma unroll
		for (int i = 0; i < 4; i++)
#pragma unroll
			for (int j = 0; j < 8; j++) mma(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
	}
}

// store writes the warp's sums as they lie in the lanes: pairs of elements.
__device__ inline void store(bf16 *y, const float (&sums)[4][8][4], int n) {
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	long long row = blockIdx.y * 128 + warp / 2 * 64 + lane / 4;
	int column = blockIdx.x * 128 + warp % 2 * 64 + lane % 4 * 2;
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 8; j++)
			for (int half = 0; half < 2; half++)
				*(__nv_bfloat162 *)(y + (row + i * 16 + half * 8) * n + column + j * 8) =
				    __floats2bfloat162_rn(sums[i][j][2 * half], sums[i][j][2 * half + 1]);
}

// 3. The tensor cores multiply: tiles of 128×128×32, four warps of 64×64. Loads and
// arithmetic take turns, so that each waits for the other.
// Launch: (N/128, M/128) × 128
extern "C" __global__ void __launch_bounds__(128, 2) tensor_cores(bf16 *y, const bf16 *x, const bf16 *w, int n, int k) {
	__shared__ __align__(128) bf16 xs[128 * depth], ws[128 * depth];
	float sums[4][8][4] = {};
	for (int k0 = 0; k0 < k; k0 += depth) {
#pragma unroll
		for (int e = threadIdx.x; e < 128 * depth / 8; e += 128) {
			int line = e / 4, piece = e % 4 * 8;
			*(uint4 *)&xs[line * depth + piece] = *(const uint4 *)&x[(blockIdx.y * 128ll + line) * k + k0 + piece];
			*(uint4 *)&ws[line * depth + piece] = *(const uint4 *)&w[(blockIdx.x * 128ll + line) * k + k0 + piece];
		}
		__syncthreads();
		multiply(sums, xs, ws);
		__syncthreads();
	}
	store(y, sums, n);
}

// 4. Copies run ahead of the arithmetic: three stages of cp.async, one barrier a tile.
// Launch: (N/128, M/128) × 128
extern "C" __global__ void __launch_bounds__(128, 2) pipelined(bf16 *y, const bf16 *x, const bf16 *w, int n, int k) {
	const int stages = 3;
	__shared__ __align__(128) bf16 xs[stages][128 * depth], ws[stages][128 * depth];
	auto fill = [&](int stage, int k0) {
		if (k0 < k) {
#pragma unroll
			for (int e = threadIdx.x; e < 128 * depth / 8; e += 128) {
				int line = e / 4, piece = e % 4 * 8;
				asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(shared_address(&xs[stage][line * depth + piece])),
				             "l"(&x[(blockIdx.y * 128ll + line) * k + k0 + piece]) : "memory");
				asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(shared_address(&ws[stage][line * depth + piece])),
				             "l"(&w[(blockIdx.x * 128ll + line) * k + k0 + piece]) : "memory");
			}
		}
		asm volatile("cp.async.commit_group;\n" ::: "memory");
	};
	float sums[4][8][4] = {};
	for (int s = 0; s < stages - 1; s++) fill(s, s * depth);
	for (int k0 = 0, stage = 0; k0 < k; k0 += depth, stage = (stage + 1) % stages) {
		asm volatile("cp.async.wait_group %0;\n" ::"n"(stages - 2) : "memory");
		__syncthreads();
		fill((stage + stages - 1) % stages, k0 + (stages - 1) * depth);
		multiply(sums, xs[stage], ws[stage]);
	}
	store(y, sums, n);
}

// 5. is rows_by_rows_128x128 of gemm_bf16.cu: pieces are turned within their lines, so that
// no bank of shared memory is asked twice; fragments are loaded one step ahead; any shape is
// taken; and the result goes out in whole lines.
