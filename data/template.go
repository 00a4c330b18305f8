package data

import (
	"fmt"
	"strings"
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
		prompt, err := e.codec.Render(messages[:i], true)
		if err != nil {
			return fmt.Errorf("%s: chat template: %w", row.Place(), err)
		}
		full, err := e.codec.Render(messages[:i+1], false)
		if err != nil {
			return fmt.Errorf("%s: chat template: %w", row.Place(), err)
		}
		before, ok := strings.CutPrefix(prompt, done)
		if !ok {
			return fmt.Errorf("%s: message %d: the chat template of %s writes earlier turns differently once later ones follow, so the turns cannot be trained together; give one row per answer", row.Place(), i, e.student())
		}
		rest, ok := strings.CutPrefix(full, prompt)
		if !ok {
			return fmt.Errorf("%s: message %d: the chat template of %s does not continue its own generation prompt with the answer", row.Place(), i, e.student())
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
	full, err := e.codec.Render(probe, false)
	if err != nil {
		return "", fmt.Errorf("%s: chat template: %w", row.Place(), err)
	}
	around, ok := strings.CutPrefix(full, prompt)
	before, after, found := strings.Cut(around, sentinel)
	if !ok || !found {
		return "", e.contentChanged(row, messages)
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
	return "", e.contentChanged(row, messages)
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

func (e *encoder) contentChanged(row Row, messages []Message) error {
	return fmt.Errorf("%s: message %d: the chat template of %s changes the answer's text, so it cannot be told which tokens to train", row.Place(), len(messages)-1, e.student())
}
