//go:build !amd64

package ptx

// multiplyFast reports that there is no fast product on this machine.
func multiplyFast(*fragments) bool { return false }
