package chat

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// A template comes with a downloaded student and is a program. What it may take is bounded here: its size and nesting
// before it is parsed, so that no stack overflows (which no program survives), and its depth of calls, its time and
// its texts while it renders. Published templates stay far below every bound.
const (
	maxSourceBytes = 1 << 20
	maxTagBytes    = 2048 // of one tag, strings aside: bounds how deep an expression can be
	maxNesting     = 100  // blocks in blocks
	maxDepth       = 100  // macros calling macros, and loops in them
	maxNumber      = 9999 // of what widths and repetitions may be
	maxRendering   = 10 * time.Second
	maxFiltered    = 1 << 30 // bytes that filters and methods make in one rendering
)

// maxTextBytes is how long any text of a rendering may become, for a conversation of so many bytes.
func maxTextBytes(conversation int) int { return 1<<20 + 16*conversation }

// ErrLimit is returned for a template that needs more than a template may take.
var ErrLimit = errors.New("chat template goes beyond a limit")

// checkSource refuses a source that is dangerous to parse, or that multiplies texts.
func checkSource(source string) error {
	if len(source) > maxSourceBytes {
		return fmt.Errorf("%w: it has %d bytes, %d are read", ErrLimit, len(source), maxSourceBytes)
	}
	for at := 0; at+1 < len(source); {
		kind := source[at+1]
		if source[at] != '{' || kind != '{' && kind != '%' {
			at++
			continue
		}
		stop := tagEnd(source, at, kind)
		code := withoutStrings(source[at:stop])
		line := func() int { return 1 + strings.Count(source[:at], "\n") }
		if len(code) > maxTagBytes {
			return fmt.Errorf("%w: the tag in line %d has more than %d bytes beside its strings", ErrLimit, line(), maxTagBytes)
		}
		if !multipliesBySmallNumbers(code) {
			return fmt.Errorf("%w: line %d multiplies by something other than one number up to 999", ErrLimit, line())
		}
		at = stop
	}
	return nil
}

// quoted matches a string in a tag.
var quoted = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)

func withoutStrings(tag string) string { return quoted.ReplaceAllString(tag, `""`) }

// multiplication matches a * between two operands: not a **, and not the * of *args, which follows a bracket or comma.
// Numbers of up to three digits are caught on either side.
var multiplication = regexp.MustCompile(`([\w)\]}"])\s*\*\s*([^*\s])`)

var (
	smallBefore = regexp.MustCompile(`(?:^|[^\w.])\d{1,3}\s*\*\s*[^*\s]`)
	smallAfter  = regexp.MustCompile(`[\w)\]}"]\s*\*\s*\d{1,3}(?:[^\w.]|$)`)
)

// multipliesBySmallNumbers allows one product in a tag, by a number: 'x' * 1000000000 is a text, too.
func multipliesBySmallNumbers(code string) bool {
	switch len(multiplication.FindAllString(code, -1)) {
	case 0:
		return true
	case 1:
		return smallBefore.MatchString(code) || smallAfter.MatchString(code)
	}
	return false
}

// budget is what one rendering has taken. It travels in the rendering's variables.
type budget struct {
	deadline time.Time
	text     int // bytes any text may have
	output   int // bytes written
	filtered int // bytes that filters made
	depth    int
	exceeded error // the first limit that was passed; everything then fails
	patience time.Duration
}

// budgetKey is no name that a template can write.
const budgetKey = "\x00budget"

func budgetOf(variables *exec.Context) *budget {
	value, _ := variables.Get(budgetKey)
	b, _ := value.(*budget)
	return b
}

// exceed notes that a limit was passed.
func (b *budget) exceed(format string, args ...any) error {
	if b.exceeded == nil {
		b.exceeded = fmt.Errorf("%w: "+format, append([]any{ErrLimit}, args...)...)
	}
	return b.exceeded
}

// check fails when a limit was passed or the time is over.
func (b *budget) check() error {
	if b.exceeded == nil && time.Now().After(b.deadline) {
		return b.exceed("it renders for more than %v", b.patience)
	}
	return b.exceeded
}

// length fails for a text that is too long.
func (b *budget) length(bytes int) error {
	if bytes > b.text {
		return b.exceed("it makes a text of %d bytes, %d are allowed for this conversation", bytes, b.text)
	}
	return nil
}

