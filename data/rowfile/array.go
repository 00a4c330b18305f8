package rowfile

import (
	"bufio"
	"io"
)

// eachElement walks over the elements of one JSON array. It only finds where an element
// ends, by brackets and quotes; whether it is sound is seen when it is parsed.
func eachElement(r *bufio.Reader, visit Visit) error {
	if _, err := r.ReadBytes('['); err != nil {
		return &readError{err}
	}
	var text []byte
	for row := 1; ; row++ {
		var end byte
		var fault, err error
		text, end, fault, err = readElement(r, text[:0])
		switch {
		case err == io.EOF:
			return visit(row, nil, ErrOpenArray)
		case err != nil:
			return &readError{err}
		}
		if err := deliver(row, text, fault, visit); err != nil {
			return err
		}
		if end == ']' {
			return nothingMore(r, row+1, visit)
		}
	}
}

// readElement appends the next element to buffer; end is the comma or bracket behind it.
func readElement(r *bufio.Reader, buffer []byte) (text []byte, end byte, fault, err error) {
	depth, quoted, escaped := 0, false, false
	for {
		c, err := r.ReadByte()
		if err != nil {
			return buffer, 0, fault, err
		}
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			return buffer, c, fault, nil
		case c == '}' || c == ']':
			depth--
		}
		if len(buffer) >= MaxLineBytes {
			fault = ErrLineTooLong
			continue
		}
		buffer = append(buffer, c)
	}
}

// nothingMore reads what follows the array, which may be blank.
func nothingMore(r *bufio.Reader, row int, visit Visit) error {
	for {
		c, err := r.ReadByte()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return &readError{err}
		case c != ' ' && c != '\n' && c != '\r' && c != '\t':
			return visit(row, nil, ErrAfterArray)
		}
	}
}
