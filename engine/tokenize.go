package engine

import (
	"encoding/json"
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
		var row struct {
			Text     *string        `json:"text"`
			Messages []data.Message `json:"messages"`
			Generate bool           `json:"add_generation_prompt"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("%w: %w", ErrBadInput, err)
		}
		var text string
		switch {
		case row.Text != nil:
			text = *row.Text
		case row.Messages == nil:
			return fmt.Errorf(`%w: neither "text" nor "messages"`, ErrBadInput)
		case !t.HasTemplate():
			return fmt.Errorf("%w: the row has messages, but the tokenizer brings no chat template", ErrBadInput)
		default:
			var err error
			if text, err = t.Render(row.Messages, row.Generate); err != nil {
				return fmt.Errorf("%w: %w", ErrBadInput, err)
			}
		}
		out := TokenizeText(t, text)
		out.Index = index
		index++
		return emit(out)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	return nil
}

func emptyNotNil(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}
