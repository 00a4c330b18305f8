package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"retort/engine"
)

// errHelp says that help was asked for and printed.
var errHelp = errors.New("help")

// common are the keys of every command.
type common struct {
	Config string `key:"config" help:"YAML file with any of these keys; flags override it, ${NAME} is taken from the environment"`
	Device string `key:"device" help:"auto, cpu, cuda or emu"`
	BF16   *bool  `key:"bf16" help:"bf16 weights and activations, float32 sums and masters; true on a GPU unless said otherwise"`
	JSON   bool   `key:"json" help:"machine-readable output on standard output"`
	Quiet  bool   `key:"quiet" help:"no progress and no notes"`
}

// boolValue is a flag that also takes True and False, as Python users write them.
type boolValue struct{ to *bool }

// String is the value as the help shows it.
func (b boolValue) String() string { return fmt.Sprint(b.to != nil && *b.to) }

// Type names the value's type in the help.
func (b boolValue) Type() string { return "bool" }

// Set reads the value from a flag or a file.
func (b boolValue) Set(s string) error {
	v, ok := parseBool(s)
	if !ok {
		return fmt.Errorf("%q is neither true nor false", s)
	}
	*b.to = v
	return nil
}

// optionalBool is a boolean flag that may be left unsaid.
type optionalBool struct{ to **bool }

// String is the value as the help shows it.
func (b optionalBool) String() string {
	if b.to == nil || *b.to == nil {
		return ""
	}
	return fmt.Sprint(**b.to)
}

// Type names the value's type in the help.
func (b optionalBool) Type() string { return "bool" }

// Set reads the value from a flag or a file.
func (b optionalBool) Set(s string) error {
	var v bool
	if err := (boolValue{&v}).Set(s); err != nil {
		return err
	}
	*b.to = &v
	return nil
}

func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		return true, true
	case "false", "0", "no":
		return false, true
	}
	return false, false
}

// parse reads flags and configuration file into the fields of the given structs: pointers
// to structs whose tags `key` and `help` describe each field; the values they hold are the
// defaults. Positional arguments are an error.
func (c *cli) parse(args []string, into ...any) error {
	set := pflag.NewFlagSet(c.command.name, pflag.ContinueOnError)
	set.SortFlags = false
	set.Usage = func() {}
	set.SetOutput(discard{})
	set.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "-", "_"))
	})
	if c.common.Device == "" {
		c.common.Device = "auto"
	}
	for _, s := range append(into, &c.common) {
		bind(set, s)
	}
	if len(args) == 1 && args[0] == completeKeys {
		for _, key := range keys(set) {
			fmt.Fprintln(c.stdout, "--"+key)
		}
		return errHelp
	}
	err := set.Parse(joinBooleans(set, args))
	switch {
	case errors.Is(err, pflag.ErrHelp):
		c.help(set)
		return errHelp
	case err != nil:
		return usageError(set, err)
	case set.NArg() > 0:
		return fmt.Errorf("%w: unexpected argument %q", engine.ErrUsage, set.Arg(0))
	}
	if c.common.Config == "" {
		return nil
	}
	return applyConfig(set, c.common.Config)
}

type discard struct{}

// Write drops the text: errors are printed by main, once.
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// bind makes one flag of every tagged field.
func bind(set *pflag.FlagSet, to any) {
	v := reflect.ValueOf(to).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key, help := field.Tag.Get("key"), field.Tag.Get("help")
		if key == "" {
			continue
		}
		switch p := v.Field(i).Addr().Interface().(type) {
		case *string:
			set.StringVar(p, key, *p, help)
		case *int:
			set.IntVar(p, key, *p, help)
		case *float64:
			set.Float64Var(p, key, *p, help)
		case *[]string:
			set.StringArrayVar(p, key, *p, help)
		case **bool:
			set.Var(optionalBool{p}, key, help)
			set.Lookup(key).NoOptDefVal = "true"
		case *bool:
			set.Var(boolValue{p}, key, help)
			set.Lookup(key).NoOptDefVal = "true"
		default:
			panic("retort: no flag for a field of type " + field.Type.String())
		}
	}
}

// joinBooleans turns "--packing false" into "--packing=false": pflag would take the value
// of a boolean for an argument of its own.
func joinBooleans(set *pflag.FlagSet, args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, isFlag := strings.CutPrefix(arg, "--")
		if isFlag && i+1 < len(args) && !strings.Contains(name, "=") {
			if f := set.Lookup(name); f != nil && f.Value.Type() == "bool" {
				if _, ok := parseBool(args[i+1]); ok {
					arg += "=" + args[i+1]
					i++
				}
			}
		}
		out = append(out, arg)
	}
	return out
}

// usageError says which flag is wrong, with the nearest known one.
func usageError(set *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		return fmt.Errorf("%w: unknown flag --%s%s", engine.ErrUsage, name, didYouMean(name, keys(set)))
	}
	return fmt.Errorf("%w: %w", engine.ErrUsage, err)
}

func keys(set *pflag.FlagSet) []string {
	var out []string
	set.VisitAll(func(f *pflag.Flag) { out = append(out, f.Name) })
	return out
}

// environment matches ${NAME}.
var environment = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// applyConfig sets every flag that the command line did not from a YAML file.
func applyConfig(set *pflag.FlagSet, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: config: %w", engine.ErrBadInput, err)
	}
	return applyYAML(set, path, raw)
}

// applyYAML is applyConfig with the file's bytes.
func applyYAML(set *pflag.FlagSet, path string, raw []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return fmt.Errorf("%w: %s: %w", engine.ErrBadInput, path, err)
	}
	if len(document.Content) == 0 {
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%w: %s:%d: a mapping of keys to values is expected", engine.ErrBadInput, path, root.Line)
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		f := set.Lookup(key.Value)
		if f == nil || f.Name == "config" {
			return fmt.Errorf("%w: %s:%d: unknown key %q%s", engine.ErrBadInput, path, key.Line, key.Value, didYouMean(key.Value, keys(set)))
		}
		if given[f.Name] {
			return fmt.Errorf("%w: %s:%d: key %q stands twice", engine.ErrBadInput, path, key.Line, key.Value)
		}
		given[f.Name] = true
		if f.Changed { // the command line wins
			continue
		}
		if err := setFromYAML(f, value); err != nil {
			return fmt.Errorf("%w: %s:%d: %s: %w", engine.ErrBadInput, path, value.Line, key.Value, err)
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
		if err := f.Value.Set(text); err != nil {
			return err
		}
	}
	return nil
}

// didYouMean names the known word nearest to the given one, if one is near.
func didYouMean(word string, known []string) string {
	best, distance := "", len(word)/2+1
	for _, k := range known {
		if d := editDistance(word, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
