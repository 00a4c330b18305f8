//go:build !unix

package mapped

import (
	"io"
	"os"
)

// load reads size bytes of f into memory.
func load(f *os.File, size int) ([]byte, func([]byte) error, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, nil, err
}
