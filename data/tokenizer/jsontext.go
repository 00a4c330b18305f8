package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// fault is an error of the given kind with its place and cause.
func fault(kind error, format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), kind)
}

// jsonObject is an object with exact keys; encoding/json alone would take "Vocab" for "vocab".
type jsonObject map[string]json.RawMessage

// parseObject reads an object; null is an empty one.
func parseObject(where string, raw []byte) (jsonObject, error) {
	var o jsonObject
	if err := json.Unmarshal(raw, &o); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			before := string(raw[:min(int(syntax.Offset), len(raw))])
			return nil, fault(ErrJSON, "line %d: %v", strings.Count(before, "\n")+1, err)
		}
		return nil, fault(ErrJSON, "%s: not an object", where)
	}
	return o, nil
}

// has reports whether the key is there and not null.
func (o jsonObject) has(key string) bool {
	raw, ok := o[key]
	return ok && string(raw) != "null"
}

// read decodes the key's value into to, which stays as it is when the key is absent or null.
func (o jsonObject) read(where, key string, to any) error {
	if !o.has(key) {
		return nil
	}
	if err := json.Unmarshal(o[key], to); err != nil {
		return fault(ErrJSON, "%s.%s: %.40q does not fit there", where, key, o[key])
	}
	return nil
}

// jsonCursor walks over an object or array that encoding/json has found valid, without a copy of it: a vocabulary
// of 150,000 tokens reads in a fraction of the time, and duplicate keys are seen.
type jsonCursor struct {
	text string // begins with the { or [
	at   int
}

// next goes to the next element (in an object: its key); false at the end.
func (c *jsonCursor) next() bool {
	c.blank()
	opened := c.at == 0
	separator := c.text[c.at]
	c.at++
	c.blank()
	if opened && (c.text[c.at] == ']' || c.text[c.at] == '}') {
		return false
	}
	return opened || separator == ','
}

func (c *jsonCursor) blank() {
	for c.at < len(c.text) && strings.IndexByte(" \t\r\n", c.text[c.at]) >= 0 {
		c.at++
	}
}

// str reads a string; false when the value is none.
func (c *jsonCursor) str() (string, bool) {
	c.blank()
	if c.text[c.at] != '"' {
		return "", false
	}
	start, escaped := c.at, false
	for c.at++; c.text[c.at] != '"'; c.at++ {
		if c.text[c.at] == '\\' {
			escaped = true
			c.at++
		}
	}
	c.at++
	if !escaped {
		return c.text[start+1 : c.at-1], true
	}
	var s string
	err := json.Unmarshal([]byte(c.text[start:c.at]), &s)
	return s, err == nil
}

// scalar reads what is neither string, object nor array, as it is written.
func (c *jsonCursor) scalar() string {
	c.blank()
	start := c.at
	for c.at < len(c.text) && strings.IndexByte(" \t\r\n,:]}[{\"", c.text[c.at]) < 0 {
		c.at++
	}
	return c.text[start:c.at]
}

// pair reads a merge: the string "a b" or the array ["a","b"].
func (c *jsonCursor) pair() (left, right string, ok bool) {
	c.blank()
	if c.text[c.at] == '"' {
		both, _ := c.str()
		left, right, ok = strings.Cut(both, " ")
		return left, right, ok && left != "" && right != "" && !strings.Contains(right, " ")
	}
	if c.text[c.at] != '[' {
		return "", "", false
	}
	inner := jsonCursor{text: c.text[c.at:]}
	var parts [2]string
	for i := range parts {
		if !inner.next() {
			return "", "", false
		}
		if parts[i], ok = inner.str(); !ok {
			return "", "", false
		}
	}
	if inner.next() || parts[0] == "" || parts[1] == "" {
		return "", "", false
	}
	c.at += inner.at
	return parts[0], parts[1], true
}
