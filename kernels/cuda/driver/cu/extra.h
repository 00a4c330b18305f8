#include <stddef.h>
#include <stdint.h>

// Driver calls that gorgonia.org/cu lacks. Handles are the driver's pointers as integers;
// every function returns a CUresult.

int retort_launch(uint64_t function, const unsigned *shape, void *args, size_t bytes, uint64_t stream);
int retort_set_max_dynamic(uint64_t function, int bytes);
int retort_encode_tensor_map(void *map, uint64_t address, uint64_t rows, uint64_t cols, uint64_t stride_bytes,
                             unsigned box_rows, unsigned box_cols, int swizzle_bytes);
int retort_host_alloc(void **out, size_t bytes);
int retort_begin_capture(uint64_t stream);
int retort_end_capture(uint64_t stream, uint64_t *graph);
int retort_launch_graph(uint64_t graph, uint64_t stream);
int retort_free_graph(uint64_t graph);
