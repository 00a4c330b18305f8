package data

import (
	"bytes"
	"encoding/json"
)

// fewKeys is up to how many keys of an object are compared one by one.
const fewKeys = 16

// keySet holds the keys of one open object.
type keySet struct {
	object bool            // an array has none
	few    [][]byte        // up to fewKeys
	many   map[string]bool // all, beyond
}

// add says whether the key was there already.
func (k *keySet) add(key []byte) (again bool) {
	if k.many == nil {
		for _, other := range k.few {
			if bytes.Equal(key, other) {
				return true
			}
		}
		if k.few = append(k.few, key); len(k.few) <= fewKeys {
			return false
		}
		k.many = map[string]bool{}
		for _, other := range k.few {
			k.many[string(other)] = true
		}
		return false
	}
	if k.many[string(key)] {
		return true
	}
	k.many[string(key)] = true
	return false
}

// duplicateKey finds a key that occurs twice in one object of valid JSON. It reads brackets
// and quotes alone: this is done for every row.
func duplicateKey(text []byte) (string, bool) {
	var open []keySet
	key := false // a string here is a key
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if len(open) < cap(open) { // with the memory of an object closed before
				open = open[:len(open)+1]
			} else {
				open = append(open, keySet{})
			}
			top := &open[len(open)-1]
			key = text[i] == '{'
			top.object, top.few, top.many = key, top.few[:0], nil
		case '}', ']':
			open, key = open[:len(open)-1], false
		case ':':
			key = false
		case ',':
			key = open[len(open)-1].object
		case '"':
			from := i
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if !key {
				continue
			}
			name := text[from+1 : i]
			if bytes.IndexByte(name, '\\') >= 0 {
				var plain string
				_ = json.Unmarshal(text[from:i+1], &plain) // the JSON is valid
				name = []byte(plain)
			}
			if open[len(open)-1].add(name) {
				return string(name), true
			}
		}
	}
	return "", false
}
