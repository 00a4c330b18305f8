package data

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// TextRow is a row of what is to be tokenized: a text, or messages to render.
type TextRow struct {
	Text     string
	Messages []Message // nil for a text
	// AddGenerationPrompt asks for the opening of the assistant's turn behind the messages.
	AddGenerationPrompt bool
}

// ParseTextRow reads {"text"} or {"messages"[, "add_generation_prompt"]}, as strictly as
// ParseRow reads its rows.
func ParseTextRow(line []byte) (TextRow, error) {
	var row TextRow
	o, err := parseObject(line)
	if err != nil {
		return row, err
	}
	if loneSurrogate(line) {
		return row, &RefusedError{ReasonSurrogate}
	}
	switch {
	case o.has("text") && o.has("messages"):
		return row, errors.New(`both "text" and "messages"`)
	case o.has("messages"):
		row.Messages, err = o.messages("messages")
	case o.has("text"):
		row.Text, err = o.text("text")
	default:
		return row, errors.New(`neither "text" nor "messages"`)
	}
	if raw := o["add_generation_prompt"]; err == nil && raw != nil {
		switch string(bytes.TrimSpace(raw)) {
		case "true":
			row.AddGenerationPrompt = true
		case "false":
		default:
			err = o.wrongType("add_generation_prompt", "true or false")
		}
	}
	if err == nil && row.AddGenerationPrompt && row.Messages == nil {
		err = fmt.Errorf("%q goes with messages", "add_generation_prompt")
	}
	return row, err
}

// loneSurrogate says whether valid JSON has an escape \ud800 to \udfff without its other
// half: no text has such a character, and encoding/json puts another in its place.
func loneSurrogate(text []byte) bool {
	high := false // the escape just before was a first half
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++
		unit := uint64(0)
		if text[i] == 'u' {
			unit, _ = strconv.ParseUint(string(text[i+1:i+5]), 16, 32)
			i += 4
		}
		switch low := unit >= 0xDC00 && unit <= 0xDFFF; {
		case low != high:
			return true
		case low:
			high = false
		default:
			high = unit >= 0xD800 && unit <= 0xDBFF
		}
	}
	return high
}