// limitedWriter passes on what the budget allows.
type limitedWriter struct {
	to io.Writer
	b  *budget
}

// Write counts p before it passes it on.
func (w limitedWriter) Write(p []byte) (int, error) {
	w.b.output += len(p)
	if err := errors.Join(w.b.check(), w.b.length(w.b.output)); err != nil {
		return 0, w.b.exceeded
	}
	return w.to.Write(p)
}

// guardedBlocks are the blocks that a template may use. They count how deep they are nested while they are parsed, so
// every parse has its own, and leave in tooDeep what is wrong with that. Nothing can be included, imported or
// extended: a template is one file.
func guardedBlocks(tooDeep *error) *exec.ControlStructureSet {
	nesting := 0
	set := map[string]parser.ControlStructureParser{}
	for _, name := range strings.Fields("autoescape break call continue do filter for if macro raw set with generation") {
		parse, ok := blocks.Get(name)
		if !ok {
			parse, _ = builtins.ControlStructures.Get(name)
		}
		set[name] = func(p, args *parser.Parser) (nodes.ControlStructure, error) {
			if nesting++; nesting > maxNesting {
				*tooDeep = fmt.Errorf("%w: blocks are nested more than %d deep", ErrLimit, maxNesting)
				return nil, *tooDeep
			}
			defer func() { nesting-- }()
			target := args.Current(tokens.Name)
			block, err := parse(p, args)
			if err != nil {
				return nil, err
			}
			switch b := block.(type) {
			case *controls.ForControlStructure:
				guardBody(b.BodyWrapper)
			case *controls.MacroControlStructure:
				guardBody(b.Wrapper)
			case *controls.SetControlStructure:
				return &guardedSet{b, target}, nil
			}
			return block, nil
		}
	}
	return exec.NewControlStructureSet(set)
}

// guardBody makes the body of a loop or macro count: it is what can run without end.
func guardBody(body *nodes.Wrapper) {
	inner := *body
	body.Nodes = []nodes.Node{&nodes.ControlStructureBlock{Location: body.Location, ControlStructure: &guarded{&inner}}}
}

type guarded struct{ body *nodes.Wrapper }

// Position is where the body begins, for messages.
func (g *guarded) Position() *tokens.Token { return g.body.Location }

// String names the body in messages.
func (g *guarded) String() string { return "body" }

// Execute renders the body unless a limit is passed.
func (g *guarded) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	b := budgetOf(r.Environment.Context)
	if err := b.check(); err != nil {
		return err
	}
	if b.depth++; b.depth > maxDepth {
		return b.exceed("macros call each other, or loops are nested, more than %d deep", maxDepth)
	}
	defer func() { b.depth-- }()
	return r.ExecuteWrapper(g.body)
}

// guardedSet is a set whose variable stays within the limits: texts that grow do so from one set to the next.
type guardedSet struct {
	*controls.SetControlStructure
	target *tokens.Token // the variable's name
}

// Execute sets the variable and looks at what it holds.
func (g *guardedSet) Execute(r *exec.Renderer, block *nodes.ControlStructureBlock) error {
	if err := g.SetControlStructure.Execute(r, block); err != nil || g.target == nil {
		return err
	}
	value, _ := r.Environment.Context.Get(g.target.Val)
	return budgetOf(r.Environment.Context).length(weight(exec.ToValue(value)))
}

// weight is the bytes of a text, or of the texts and the number of values in a list or dictionary.
func weight(v *exec.Value) int {
	switch {
	case v.IsString():
		return len(v.String())
	case v.IsDict():
		total := 0
		v.Iterate(func(_, _ int, _, value *exec.Value) bool {
			total++
			if value != nil && value.IsString() {
				total += len(value.String())
			}
			return true
		}, func() {})
		return total
	case v.IsList():
		return v.Len()
	}
	return 0
}

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
			if n := weight(out); n > 0 && !out.IsError() {
				if b.filtered += n; b.filtered > maxFiltered {
					return exec.AsValue(b.exceed("its filters make more than %d bytes", maxFiltered))
				}
				if err := b.length(n); err != nil {
					return exec.AsValue(err)
				}
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
			total += weight(in.Index(i))
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
