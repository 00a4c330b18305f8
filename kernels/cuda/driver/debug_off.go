//go:build !cudadebug

package driver

// debug: contexts do not track what they hand out.
const debug = false
