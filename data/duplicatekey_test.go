package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysThatOccurTwiceAreFound(t *testing.T) {
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	for text, want := range map[string]string{
		`{"a":1,"b":"a","c":["a","a"]}`: "", `{"a":{"a":{"a":1}},"b":{"a":2}}`: "", `[{"a":1},{"a":1}]`: "", `{}`: "", `"a"`: "", `[]`: "", `{"a:\",\"a":1,"a":2}`: "",
		`{"a":1,"a":1}`: "a", `{"x":[{"b":1,"b":2}]}`: "b", `{"a":{"z":1},"b":2,"a":3}`: "a", `{"é":1,"\u00e9":2}`: "é", `{"":1,"":1}`: "<empty>",
		"{" + strings.Join(many, ",") + "}": "", "{" + strings.Join(many, ",") + `,"k3":0}`: "k3", "{" + strings.Join(many, ",") + `,"k39":0}`: "k39",
	} {
		require.True(t, json.Valid([]byte(text)), text)
		key, found := duplicateKey([]byte(text))
		require.Equal(t, want != "", found, text)
		require.Equal(t, strings.ReplaceAll(want, "<empty>", ""), key)
	}
}

// FuzzDuplicateKey compares with encoding/json, token by token.
func FuzzDuplicateKey(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"a":2}}`))
	f.Add([]byte(`{"a\\":1,"a\"":[{},[],{"x":1,"x":2}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		_, found := duplicateKey(text)
		require.Equal(t, slowDuplicate(json.NewDecoder(bytes.NewReader(text))), found)
	})
}

// slowDuplicate reads one value and says whether an object in it has a key twice.
func slowDuplicate(d *json.Decoder) bool {
	token, err := d.Token()
	open, ok := token.(json.Delim)
	if err != nil || !ok {
		return false
	}
	keys, found := map[string]bool{}, false
	for d.More() {
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return found
			}
			found = found || keys[key.(string)]
			keys[key.(string)] = true
		}
		found = slowDuplicate(d) || found
	}
	_, _ = d.Token()
	return found
}
