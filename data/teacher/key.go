package teacher

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Key is an API key. It prints as a mark, never as itself, and can take itself
// out of texts that a server sent.
type Key struct{ secret string }

// maskedKey stands where a key was.
const maskedKey = "[api key]"

// ReadKey takes the key from a file, or from the environment where file is
// empty. No key at all is no error: local servers need none.
func ReadKey(env, file string) (Key, error) {
	text := os.Getenv(env)
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return Key{}, fmt.Errorf("api_key_file: %w", err)
		}
		if text = string(bytes.TrimSpace(raw)); text == "" {
			return Key{}, fmt.Errorf("api_key_file: %s is empty", file)
		}
	}
	return NewKey(text)
}

// NewKey checks that a key can stand in a header.
func NewKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	for _, r := range text {
		if r <= ' ' || r > '~' {
			return Key{}, errors.New("the API key holds a character that no header can carry; look for blanks and line ends in it")
		}
	}
	return Key{text}, nil
}

// Given says whether there is a key.
func (k Key) Given() bool { return k.secret != "" }

// String is the mark that stands for the key.
func (k Key) String() string {
	if !k.Given() {
		return "[no api key]"
	}
	return maskedKey
}

// GoString is String: %#v would show the field.
func (k Key) GoString() string { return k.String() }

// Redact takes the key out of a text. Servers repeat it in their messages.
func (k Key) Redact(text string) string {
	if !k.Given() {
		return text
	}
	return strings.ReplaceAll(text, k.secret, maskedKey)
}
