// What became of the driver at the start of the process.
enum {
	retort_not_tried = -2,
	retort_no_library = -1, // there is no libcuda.so.1
};

// retort_driver_state is one of the above, or the CUresult of cuInit; 0: the driver works.
int retort_driver_state(void);
