package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// object is one JSON object with its keys exactly as written: encoding/json
// alone would match keys in any case and take the last of two equal ones.
type object map[string]json.RawMessage

// ParseRow recognises the format of one JSON row; see ReadRows for the list.
func ParseRow(text []byte) (Row, error) {
	o, err := parseObject(text)
	if err != nil {
		return Row{}, err
	}
	row, err := o.recognise()
	if err != nil {
		return Row{}, err
	}
	if loneSurrogate(text) {
		row.Refused = ReasonSurrogate
	}
	if raw, ok := o["finish_reason"]; ok && row.Refused == "" {
		var reason *string
		if json.Unmarshal(raw, &reason) != nil {
			return Row{}, o.wrongType("finish_reason", "a string")
		}
		if reason != nil {
			row.refuse(*reason)
		}
	}
	return row, nil
}

// recognise picks the format by the keys that are there.
func (o object) recognise() (Row, error) {
	switch {
	case o.has("chosen") || o.has("rejected"):
		return o.preference()
	case o.has("messages"):
		messages, err := o.messages("messages")
		return Row{Kind: KindMessages, Messages: messages}, err
	case o.has("prompt"):
		return o.promptCompletion()
	case o.has("completion"):
		return Row{}, errors.New(`"completion" without "prompt"`)
	case o.has("question"):
		return o.question()
	}
	return Row{}, fmt.Errorf("unknown row format: it has the keys %s; expected prompt/completion, messages, question/answer or prompt/chosen/rejected",
		o.keys())
}

// promptCompletion reads {"prompt"[, "completion"]} of texts or of messages.
func (o object) promptCompletion() (Row, error) {
	withCompletion := o.has("completion")
	if !o.isList("prompt") {
		prompt, err := o.text("prompt")
		if err != nil || !withCompletion {
			return Row{Kind: KindPrompt, Prompt: prompt}, err
		}
		completion, err := o.text("completion")
		return Row{Kind: KindText, Prompt: prompt, Completion: completion}, err
	}
	messages, err := o.messages("prompt")
	if err != nil || !withCompletion {
		return Row{Kind: KindPrompt, Messages: messages}, err
	}
	completion, err := o.messages("completion")
	return Row{Kind: KindMessages, Messages: append(messages, completion...), Context: len(messages)}, err
}

// preference reads {"prompt", "chosen", "rejected"} of texts or of messages.
func (o object) preference() (row Row, err error) {
	row.Kind = KindPreference
	if o.has("prompt") {
		if o.isList("prompt") {
			row.Messages, err = o.messages("prompt")
		} else {
			row.Prompt, err = o.text("prompt")
		}
		if err != nil {
			return Row{}, err
		}
	}
	read := func(key string, text *string, messages *[]Message) {
		if err != nil {
			return
		}
		if o.isList(key) {
			*messages, err = o.messages(key)
		} else {
			*text, err = o.text(key)
		}
	}
	read("chosen", &row.Chosen, &row.ChosenMessages)
	read("rejected", &row.Rejected, &row.RejectedMessages)
	return row, err
}

// question reads GSM8K rows, our own pairs, and questions alone.
func (o object) question() (Row, error) {
	question, err := o.text("question")
	if err != nil {
		return Row{}, err
	}
	if o.has("rationale") {
		return o.pair()
	}
	if !o.has("answer") {
		return Row{Kind: KindPair, Prompt: question, Pair: &Pair{Question: question}, Refused: ReasonNoAnswer}, nil
	}
	answer, err := o.text("answer")
	if err != nil {
		return Row{}, err
	}
	row := Row{Kind: KindPair, Prompt: question, Completion: answer}
	p, err := FromGSM8K(question, answer)
	if err != nil {
		p, row.Refused = Pair{Question: question}, ReasonNoAnswer
	}
	row.Pair = &p
	return row, nil
}

