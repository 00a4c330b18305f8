package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// object is one JSON object with its keys exactly as written: encoding/json
// alone would match keys in any case and take the last of two equal ones.
type object map[string]json.RawMessage

func (o object) has(key string) bool { _, ok := o[key]; return ok }

// isList says whether the value under key is a JSON array.
func (o object) isList(key string) bool {
	return bytes.HasPrefix(bytes.TrimSpace(o[key]), []byte("["))
}

// text reads a string; null is a wrong type.
func (o object) text(key string) (string, error) {
	raw, ok := o[key]
	if !ok {
		return "", o.missing(key)
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", o.wrongType(key, "a string")
	}
	return *s, nil
}

// messages reads a non-empty list of {"role", "content"}.
func (o object) messages(key string) ([]Message, error) {
	raw, ok := o[key]
	if !ok {
		return nil, o.missing(key)
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, o.wrongType(key, `a list of {"role", "content"}`)
	}
	if len(list) == 0 {
		return nil, malformed(fmt.Sprintf("%q is an empty list", key), "%q is an empty list", key)
	}
	messages := make([]Message, len(list))
	for i, item := range list {
		role, err := object(item).text("role")
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		content, err := object(item).text("content")
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		messages[i] = Message{Role: role, Content: content}
	}
	return messages, nil
}

func (o object) missing(key string) error {
	return malformed(fmt.Sprintf("%q is missing", key), "missing key %q; the row has %s", key, o.keys())
}

// keys lists the keys for a message, cut when there is too much of them.
func (o object) keys() string { return shortened(strings.Join(slices.Sorted(maps.Keys(o)), ", "), 200) }

// shortened is at most so many bytes of a text.
func shortened(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes], "") + "…"
}

func (o object) wrongType(key, wants string) error {
	return malformed(fmt.Sprintf("%q is not %s", key, wants), "%q must be %s, got %s", key, wants, shortened(string(bytes.TrimSpace(o[key])), 40))
}

// parseObject reads one JSON object and refuses equal keys at any depth.
func parseObject(text []byte) (object, error) {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, malformed(reasonNoObject, "a row must be a JSON object, got %s", wrong.Value)
		}
		return nil, malformed("bad JSON", "bad JSON: %w", err)
	}
	if o == nil {
		return nil, malformed(reasonNoObject, "a row must be a JSON object, got null")
	}
	if key, found := duplicateKey(text); found {
		return nil, malformed("a key occurs twice in one object", "the key %q occurs twice in one object", shortened(key, 200))
	}
	return o, nil
}
