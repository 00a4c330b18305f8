// Package prompts turns questions into the messages that a teacher is sent. The
// templates are plain files that users copy and edit; those of the methods are
// embedded.
//
// A template is one conversation. A line "--- system", "--- user" or
// "--- assistant" opens a turn; a file without such lines is one user turn. Each
// turn is a Go text/template over Data. Turns are told apart before anything is
// filled in, so that no question can open one. Imports data alone.
package prompts

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"text/template"
	"unicode/utf8"

	"retort/data"
)

// Rationale asks for steps and then the answer: chain of thought, ending in "#### N".
const Rationale = "rationale"

//go:embed *.txt
var embedded embed.FS

// Data is what a template can show of a row.
type Data struct {
	ID           string
	Question     string
	Answer       string   // the known right one, where the row has it
	Rationale    []string // the known steps, where the row has them
	Subquestions []data.Subquestion
}

// Template is a conversation to be filled in.
type Template struct {
	name  string
	turns []turn
}

type turn struct {
	role string
	text *template.Template
}

// Names lists the embedded templates.
func Names() []string {
	files, err := fs.Glob(embedded, "*.txt")
	if err != nil {
		panic("prompts: " + err.Error())
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, path.Ext(f))
	}
	return files
}

// Text is an embedded template as its file reads.
func Text(name string) (text string, ok bool) {
	raw, err := embedded.ReadFile(name + ".txt")
	return string(raw), err == nil
}

// Open reads a template: one of Names, or a file.
func Open(name string) (*Template, error) {
	if text, ok := Text(name); ok {
		return Parse(name, text)
	}
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("prompt template %s: there is no such file, and the built-in ones are %s", name, strings.Join(Names(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("prompt template: %w", err)
	}
	return Parse(name, string(raw))
}

// Parse reads a template from its text and tries it: one that asks the same
// whatever the question is refused.
func Parse(name, text string) (*Template, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("prompt template %s is not valid UTF-8", name)
	}
	t := &Template{name: name}
	role, start, line := "user", 1, 0
	var body strings.Builder
	add := func() error {
		content := strings.TrimSpace(body.String())
		if content == "" && (line == start || len(t.turns) == 0 && role == "user") {
			return nil // before the first mark
		}
		if content == "" {
			return fmt.Errorf("prompt template %s:%d: the %s turn is empty", name, start-1, role)
		}
		parsed, err := template.New(name).Option("missingkey=error").Parse(strings.Repeat("\n", start-1) + strings.TrimRight(body.String(), "\r\n\t "))
		if err != nil {
			return fmt.Errorf("prompt template: %w", err)
		}
		t.turns = append(t.turns, turn{role, parsed})
		return nil
	}
	for content := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line++
		next, marked := strings.CutPrefix(strings.TrimRight(content, " \r\n"), "--- ")
		if !marked {
			body.WriteString(content)
			continue
		}
		if next != "system" && next != "user" && next != "assistant" {
			return nil, fmt.Errorf("prompt template %s:%d: a turn is system, user or assistant, not %q", name, line, next)
		}
		if err := add(); err != nil {
			return nil, err
		}
		body.Reset()
		role, start = next, line+1
	}
	line++
	if err := add(); err != nil {
		return nil, err
	}
	return t, t.try()
}

// try renders two rows that differ in their question.
func (t *Template) try() error {
	if n := len(t.turns); n == 0 || t.turns[n-1].role != "user" {
		return fmt.Errorf("prompt template %s: the last turn must be the user's", t.name)
	}
	row := Data{ID: "1", Question: "first", Answer: "1", Rationale: []string{"step"}, Subquestions: []data.Subquestion{{Question: "q", Answer: "a"}}}
	first, err := t.Render(row)
	if err != nil {
		return err
	}
	row.Question = "second"
	second, err := t.Render(row)
	if err != nil {
		return err
	}
	for i := range first {
		if first[i] != second[i] {
			return nil
		}
	}
	return fmt.Errorf("prompt template %s: {{.Question}} does not occur in it: every request would be the same", t.name)
}

// Render fills a template in.
func (t *Template) Render(row Data) ([]data.Message, error) {
	messages := make([]data.Message, len(t.turns))
	for i, turn := range t.turns {
		var text strings.Builder
		if err := turn.text.Execute(&text, row); err != nil {
			return nil, fmt.Errorf("prompt template: %w", err)
		}
		messages[i] = data.Message{Role: turn.role, Content: strings.Trim(text.String(), "\r\n")}
	}
	return messages, nil
}
