// Package chat renders conversations with a student's chat template, the Jinja source that its folder carries, byte
// for byte as transformers does.
//
// It owns the environment that templates see: Jinja by gonja with transformers' settings, and transformers' own
// additions (functions.go), with gonja's departures mended (python.go, whitespace.go) and what a template may take bounded
// (limits.go, blocks.go, calls.go). It reads no files and knows no tokenizer: source and special tokens are given to Parse.
// Engine and cmd may call it; it imports nothing of ours.
package chat

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

var (
	// ErrParse is returned when a template's source is not a template.
	ErrParse = errors.New("chat template does not parse")
	// ErrRender is returned when a template fails on a conversation.
	ErrRender = errors.New("chat template does not render")
	// ErrRefused is returned when a template itself refuses a conversation, by raise_exception.
	ErrRefused = errors.New("chat template refuses the conversation")
)

// Message is one turn of a conversation.
type Message struct {
	Role             string `json:"role"`
	Content          string `json:"content"`
	ReasoningContent string `json:"reasoning_content,omitempty"` // the rationale, for templates that know of it
}

// Template is a parsed chat template. It is immutable and safe for concurrent use.
type Template struct {
	compiled *exec.Template
	special  map[string]string
	now      func() time.Time // for strftime_now
	patience time.Duration    // for one rendering
}

// root is the name under which the template's source is loaded; no other can be: include and import find nothing.
const root = "/chat_template"

// Parse reads a template's source. special are the special tokens by their names in templates: bos_token, eos_token
// and so on; those that are empty stay undefined.
func Parse(source string, special map[string]string) (t *Template, err error) {
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("%w: %s", ErrParse, oneLine(fmt.Sprint(p)))
		}
	}()
	if err := checkSource(source); err != nil {
		return nil, err
	}
	loader, err := loaders.NewMemoryLoader(map[string]string{root: keepInlineSpace(source)})
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrParse, oneLine(err.Error()))
	}
	settings := config.New()
	settings.TrimBlocks, settings.LeftStripBlocks = true, true
	var tooDeep error
	compiled, err := exec.NewTemplate(root, settings, loader, environment(&tooDeep))
	if tooDeep != nil {
		return nil, tooDeep
	}
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // the outer error quotes the whole template
		}
		return nil, fmt.Errorf("%w: %s", ErrParse, oneLine(err.Error()))
	}
	t = &Template{compiled: compiled, special: map[string]string{}, now: time.Now, patience: maxRendering}
	for name, token := range special {
		if token != "" {
			t.special[name] = token
		}
	}
	return t, nil
}

// environment is what a template sees, from gonja, functions.go, python.go and limits.go.
func environment(tooDeep *error) *exec.Environment {
	globals := map[string]any{"range": rangeOf}
	for _, name := range []string{"cycler", "dict", "joiner", "namespace"} {
		globals[name], _ = builtins.GlobalFunctions.Get(name)
	}
	return &exec.Environment{
		Context: exec.NewContext(globals), Filters: allFilters, Tests: builtins.Tests, ControlStructures: guardedBlocks(tooDeep),
		Methods: exec.Methods{Bool: builtins.Methods.Bool, Int: builtins.Methods.Int, Float: builtins.Methods.Float,
			Str: stringMethods, Dict: only(builtins.Methods.Dict, "keys", "values", "items", "get", "copy"), List: only(builtins.Methods.List, "copy")},
	}
}

// only keeps the methods that change nothing: transformers refuses the others, too.
func only[T any](all *exec.MethodSet[T], names ...string) *exec.MethodSet[T] {
	kept := map[string]exec.Method[T]{}
	for _, name := range names {
		kept[name], _ = all.Get(name)
	}
	return exec.NewMethodSet(kept)
}

// allFilters are what every template sees; nothing changes them.
var allFilters = guardedFilters()

// Render returns the text of a conversation; with addGenerationPrompt it ends where the assistant's next turn begins.
// What messages contain is text, never a template.
func (t *Template) Render(messages []Message, addGenerationPrompt bool) (text string, err error) {
	var refusal *refusal
	defer func() {
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("%w: %s", ErrRender, oneLine(fmt.Sprint(p)))
		}
	}()
	turns, size := make(list, len(messages)), 0
	for i, m := range messages {
		turn := map[string]any{"role": m.Role, "content": m.Content}
		if m.ReasoningContent != "" {
			turn["reasoning_content"] = m.ReasoningContent
		}
		turns[i] = turn
		size += len(m.Role) + len(m.Content) + len(m.ReasoningContent)
	}
	variables := map[string]any{
		"messages": turns, "add_generation_prompt": addGenerationPrompt, "tools": nil, "documents": nil,
		"raise_exception": raiser(&refusal, turns), "strftime_now": func(format string) string { return strftime(t.now(), format) },
	}
	for name, token := range t.special {
		variables[name] = token
	}
	b := &budget{deadline: time.Now().Add(t.patience), patience: t.patience, text: maxTextBytes(size)}
	variables[budgetKey] = b
	var out strings.Builder
	err = t.compiled.Execute(limitedWriter{&out, b}, exec.NewContext(variables))
	switch {
	case b.exceeded != nil:
		return "", b.exceeded
	case refusal != nil:
		return "", fmt.Errorf("%w%s: %s", ErrRefused, refusal.place, oneLine(refusal.reason))
	case err != nil:
		return "", fmt.Errorf("%w: %s", ErrRender, oneLine(err.Error()))
	}
	return out.String(), nil
}

// inTemplate matches where gonja's errors say that they happened; they nest from the outside in.
var inTemplate = regexp.MustCompile(`at line (\d+)`)

// oneLine makes one short line of gonja's errors, which quote parts of the template around the cause.
func oneLine(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if places := inTemplate.FindAllStringSubmatch(message, -1); len(places) > 0 {
		last := strings.LastIndex(message, ": ")
		message = fmt.Sprintf("line %s: %s", places[len(places)-1][1], strings.TrimPrefix(message[max(last, 0):], ": "))
	}
	if runes := []rune(message); len(runes) > 200 {
		message = string(runes[:200]) + "…"
	}
	return message
}
