package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// ParseRow recognises the format of one JSON row; see ReadRows for the list. Errors are
// *MalformedError.
func ParseRow(text []byte) (Row, error) {
	row, err := parseRow(text)
	var m *MalformedError
	if errors.As(err, &m) { // perhaps wrapped with the place inside the row
		return Row{}, &MalformedError{Reason: m.Reason, Err: err}
	}
	return row, err
}

func parseRow(text []byte) (Row, error) {
	o, err := parseObject(text)
	if err != nil {
		return Row{}, err
	}
	row, err := o.recognise()
	if err != nil {
		return Row{}, err
	}
	if raw, ok := o["split"]; ok {
		_ = json.Unmarshal(raw, &row.Split) // of another type it is somebody else's key
		row.Split = strings.ToLower(row.Split)
	}
	if row.Pair != nil {
		row.Source = row.Pair.Source
	} else if raw, ok := o["source"]; ok {
		_ = json.Unmarshal(raw, &row.Source)
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
	case o.has("conversations"):
		messages, err := o.shareGPT()
		return Row{Kind: KindMessages, Messages: messages}, err
	case o.has("instruction"):
		return o.alpaca()
	case o.has("completions"):
		return o.stepwise()
	case o.has("prompt"):
		return o.promptCompletion()
	case o.has("completion"):
		return Row{}, malformed(`"prompt" is missing`, `"completion" without "prompt"`)
	case o.has("question"):
		return o.question()
	}
	return Row{}, malformed(ReasonUnknownFormat, "unknown row format: it has the keys %s; expected messages, conversations, prompt/completion, instruction/output, question/answer, prompt/completions/labels or prompt/chosen/rejected",
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
	if len(p.Subquestions) == 0 { // Parquet has a list in every row
		p.Subquestions = nil
	}
	p.Truth = o.truth()
	row := PairRow(0, p)
	if p.Answer == "" && row.Refused == "" {
		row.Refused = ReasonNoAnswer
	}
	return row, nil
}

// truth is what the generator knows. Parquet keeps it as a text.
func (o object) truth() json.RawMessage {
	raw := bytes.TrimSpace(o["truth"])
	var text string
	if bytes.HasPrefix(raw, []byte(`"`)) && json.Unmarshal(raw, &text) == nil && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return slices.Clone(raw)
}
