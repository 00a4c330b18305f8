package chat

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// manyDigits matches a width in a format that is beyond maxNumber.
var manyDigits = regexp.MustCompile(`[0-9]{5}`)

// checkCall looks at a filter's or method's text and arguments before it runs.
func checkCall(name string, in *exec.Value, args *exec.VarArgs) error {
	given := append([]*exec.Value{}, args.Args...)
	for _, value := range args.KwArgs {
		given = append(given, value)
	}
	switch name {
	case "default", "d", "round", "int", "float", "abs", "equalto": // numbers that are no widths
		return nil
	case "format":
		if in.IsString() && manyDigits.MatchString(in.String()) {
			return fmt.Errorf("%s with a width of more than %d", name, maxNumber)
		}
	}
	for _, value := range given {
		if value.IsInteger() && (value.Integer() > maxNumber || value.Integer() < -maxNumber) {
			return fmt.Errorf("%s with a number beyond %d", name, maxNumber)
		}
	}
	return nil
}

// guardedFilters are the filters, each with a look at its arguments and at the length of its result.
func guardedFilters() *exec.FilterSet {
	set := map[string]exec.FilterFunction{}
	for _, name := range strings.Fields("abs attr batch capitalize center default d dictsort e escape filesizeformat first float forceescape format " +
		"groupby indent int join items last length count list lower map max min pprint random rejectattr reject replace reverse round safe " +
		"selectattr select slice sort string striptags sum title tojson trim truncate unique upper urlencode urlize wordcount wordwrap xmlattr") {
		filter, ok := filters.Get(name)
		if !ok {
			filter, _ = builtins.Filters.Get(name)
		}
		set[name] = func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
			b := budgetOf(e.Environment.Context)
			err := b.check()
			if err == nil {
				err = checkCall(name, in, params)
			}
			if err == nil {
				err = b.length(joined(name, in, params))
			}
			if err != nil {
				return exec.AsValue(err)
			}
			out := filter(e, in, params)
			if out.IsError() {
				return out
			}
			n, err := b.measure(out)
			if b.filtered += n; err == nil && b.filtered > maxFiltered {
				err = b.exceed("its filters make more than %d bytes", maxFiltered)
			}
			if err != nil {
				return exec.AsValue(err)
			}
			return out
		}
	}
	return exec.NewFilterSet(set)
}

// joined is how long join and replace make their result, 0 for other filters.
func joined(name string, in *exec.Value, params *exec.VarArgs) int {
	switch {
	case name == "replace" && in.IsString() && len(params.Args) >= 2:
		return replacedBytes(in.String(), params.Args[0].String(), params.Args[1].String())
	case name == "join" && in.IsList():
		total := 0
		for i := range in.Len() {
			total += len(in.Index(i).String())
		}
		if len(params.Args) > 0 {
			total += in.Len() * len(params.Args[0].String())
		}
		return total
	}
	return 0
}

// replacedBytes is the length of text with every part replaced.
func replacedBytes(text, old, with string) int {
	return len(text) + strings.Count(text, old)*max(0, len(with)-len(old))
}

// guardedMethod is a method of strings with a look at its arguments and result. It knows no budget: what it makes may
// be as long as the longest text of the longest row.
func guardedMethod(name string, method stringMethod) stringMethod {
	return func(text string, self *exec.Value, args *exec.VarArgs) (any, error) {
		if err := checkCall(name, exec.AsValue(text), args); err != nil {
			return nil, err
		}
		if name == "replace" && len(args.Args) >= 2 && replacedBytes(text, args.Args[0].String(), args.Args[1].String()) > maxTextBytes(len(text)) ||
			name == "join" && len(args.Args) > 0 && args.Args[0].IsList() && joined("join", args.Args[0], &exec.VarArgs{Args: []*exec.Value{exec.AsValue(text)}}) > maxTextBytes(16<<20) {
			return nil, fmt.Errorf("%s makes too long a text", name)
		}
		return method(text, self, args)
	}
}
