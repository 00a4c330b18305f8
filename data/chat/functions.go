package chat

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// refusal is what a template said when it called raise_exception.
type refusal struct{ reason, place string }

// raiser makes raise_exception(message), which ends the rendering and leaves its reason in *to, with the turn that
// the template was at if a variable of a usual name holds one.
func raiser(to **refusal, turns list) func(e *exec.Evaluator, args *exec.VarArgs) (*exec.Value, error) {
	return func(e *exec.Evaluator, args *exec.VarArgs) (*exec.Value, error) {
		*to = &refusal{reason: args.First().String()}
		for _, name := range []string{"message", "m", "msg", "turn"} {
			variable, _ := e.Environment.Context.Get(name)
			if value, ok := variable.(*exec.Value); ok {
				variable = value.Interface()
			}
			for i, turn := range turns {
				if at, ok := variable.(map[string]any); ok && reflect.ValueOf(at).Pointer() == reflect.ValueOf(turn).Pointer() {
					(*to).place = fmt.Sprintf(" at message %d", i)
				}
			}
		}
		return nil, errors.New((*to).reason)
	}
}

// rangeOf is range([start,] stop[, step]), at most maxRange long as in Jinja's sandbox. gonja's own leaves a goroutine
// behind when a loop breaks.
func rangeOf(args *exec.VarArgs) ([]int, error) {
	const maxRange = 100_000
	bounds := []int{0, 0, 1}
	switch len(args.Args) {
	case 1:
		bounds[1] = args.Args[0].Integer()
	case 2, 3:
		for i, arg := range args.Args {
			bounds[i] = arg.Integer()
		}
	default:
		return nil, errors.New("range takes one to three integers")
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if step == 0 {
		return nil, errors.New("range with step 0")
	}
	all := []int{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(all) == maxRange {
			return nil, fmt.Errorf("range of more than %d numbers", maxRange)
		}
		all = append(all, i)
	}
	return all, nil
}

// strftime is the part of C's strftime that templates use; what it does not know stays as it is written.
func strftime(now time.Time, format string) string {
	layouts := map[string]string{"%Y": "2006", "%y": "06", "%m": "01", "%-m": "1", "%d": "02", "%-d": "2", "%e": "_2", "%B": "January",
		"%b": "Jan", "%h": "Jan", "%A": "Monday", "%a": "Mon", "%H": "15", "%I": "03", "%-I": "3", "%M": "04", "%S": "05", "%p": "PM",
		"%Z": "MST", "%z": "-0700", "%F": "2006-01-02", "%T": "15:04:05", "%D": "01/02/06", "%R": "15:04"}
	var out strings.Builder
	for len(format) > 0 {
		size := 1
		if strings.HasPrefix(format, "%-") {
			size = min(3, len(format))
		} else if format[0] == '%' {
			size = min(2, len(format))
		}
		switch directive := format[:size]; directive {
		case "%%":
			out.WriteByte('%')
		case "%j":
			fmt.Fprintf(&out, "%03d", now.YearDay())
		default:
			if layout, ok := layouts[directive]; ok {
				directive = now.Format(layout)
			}
			out.WriteString(directive)
		}
		format = format[size:]
	}
	return out.String()
}

// filters are those that gonja lacks or has otherwise.
var filters = exec.NewFilterSet(map[string]exec.FilterFunction{"tojson": toJSON, "list": toList, "trim": trim})

// toJSON writes a value as Python's json.dumps(value, ensure_ascii=False, indent=…) does.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	w := jsonWriter{indent: -1}
	for name, value := range params.KwArgs {
		switch {
		case name == "indent" && value.IsInteger():
			w.indent = value.Integer()
		case name == "indent" && value.IsNil(), name == "ensure_ascii" && !value.IsTrue():
		default:
			return exec.AsValue(fmt.Errorf("tojson does not support %s=%s", name, value.String()))
		}
	}
	if len(params.Args) > 0 {
		return exec.AsValue(errors.New("tojson takes arguments by name"))
	}
	if err := w.value(in, 1); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(w.out.String())
}

