package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxList  = 64 // numbers in a shape
	maxDepth = 64 // of what is skipped
)

// walker reads JSON token by token, because json.Unmarshal lets pass what this
// format must refuse: duplicate keys, keys in another case, null for a number.
type walker struct {
	text []byte
	dec  *json.Decoder
}

// newWalker starts at the first byte of text, which must be UTF-8.
func newWalker(text []byte) (*walker, error) {
	if !utf8.Valid(text) {
		return nil, ErrUTF8
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return &walker{text: text, dec: dec}, nil
}

// next is the next token; nil stands for null.
func (w *walker) next() (json.Token, error) {
	token, err := w.dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%w near byte %d: %w", ErrJSON, w.dec.InputOffset(), err)
	}
	return token, nil
}

// open reads the token that begins an object or an array.
func (w *walker) open(delim json.Delim) error {
	token, err := w.next()
	if err != nil {
		return err
	}
	if token != delim {
		return fmt.Errorf("%w: want %q, have %.40q", ErrValueType, delim.String(), fmt.Sprint(token))
	}
	return nil
}

// object reads an object and calls member with each key to read its value.
// known are the keys that no other key may resemble but for case.
func (w *walker) object(known []string, member func(key string) error) error {
	if err := w.open('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for w.dec.More() {
		token, err := w.next()
		if err != nil {
			return err
		}
		key := token.(string) // the decoder lets nothing else stand here
		if seen[key] {
			return fmt.Errorf("%w %.120q", ErrDuplicateKey, key)
		}
		seen[key] = true
		for _, name := range known {
			if key != name && strings.EqualFold(key, name) {
				return fmt.Errorf("%w: %q for %q", ErrKeyCase, key, name)
			}
		}
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := w.next() // the closing brace
	return err
}

// array reads an array and calls element to read each of its values.
func (w *walker) array(element func() error) error {
	if err := w.open('['); err != nil {
		return err
	}
	for w.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := w.next() // the closing bracket
	return err
}

// string reads a string.
func (w *walker) string() (string, error) {
	token, err := w.next()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%w: want a string, have %.40q", ErrValueType, fmt.Sprint(token))
	}
	return s, nil
}

// naturals reads an array of at most maxList whole numbers of zero or more that fit an int.
func (w *walker) naturals() ([]int, error) {
	numbers := []int{}
	err := w.array(func() error {
		token, err := w.next()
		if err != nil {
			return err
		}
		number, _ := token.(json.Number)
		n, err := strconv.ParseUint(number.String(), 10, strconv.IntSize-1)
		if err != nil {
			return fmt.Errorf("%w: %.40q", ErrNumber, fmt.Sprint(token))
		}
		if len(numbers) == maxList {
			return fmt.Errorf("%w: %d", ErrListTooLong, maxList)
		}
		numbers = append(numbers, int(n))
		return nil
	})
	return numbers, err
}

// skip reads one value of any kind, at most maxDepth deep.
func (w *walker) skip() error {
	for depth := 0; ; {
		token, err := w.next()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: %d", ErrTooDeep, maxDepth)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// end checks that nothing but white space is left.
func (w *walker) end() error {
	at := int(w.dec.InputOffset())
	if rest := bytes.Trim(w.text[at:], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("%w: %.20q after byte %d", ErrTrailing, rest, at)
	}
	return nil
}
