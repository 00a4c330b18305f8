//go:build !amd64

package features

// supported lists the assembly kernel sets: none outside amd64.
func supported() []string { return nil }
