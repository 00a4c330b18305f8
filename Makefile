# The two commands of the README are demo and test; the others are for people who work on retort.
GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: demo test build bench lint race soak

demo: ## the main job in two minutes: two arms of a small student, and a table
	$(GO) run ./cmd/retort demo

test: ## every test that needs nothing but Go
	$(GO) test ./...

build: ## bin/retort
	$(GO) build -trimpath -o bin/retort ./cmd/retort

bench: ## benchmarks, side by side with peers where PYTHON has them
	PYTHON="$(PYTHON)" bash bench/run.sh

lint: ## formatting, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

race: ## the race detector where it is affordable
	$(GO) test -race -shuffle=on ./engine/... ./kernels/cpu/parallel ./kernels/cpu/gemm ./data/chat ./cmd/...

COUNT ?= 1000000
soak: ## every fuzz target for COUNT executions
	GO="$(GO)" bash bench/soak.sh $(COUNT)
