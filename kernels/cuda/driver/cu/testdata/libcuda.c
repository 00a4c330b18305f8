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
