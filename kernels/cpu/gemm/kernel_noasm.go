//go:build !amd64

package gemm

// addAssembly has nothing to add: there is no assembly for this architecture.
func addAssembly() {}
