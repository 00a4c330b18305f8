//go:build cuda && linux && (amd64 || arm64)

#include <cuda.h>
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
