# The two commands of the README are demo and test; the others are for people who work on retort.
GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: demo test build build-cpu build-cuda check-cuda kernels ptxas nvcc bench bench-gpu lint race soak

demo: ## the main job in two minutes: two arms of a small student, and a table
	$(GO) run ./cmd/retort demo

test: ## every test that needs nothing but Go
	$(GO) test ./...

# With CUDA a build takes the headers' folder from kernels/cuda/headers.sh and a C compiler.
CUDA_ENV = CGO_ENABLED=1 CGO_CFLAGS="$$CGO_CFLAGS $$(bash kernels/cuda/headers.sh --fetch)"

build: ## bin/retort, with CUDA in it when this machine has its headers or a driver
	@if bash kernels/cuda/wanted.sh; then $(MAKE) build-cuda; else $(MAKE) build-cpu; fi

build-cpu: ## bin/retort in pure Go
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/retort ./cmd/retort

build-cuda: ## bin/retort with CUDA in it; it also runs on machines without a driver
	bash kernels/cuda/headers.sh --fetch
	$(CUDA_ENV) $(GO) build -tags cuda -trimpath -o bin/retort ./cmd/retort

check-cuda: ## vet and test of what the build tag cuda adds
	bash kernels/cuda/headers.sh --fetch
	$(CUDA_ENV) $(GO) vet -tags cuda ./kernels/cuda/... ./bench/gpu ./engine ./cmd/...
	$(CUDA_ENV) $(GO) test -tags cuda,cudadebug ./kernels/cuda/...

kernels: ## the PTX of kernels/cuda/src and of bench/ladder, by NVIDIA's compiler from PyPI
	GO="$(GO)" bash kernels/cuda/compile/run.sh
	GO="$(GO)" bash kernels/cuda/compile/run.sh -src bench/ladder -out bench/ladder -targets sm_80

ptxas: ## docs/kernels-ptxas.md: registers, shared memory and spills on every card
	GO="$(GO)" bash kernels/cuda/compile/ptxas.sh

nvcc: ## NVIDIA's nvcc from PyPI compiles the same sources, unchanged
	bash kernels/cuda/compile/nvcc.sh

bench-gpu: ## this machine's card: conformance, sanitizers, kernels beside PyTorch
	GO="$(GO)" bash bench/gpu/run.sh $(OUT)

bench: ## benchmarks, side by side with peers where PYTHON has them
	PYTHON="$(PYTHON)" bash bench/run.sh

lint: ## formatting, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

race: ## the race detector where it is affordable
	$(GO) test -race -short -shuffle=on ./engine/... ./kernels/cpu/parallel ./kernels/cpu/gemm ./data/chat ./data/journal ./data/teacher ./data/collect ./cmd/...

COUNT ?= 1000000
soak: ## every fuzz target, or those that match TARGETS, for COUNT executions
	GO="$(GO)" bash bench/soak.sh $(COUNT) "$(TARGETS)"
