//go:build !amd64

package vec

// addAssembly has nothing to add: there is no assembly for this architecture.
func addAssembly() {}
