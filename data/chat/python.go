package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// Where gonja's Python differs from Python in what chat templates use, this file has its own: negative indices that
// reach the first element, and methods of strings whose arguments are optional.

// list is a list whose elements count from both ends.
type list []any

// GetItem returns element index; from the end when it is negative.
func (l list) GetItem(key any) (*exec.Value, bool) {
	index, ok := key.(int)
	if index < 0 {
		index += len(l)
	}
	if !ok || index < 0 || index >= len(l) {
		return exec.AsValue(nil), false
	}
	if value, ok := l[index].(*exec.Value); ok {
		return value, true
	}
	return exec.AsValue(l[index]), true
}

func listOf[T any](items []T) list {
	all := make(list, len(items))
	for i, item := range items {
		all[i] = item
	}
	return all
}

// toList is the filter list.
func toList(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	original, _ := builtins.Filters.Get("list")
	out := original(e, in, params)
	if out.IsError() || !out.IsList() {
		return out
	}
	all := make(list, out.Len())
	for i := range all {
		all[i] = out.Index(i)
	}
	return exec.AsValue(all)
}

// trim is the filter trim.
func trim(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	cut, err := cutset(params)
	if err != nil {
		return exec.AsValue(err)
	}
	return exec.AsValue(strings.TrimFunc(in.String(), cut))
}

// isSpace is Python's str.isspace: Unicode's white space and four separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F }

// cutset reads the argument of strip: the characters to remove, white space by default.
func cutset(args *exec.VarArgs) (func(r rune) bool, error) {
	given, ok := args.KwArgs["chars"]
	if len(args.Args) > 0 {
		given, ok = args.Args[0], true
	}
	if !ok || given.IsNil() {
		return isSpace, nil
	}
	if !given.IsString() {
		return nil, errors.New("characters to strip are not a string")
	}
	return func(r rune) bool { return strings.ContainsRune(given.String(), r) }, nil
}

type stringMethod = exec.Method[string]

// stringMethods are gonja's, but for our own.
var stringMethods = func() *exec.MethodSet[string] {
	own := map[string]stringMethod{
		"strip":   stripMethod(strings.TrimFunc),
		"lstrip":  stripMethod(strings.TrimLeftFunc),
		"rstrip":  stripMethod(strings.TrimRightFunc),
		"split":   splitMethod(split),
		"rsplit":  splitMethod(rsplit),
		"replace": replaceMethod,
	}
	for _, name := range strings.Fields("capitalize casefold center count endswith expandtabs find format isalnum isalpha isascii isdecimal isdigit " +
		"islower isnumeric isprintable isspace istitle isupper join ljust lower partition removeprefix removesuffix rfind rjust " +
		"rpartition splitlines startswith swapcase title upper zfill") {
		if method, ok := builtins.Methods.Str.Get(name); ok {
			own[name] = method
		}
	}
	for name, method := range own {
		own[name] = guardedMethod(name, method)
	}
	return exec.NewMethodSet(own)
}()

func stripMethod(strip func(text string, cut func(rune) bool) string) stringMethod {
	return func(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		cut, err := cutset(args)
		if err != nil {
			return nil, err
		}
		return strip(text, cut), nil
	}
}

// replaceMethod is replace(old, new[, count]).
func replaceMethod(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	count := -1
	if len(args.Args) == 3 {
		count = args.Args[2].Integer()
	} else if given, ok := args.KwArgs["count"]; ok {
		count = given.Integer()
	}
	if len(args.Args) < 2 || len(args.Args) > 3 || !args.Args[0].IsString() || !args.Args[1].IsString() {
		return nil, errors.New("replace takes two strings and a count")
	}
	return strings.Replace(text, args.Args[0].String(), args.Args[1].String(), count), nil
}

// splitMethod is split([sep[, maxsplit]]) or rsplit; at white space when sep is missing.
func splitMethod(cut func(text, sep string, limit int) []string) stringMethod {
	return func(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		given := map[string]*exec.Value{}
		for name, value := range args.KwArgs {
			given[name] = value
		}
		for i, value := range args.Args {
			if i >= 2 {
				return nil, fmt.Errorf("split takes two arguments, not %d", len(args.Args))
			}
			given[[]string{"sep", "maxsplit"}[i]] = value
		}
		limit := -1
		if v, ok := given["maxsplit"]; ok {
			limit = v.Integer()
		}
		sep, ok := given["sep"]
		if !ok || sep.IsNil() {
			if limit >= 0 {
				return nil, errors.New("split at white space with maxsplit is not supported")
			}
			return listOf(strings.FieldsFunc(text, isSpace)), nil
		}
		if !sep.IsString() || sep.String() == "" {
			return nil, errors.New("split at an empty separator or at no string")
		}
		return listOf(cut(text, sep.String(), limit)), nil
	}
}

// split cuts text at most limit times (negative: always), from the left.
func split(text, sep string, limit int) []string {
	if limit >= 0 {
		limit++
	}
	return strings.SplitN(text, sep, limit)
}

// rsplit is split from the right.
func rsplit(text, sep string, limit int) []string {
	parts := strings.Split(text, sep)
	if joined := len(parts) - limit; limit >= 0 && joined > 1 {
		parts = append([]string{strings.Join(parts[:joined], sep)}, parts[joined:]...)
	}
	return parts
}