// pair reads our own record.
func (o object) pair() (Row, error) {
	var p Pair
	fields := []struct {
		key      string
		into     any
		wants    string
		required bool
	}{
		{"id", &p.ID, "a string", false},
		{"question", &p.Question, "a string", true},
		{"answer", &p.Answer, "a string", true},
		{"rationale", &p.Rationale, "a list of strings", true},
		{"subquestions", &p.Subquestions, "a list of {question, answer, usefulness}", false},
		{"correct", &p.Correct, "true, false or null", false},
		{"source", &p.Source, "a string", false},
		{"metadata", &p.Metadata, "an object {model, request_id, finish_reason, usage, seed, prompt_sha}", false},
	}
	for _, f := range fields {
		raw, ok := o[f.key]
		if !ok && f.required {
			return Row{}, o.missing(f.key)
		}
		if ok && json.Unmarshal(raw, f.into) != nil {
			return Row{}, o.wrongType(f.key, f.wants)
		}
	}
	p.Truth = slices.Clone(o["truth"])
	row := PairRow(0, p)
	if p.Answer == "" && row.Refused == "" {
		row.Refused = ReasonNoAnswer
	}
	return row, nil
}

func (o object) has(key string) bool { _, ok := o[key]; return ok }

// isList says whether the value under key is a JSON array.
func (o object) isList(key string) bool {
	return bytes.HasPrefix(bytes.TrimSpace(o[key]), []byte("["))
}

// text reads a string; null is a wrong type.
func (o object) text(key string) (string, error) {
	raw, ok := o[key]
	if !ok {
		return "", o.missing(key)
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", o.wrongType(key, "a string")
	}
	return *s, nil
}

// messages reads a non-empty list of {"role", "content"}.
func (o object) messages(key string) ([]Message, error) {
	raw, ok := o[key]
	if !ok {
		return nil, o.missing(key)
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, o.wrongType(key, `a list of {"role", "content"}`)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%q is an empty list", key)
	}
	messages := make([]Message, len(list))
	for i, item := range list {
		role, err := object(item).text("role")
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		content, err := object(item).text("content")
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		messages[i] = Message{Role: role, Content: content}
	}
	return messages, nil
}

func (o object) missing(key string) error {
	return fmt.Errorf("missing key %q; the row has %s", key, o.keys())
}

// keys lists the keys for a message, cut when there is too much of them.
func (o object) keys() string { return shortened(strings.Join(slices.Sorted(maps.Keys(o)), ", "), 200) }

// shortened is at most so many bytes of a text.
func shortened(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes], "") + "…"
}

func (o object) wrongType(key, wants string) error {
	return fmt.Errorf("%q must be %s, got %s", key, wants, shortened(string(bytes.TrimSpace(o[key])), 40))
}

// parseObject reads one JSON object and refuses equal keys at any depth.
func parseObject(text []byte) (object, error) {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("a row must be a JSON object, got %s", wrong.Value)
		}
		return nil, fmt.Errorf("bad JSON: %w", err)
	}
	if o == nil {
		return nil, errors.New("a row must be a JSON object, got null")
	}
	if key, found := duplicateKey(text); found {
		return nil, fmt.Errorf("the key %q occurs twice in one object", shortened(key, 200))
	}
	return o, nil
}

// duplicateKey finds a key that occurs twice in one object of valid JSON.
func duplicateKey(text []byte) (string, bool) {
	type level struct {
		keys    map[string]bool // nil inside an array
		wantKey bool
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var open []level
	for {
		token, err := decoder.Token()
		if err != nil {
			return "", false
		}
		top := len(open) - 1
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, level{map[string]bool{}, true})
				continue
			case '[':
				open = append(open, level{})
				continue
			}
			open = open[:top]
			top--
		case string:
			if top >= 0 && open[top].keys != nil && open[top].wantKey {
				if open[top].keys[t] {
					return t, true
				}
				open[top].keys[t], open[top].wantKey = true, false
				continue
			}
		}
		if top >= 0 {
			open[top].wantKey = true
		}
	}
}
