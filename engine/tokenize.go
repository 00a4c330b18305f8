package engine

import (
	"errors"
	"fmt"

	"retort/data"
)

// Tokenized is one row of `retort tokenize`.
type Tokenized struct {
	Index int     `json:"index"`
	Text  string  `json:"text"` // as given, or the rendered conversation
	IDs   []int32 `json:"ids"`
}

// TokenizeText encodes one text.
func TokenizeText(t *Text, text string) Tokenized {
	return Tokenized{Text: text, IDs: emptyNotNil(t.Encode(text))}
}

// TokenizeRows reads rows {"text"} or {"messages", "add_generation_prompt"} and emits each
// with its ids, in order.
func TokenizeRows(t *Text, path string, emit func(Tokenized) error) error {
	index := 0
	err := data.EachLine(path, func(_ int, line []byte) error {
		row, err := data.ParseTextRow(line)
		if err != nil {
			return err
		}
		text := row.Text
		if row.Messages != nil {
			if !t.HasTemplate() {
				return fmt.Errorf("%w: the row has messages, but the tokenizer brings none", data.ErrNoTemplate)
			}
			if text, err = t.Render(row.Messages, row.AddGenerationPrompt); err != nil {
				return err
			}
		}
		out := TokenizeText(t, text)
		out.Index = index
		index++
		if err := emit(out); err != nil {
			return &outputError{err}
		}
		return nil
	})
	var output *outputError
	switch {
	case errors.As(err, &output): // not the input's fault
		return output.err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	return nil
}

// outputError keeps a failed output apart from bad input.
type outputError struct{ err error }

// Error is that of the output.
func (e *outputError) Error() string { return e.err.Error() }

func emptyNotNil(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}
