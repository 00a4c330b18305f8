package data

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"retort/data/chat"
)

// assistant is the role whose messages are trained.
const assistant = "assistant"

// sentinel stands in for an answer to see what a template writes around it.
const sentinel = "retort\u2063answer\u2063sentinel"

// conversation encodes messages through the student's template. The text is cut
// into segments that are tokenized one by one: up to and including the opening
// of an assistant's turn (not trained), then the answer with its end-of-turn
// token (trained), then on to the next answer, so that the tokens of a prompt
// are those that generation will see.
func (e *encoder) conversation(example *Example, row Row, messages []Message) error {
	if err := e.needTemplate(row); err != nil {
		return err
	}
	done := "" // text that is encoded already
	for i, m := range messages {
		if m.Role != assistant || i < row.Context {
			continue
		}
		if strings.TrimSpace(m.Content) == "" {
			return &RefusedError{ReasonEmptyCompletion}
		}
		prompt, err := e.render(row, messages[:i], true)
		if err != nil {
			return err
		}
		full, err := e.render(row, messages[:i+1], false)
		if err != nil {
			return err
		}
		before, ok := strings.CutPrefix(prompt, done)
		if !ok {
			return &RefusedError{ReasonTemplateTurns}
		}
		rest, ok := strings.CutPrefix(full, prompt)
		if !ok {
			return &RefusedError{ReasonTemplateTurns}
		}
		answer, err := e.answer(row, messages[:i+1], prompt, rest)
		if err != nil {
			return err
		}
		example.append(e.codec.Encode(before), 0)
		example.append(e.codec.Encode(answer), 1)
		done = prompt + answer
	}
	if done == "" {
		return &RefusedError{ReasonNoAssistant}
	}
	return nil
}

// answer cuts from rest, the rendering after the generation prompt, what the
// student has to say for the last message: anything that the template puts
// before the content, the content, and the text up to the end of its first
// special token.
func (e *encoder) answer(row Row, messages []Message, prompt, rest string) (string, error) {
	content := messages[len(messages)-1].Content
	if usual := content + e.turnEnd; e.turnEnd != "" && strings.HasPrefix(rest, usual) {
		return usual, nil
	}
	probe := append([]Message{}, messages...)
	probe[len(probe)-1].Content = sentinel
	full, err := e.render(row, probe, false)
	if err != nil {
		return "", err
	}
	around, ok := strings.CutPrefix(full, prompt)
	before, after, found := strings.Cut(around, sentinel)
	if !ok || !found {
		return "", &RefusedError{ReasonTemplateChanges}
	}
	end, ok := e.firstSpecial(after)
	if !ok {
		return "", &RefusedError{ReasonNoEndOfTurn}
	}
	for _, text := range []string{content, strings.TrimSpace(content)} {
		if whole := before + text + end; strings.HasPrefix(rest, whole) {
			if before == "" {
				e.turnEnd = end
			}
			return whole, nil
		}
	}
	return "", &RefusedError{ReasonTemplateChanges}
}

// inMessage is where a template says that a refusal happened: rows are counted by reason, wherever they have it.
var inMessage = regexp.MustCompile(` at message \d+`)

// render writes a conversation. What the template refuses, or fails on, is this row's fault or its own: one odd row
// must not end the reading of a file, and if all are odd, no row is left. A template beyond its limits ends it.
func (e *encoder) render(row Row, messages []Message, addGenerationPrompt bool) (string, error) {
	text, err := e.codec.Render(messages, addGenerationPrompt)
	switch {
	case err == nil:
		return text, nil
	case errors.Is(err, chat.ErrRefused), errors.Is(err, chat.ErrRender):
		return "", &RefusedError{inMessage.ReplaceAllString(err.Error(), "")}
	}
	return "", fmt.Errorf("%s: %w", row.Place(), err)
}

// firstSpecial is the shortest beginning of text that ends with its first
// special token.
func (e *encoder) firstSpecial(text string) (string, bool) {
	first := int32(-1)
	for _, id := range e.codec.Encode(text) {
		if e.codec.IsSpecial(id) {
			first = id
			break
		}
	}
	if first < 0 {
		return "", false
	}
	for n := range len(text) {
		ids := e.codec.Encode(text[:n+1])
		if ids[len(ids)-1] == first {
			return text[:n+1], true
		}
	}
	return "", false
}

func (e *encoder) needTemplate(row Row) error {
	if e.codec.HasTemplate() {
		return nil
	}
	return fmt.Errorf("%s: %w: the row has messages, but %s brings no chat template to write them with; give prompt/completion rows or a student with chat_template.jinja", row.Place(), ErrNoTemplate, e.student())
}
