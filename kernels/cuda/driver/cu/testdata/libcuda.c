// A stand-in for libcuda.so.1 with as much of the driver as process_test.go asks for. The
// environment variable CU_INIT is what cuInit answers.
#include <stdlib.h>
#include <string.h>

int cuInit(unsigned flags) {
	const char *answer = getenv("CU_INIT");
	return answer ? atoi(answer) : 0;
}

int cuDriverGetVersion(int *version) {
	*version = 12080;
	return 0;
}

int cuDeviceGetCount(int *count) {
	*count = 1;
	return 0;
}

int cuDeviceGet(int *device, int ordinal) {
	*device = ordinal;
	return 0;
}

int cuDeviceGetName(char *name, int size, int device) {
	strncpy(name, "stand-in", size);
	return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
	*bytes = 24ull << 30;
	return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
	*value = attribute;
	return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
	static int here;
	*context = &here;
	return 0;
}

int cuCtxSetCurrent(void *context) { return 0; }

// cuLaunchKernel checks all eleven arguments, of which five travel on the stack.
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **params, void **extra) {
	int right = f == (void *)7 && gx == 1 && gy == 2 && gz == 3 && bx == 4 && by == 5 && bz == 6 && shared == 8 &&
	            stream == (void *)9 && !params && extra[0] == (void *)1 && *(unsigned long long *)extra[1] == 10 &&
	            extra[2] == (void *)2 && *(size_t *)extra[3] == 12 && !extra[4];
	return right ? 700 : 1; // an illegal address: the answer that a test can tell from both others
}

// cuTensorMapEncodeTiled checks what it is told of a matrix, and answers 1 when something is wrong.
int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address, const unsigned long long *dims,
                           const unsigned long long *strides, const unsigned *box, const unsigned *steps,
                           int interleave, int swizzle, int promotion, int fill) {
	int right = (size_t)map % 64 == 0 && type == 9 && rank == 2 && address == (void *)4096 && dims[0] == 100 &&
	            dims[1] == 70 && strides[0] == 208 && box[0] == 64 && box[1] == 32 && steps[0] == 1 && steps[1] == 1 &&
	            interleave == 0 && swizzle == 3 && promotion == 3 && fill == 0;
	memset(map, 0x5a, 128);
	return right ? 0 : 1;
}
