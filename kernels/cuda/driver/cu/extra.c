//go:build cuda && linux && (amd64 || arm64)

#include <cuda.h>
#include <string.h>
#include "extra.h"

#define AS(type, handle) ((type)(uintptr_t)(handle))

// retort_launch passes the argument block as one buffer, which the driver copies before
// it returns. shape is grid x, y, z, block x, y, z and dynamic shared bytes.
int retort_launch(uint64_t function, const unsigned *shape, void *args, size_t bytes, uint64_t stream) {
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, args, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
	return cuLaunchKernel(AS(CUfunction, function), shape[0], shape[1], shape[2], shape[3], shape[4], shape[5],
	                      shape[6], AS(CUstream, stream), NULL, extra);
}

int retort_set_max_dynamic(uint64_t function, int bytes) {
	return cuFuncSetAttribute(AS(CUfunction, function), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
}

// retort_encode_tensor_map describes a matrix of bf16; map is 128 bytes at any address. Headers
// before CUDA 12 lack the call.
int retort_encode_tensor_map(void *map, uint64_t address, uint64_t rows, uint64_t cols, uint64_t stride_bytes,
                             unsigned box_rows, unsigned box_cols, int swizzle_bytes) {
#if CUDA_VERSION >= 12000
	CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_NONE;
	if (swizzle_bytes == 32)
		swizzle = CU_TENSOR_MAP_SWIZZLE_32B;
	if (swizzle_bytes == 64)
		swizzle = CU_TENSOR_MAP_SWIZZLE_64B;
	if (swizzle_bytes == 128)
		swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
	const cuuint64_t dims[] = {cols, rows}, strides[] = {stride_bytes};
	const cuuint32_t box[] = {box_cols, box_rows}, steps[] = {1, 1};
	CUtensorMap aligned;
	CUresult result = cuTensorMapEncodeTiled(&aligned, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, AS(void *, address), dims,
	                                         strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
	                                         CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
	memcpy(map, &aligned, sizeof aligned);
	return result;
#else
	return CUDA_ERROR_NOT_SUPPORTED;
#endif
}

int retort_host_alloc(void **out, size_t bytes) { return cuMemHostAlloc(out, bytes, 0); }

// Thread-local capture: other threads of the process may allocate meanwhile.
int retort_begin_capture(uint64_t stream) {
	return cuStreamBeginCapture(AS(CUstream, stream), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

// retort_end_capture instantiates what was captured; the recording itself is not kept.
int retort_end_capture(uint64_t stream, uint64_t *graph) {
	CUgraph captured = NULL;
	CUgraphExec ready = NULL;
	CUresult result = cuStreamEndCapture(AS(CUstream, stream), &captured);
	if (result == CUDA_SUCCESS)
		result = cuGraphInstantiateWithFlags(&ready, captured, 0);
	if (captured)
		cuGraphDestroy(captured);
	*graph = (uint64_t)(uintptr_t)ready;
	return result;
}

int retort_launch_graph(uint64_t graph, uint64_t stream) {
	return cuGraphLaunch(AS(CUgraphExec, graph), AS(CUstream, stream));
}

int retort_free_graph(uint64_t graph) { return cuGraphExecDestroy(AS(CUgraphExec, graph)); }
