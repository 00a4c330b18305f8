//go:build cudadebug

package driver

// debug: contexts track what they hand out.
const debug = true
