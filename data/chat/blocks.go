package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// guardedBlocks are the blocks that a template may use. They count how deep they are nested while they are parsed, so
// every parse has its own, and leave in tooDeep what is wrong with that. Nothing can be included, imported or
// extended: a template is one file.
func guardedBlocks(tooDeep *error) *exec.ControlStructureSet {
	nesting := 0
	set := map[string]parser.ControlStructureParser{}
	for _, name := range strings.Fields("autoescape break call continue do filter for generation if macro raw set with") {
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
				guardBody(b.BodyWrapper, b.Key, b.Value)
			case *controls.MacroControlStructure:
				names := []string{b.VarArgsName, b.KwArgsName}
				for _, argument := range b.Kwargs {
					if name, ok := argument.Key.(*nodes.String); ok {
						names = append(names, name.Val)
					}
				}
				guardBody(b.Wrapper, names...)
			case *controls.SetControlStructure:
				return &guardedSet{b, target}, nil
			}
			return block, nil
		}
	}
	return exec.NewControlStructureSet(set)
}

// guardBody makes the body of a loop or macro count: it is what can run without end. The variables are those that it
// gets with every run.
func guardBody(body *nodes.Wrapper, variables ...string) {
	inner := *body
	variables = slices.DeleteFunc(variables, func(name string) bool { return name == "" })
	body.Nodes = []nodes.Node{&nodes.ControlStructureBlock{Location: body.Location, ControlStructure: &guarded{&inner, variables}}}
}

type guarded struct {
	body      *nodes.Wrapper
	variables []string
}

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
	for _, name := range g.variables {
		if err := measureVariable(r, name); err != nil {
			return err
		}
	}
	return r.ExecuteWrapper(g.body)
}

// guardedSet is a set whose variable stays within the limits: what grows does so from one set to the next, and only a
// set makes a value hold itself.
type guardedSet struct {
	*controls.SetControlStructure
	target *tokens.Token // the variable's name
}

// Execute sets the variable and looks at what it holds.
func (g *guardedSet) Execute(r *exec.Renderer, block *nodes.ControlStructureBlock) error {
	if err := g.SetControlStructure.Execute(r, block); err != nil || g.target == nil {
		return err
	}
	return measureVariable(r, g.target.Val)
}

// guardedWith is {% with name=value, … %}, whose values gonja keeps to itself.
type guardedWith struct {
	at     *tokens.Token
	names  []string
	values []nodes.Expression
	body   *nodes.Wrapper
}

func parseWith(p, args *parser.Parser) (nodes.ControlStructure, error) {
	w := &guardedWith{at: p.Current()}
	for !args.End() {
		name := args.Match(tokens.Name)
		if name == nil || args.Match(tokens.Assign) == nil {
			return nil, errors.New("with takes name=value")
		}
		value, err := args.ParseExpression()
		if err != nil {
			return nil, err
		}
		w.names, w.values = append(w.names, name.Val), append(w.values, value)
		if !args.End() && args.Match(tokens.Comma) == nil {
			return nil, errors.New("with takes a comma between its names")
		}
	}
	var err error
	w.body, _, err = p.WrapUntil("endwith")
	return w, err
}

// Position is where the block begins, for messages.
func (w *guardedWith) Position() *tokens.Token { return w.at }

// String names the block.
func (w *guardedWith) String() string { return "with" }

// Execute renders the body with the variables.
func (w *guardedWith) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	inner := r.Inherit()
	for i, name := range w.names {
		value := r.Eval(w.values[i])
		if value.IsError() {
			return value
		}
		inner.Environment.Context.Set(name, value)
		if err := measureVariable(inner, name); err != nil {
			return err
		}
	}
	return inner.ExecuteWrapper(w.body)
}

// measureVariable looks at what a variable holds.
func measureVariable(r *exec.Renderer, name string) error {
	value, _ := r.Environment.Context.Get(name)
	_, err := budgetOf(r.Environment.Context).measure(exec.ToValue(value))
	return err
}
