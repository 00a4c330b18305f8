package keys

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Apply sets every key that the command line did not set from the bytes of a YAML file.
// Errors name path and line.
func Apply(set *pflag.FlagSet, path string, raw []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(document.Content) == 0 {
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: a mapping of keys to values is expected", path, root.Line)
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		f := set.Lookup(key.Value)
		if f == nil || f.Name == "config" {
			return fmt.Errorf("%s:%d: unknown key %q%s", path, key.Line, key.Value, DidYouMean(key.Value, Names(set)))
		}
		if given[f.Name] {
			return fmt.Errorf("%s:%d: key %q stands twice", path, key.Line, key.Value)
		}
		given[f.Name] = true
		if f.Changed { // the command line wins
			continue
		}
		if err := setFromYAML(f, value); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", path, value.Line, key.Value, err)
		}
	}
	return nil
}

// setFromYAML sets one flag from a scalar or, where the flag is a list, from a sequence.
func setFromYAML(f *pflag.Flag, value *yaml.Node) error {
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode && f.Value.Type() == "stringArray" {
		values = value.Content
	}
	for _, v := range values {
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
			return errors.New("a single value is expected")
		}
		var missing string
		text := environment.ReplaceAllStringFunc(v.Value, func(m string) string {
			name := m[2 : len(m)-1]
			text, ok := os.LookupEnv(name)
			if !ok {
				missing = name
			}
			return text
		})
		if missing != "" {
			return fmt.Errorf("the environment has no %s", missing)
		}
		if f.Value.Set(text) != nil {
			return WrongValue(f, text)
		}
	}
	return nil
}

// environment matches ${NAME}.
var environment = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
