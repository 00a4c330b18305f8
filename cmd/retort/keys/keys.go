// Package keys turns the settings of a command, fields of structs with the tags `key` and
// `help`, into flags, and reads the same keys from YAML files. It owns nothing; the command
// line alone calls it.
package keys

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// Bind makes one flag of every tagged field.
func Bind(set *pflag.FlagSet, to any) {
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

// boolValue is a flag that also takes True and False, as Python users write them.
type boolValue struct{ to *bool }

// String is the value as the help shows it.
func (b boolValue) String() string { return fmt.Sprint(b.to != nil && *b.to) }

// Type names the value's type in the help.
func (b boolValue) Type() string { return "bool" }

// Set reads the value from a flag or a file.
func (b boolValue) Set(s string) error {
	v, ok := ParseBool(s)
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

// ParseBool reads a boolean as Go, YAML and Python users write it.
func ParseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		return true, true
	case "false", "0", "no":
		return false, true
	}
	return false, false
}

// Names lists the keys of a set.
func Names(set *pflag.FlagSet) []string {
	var out []string
	set.VisitAll(func(f *pflag.Flag) { out = append(out, f.Name) })
	return out
}

// WrongValue says what a key takes, in other words than those of the library that read it.
func WrongValue(f *pflag.Flag, value string) error {
	want := map[string]string{"int": "a whole number", "float64": "a number", "bool": "true or false"}[f.Value.Type()]
	return fmt.Errorf("%.60q is not %s", value, want)
}

// DidYouMean names the known word nearest to the given one, if one is near.
func DidYouMean(word string, known []string) string {
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
