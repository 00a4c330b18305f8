//go:build !amd64

package ptx

// fastest returns the only versions there are.
func fastest() vectors { return portable }
