//go:build cuda && linux && (amd64 || arm64)

// The driver's functions, for the linker: each is a jump through a pointer that leads to
// libcuda.so.1 when that is there and otherwise to a function that says so. Their
// signatures do not matter, since a jump leaves every argument where it is. The names in
// symbols.h are those that gorgonia.org/cu and extra.c call, as cuda.h renames them.

#include <dlfcn.h>
#include <stddef.h>
#include "trampoline.h"

enum { no_device = 100 }; // CUDA_ERROR_NO_DEVICE

static int missing(void) { return no_device; }

// Without a driver there are 0 devices and the version is 0; neither is a failure.
static int zero(int *out) {
	*out = 0;
	return 0;
}

#define SYMBOL(name) __attribute__((visibility("hidden"))) void *retort_slot_##name = (void *)missing;
#include "symbols.h"
#undef SYMBOL

#if defined(__x86_64__)
#define JUMP(name) "jmp *retort_slot_" name "(%rip)\n"
#define FUNCTION "@function"
#else
#define JUMP(name) "adrp x16, retort_slot_" name "\nldr x16, [x16, #:lo12:retort_slot_" name "]\nbr x16\n"
#define FUNCTION "%function"
#endif

#define SYMBOL(name)                                                                                       \
	__asm__(".text\n.p2align 4\n.globl " #name "\n.type " #name ", " FUNCTION "\n" #name ":\n" JUMP(#name) \
	        ".size " #name ", . - " #name "\n");
#include "symbols.h"
#undef SYMBOL

static const struct {
	const char *name;
	void **slot;
} table[] = {
#define SYMBOL(name) {#name, &retort_slot_##name},
#include "symbols.h"
#undef SYMBOL
};

static int state = retort_not_tried;

int retort_driver_state(void) { return state; }

// forget makes a driver that cannot be used look like none.
static void forget(void) {
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		*table[i].slot = (void *)missing;
	retort_slot_cuDeviceGetCount = (void *)zero;
	retort_slot_cuDriverGetVersion = (void *)zero;
}

// cuInit is what gorgonia.org/cu calls first, before main and on one thread; it ends the
// process when this fails, so it never does: New reports instead.
int cuInit(unsigned flags) {
	if (state != retort_not_tried)
		return 0;
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
	int (*init)(unsigned) = library ? (int (*)(unsigned))dlsym(library, "cuInit") : NULL;
	if (!init) {
		state = retort_no_library;
		forget();
		return 0;
	}
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		void *found = dlsym(library, table[i].name);
		if (found) // an older driver may lack some that we never call
			*table[i].slot = found;
	}
	state = init(flags);
	if (state != 0)
		forget();
	return 0;
}