type jsonWriter struct {
	out    strings.Builder
	indent int // spaces per level; negative: all on one line
}

func (w *jsonWriter) value(v *exec.Value, depth int) error {
	if depth > 100 {
		return errors.New("tojson of what is nested more than 100 deep")
	}
	switch {
	case v.IsNil():
		w.out.WriteString("null")
	case v.IsBool():
		w.out.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsInteger():
		w.out.WriteString(strconv.Itoa(v.Integer()))
	case v.IsFloat():
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return errors.New("tojson of no finite number")
		}
		w.out.WriteString(v.String())
	case v.IsString():
		w.text(v.String())
	case v.IsList():
		w.list('[', ']', v.Len(), depth, func(i int) error { return w.value(v.Index(i), depth+1) })
	case v.IsDict():
		keys, items := entries(v)
		return w.list('{', '}', len(keys), depth, func(i int) error {
			w.text(keys[i])
			w.out.WriteString(": ")
			return w.value(items[i], depth+1)
		})
	default:
		return fmt.Errorf("tojson of %T, which has no JSON form", v.Interface())
	}
	return nil
}

// text writes a string with only what JSON demands escaped.
func (w *jsonWriter) text(s string) {
	w.out.WriteByte('"')
	for _, r := range s {
		if at := strings.IndexRune("\"\\\n\r\t\f\b", r); at >= 0 {
			w.out.WriteString(`\` + string(`"\nrtfb`[at]))
		} else if r < ' ' {
			fmt.Fprintf(&w.out, `\u%04x`, r)
		} else {
			w.out.WriteRune(r)
		}
	}
	w.out.WriteByte('"')
}

// list writes count elements between brackets, with Python's separators.
func (w *jsonWriter) list(open, end byte, count, depth int, element func(i int) error) error {
	w.out.WriteByte(open)
	for i := range count {
		if i > 0 && w.indent >= 0 {
			w.out.WriteString(",")
		} else if i > 0 {
			w.out.WriteString(", ")
		}
		w.line(depth)
		if err := element(i); err != nil {
			return err
		}
	}
	if count > 0 {
		w.line(depth - 1)
	}
	w.out.WriteByte(end)
	return nil
}

func (w *jsonWriter) line(depth int) {
	if w.indent >= 0 {
		w.out.WriteString("\n" + strings.Repeat(" ", w.indent*depth))
	}
}

// entries returns a dictionary's keys and values: as written if the template wrote it, a message's with role and
// content first, as they are in data files.
func entries(v *exec.Value) (keys []string, items []*exec.Value) {
	if dict, ok := v.Interface().(*exec.Dict); ok {
		for _, pair := range dict.Pairs {
			keys, items = append(keys, pair.Key.String()), append(items, pair.Value)
		}
		return keys, items
	}
	first := map[string]int{"role": -3, "content": -2, "reasoning_content": -1}
	v.Iterate(func(_, _ int, key, value *exec.Value) bool {
		keys = append(keys, key.String())
		return true
	}, func() {})
	sort.Slice(keys, func(a, b int) bool {
		if first[keys[a]] != first[keys[b]] {
			return first[keys[a]] < first[keys[b]]
		}
		return keys[a] < keys[b]
	})
	for _, key := range keys {
		item, _ := v.GetItem(key)
		items = append(items, item)
	}
	return keys, items
}

// blocks are those that gonja lacks or has otherwise. transformers' {% generation %} marks what the assistant says and renders as what it holds.
var blocks = exec.NewControlStructureSet(map[string]parser.ControlStructureParser{
	"with": parseWith,
	"generation": func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		at := p.Current()
		body, _, err := p.WrapUntil("endgeneration")
		return &generation{at: at, body: body}, err
	},
})

type generation struct {
	at   *tokens.Token
	body *nodes.Wrapper
}

// Position is where the block begins, for messages.
func (g *generation) Position() *tokens.Token { return g.at }

// String names the block.
func (g *generation) String() string { return "generation" }

// Execute renders the body.
func (g *generation) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.ExecuteWrapper(g.body)
}
