package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// ReasonWrongStep refuses a stepwise row: training would teach its wrong steps.
const ReasonWrongStep = "a step is labelled wrong"

// speakers are ShareGPT's names for the roles.
var speakers = map[string]string{
	"human": "user", "user": "user", "gpt": assistant, "chatgpt": assistant, assistant: assistant, "model": assistant, "bot": assistant,
	"system": "system", "tool": "tool", "observation": "tool", "function_response": "tool",
}

// shareGPT reads {"conversations": [{"from", "value"}], "system"}. Lists of {"role",
// "content"} under the same key are read too.
func (o object) shareGPT() ([]Message, error) {
	const key = "conversations"
	var list []map[string]json.RawMessage
	if json.Unmarshal(o[key], &list) != nil {
		return nil, o.wrongType(key, `a list of {"from", "value"}`)
	}
	if len(list) > 0 && object(list[0]).has("role") {
		return o.messages(key)
	}
	if len(list) == 0 {
		return nil, malformed(fmt.Sprintf("%q is an empty list", key), "%q is an empty list", key)
	}
	var messages []Message
	if o.has("system") {
		system, err := o.text("system")
		if err != nil {
			return nil, err
		}
		if system != "" {
			messages = append(messages, Message{"system", system})
		}
	}
	for i, item := range list {
		from, err := object(item).text("from")
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		value, err := object(item).text("value")
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		role, ok := speakers[strings.ToLower(from)]
		if !ok {
			return nil, malformed("unknown speaker", "%s[%d]: unknown speaker %q; known are human, gpt, system and tool", key, i, shortened(from, 40))
		}
		messages = append(messages, Message{role, value})
	}
	return messages, nil
}

// alpaca reads {"instruction", "input", "output"[, "system"]}; the input, where there is
// one, follows the instruction after a blank line.
func (o object) alpaca() (Row, error) {
	read := map[string]string{}
	for _, key := range []string{"instruction", "input", "output", "system"} {
		if !o.has(key) && key != "instruction" {
			continue
		}
		text, err := o.text(key)
		if err != nil {
			return Row{}, err
		}
		read[key] = text
	}
	prompt := read["instruction"]
	if read["input"] != "" {
		prompt += "\n\n" + read["input"]
	}
	switch {
	case !o.has("output"):
		return Row{Kind: KindPrompt, Prompt: prompt}, nil
	case read["system"] != "":
		return Row{Kind: KindMessages, Messages: []Message{{"system", read["system"]}, {"user", prompt}, {assistant, read["output"]}}}, nil
	}
	return Row{Kind: KindInstruction, Prompt: prompt, Completion: read["output"]}, nil
}

// stepwise reads {"prompt", "completions": [steps], "labels": [right or not]}. A row with
// a wrong step is for rewards, not for training.
func (o object) stepwise() (Row, error) {
	prompt, err := o.text("prompt")
	if err != nil {
		return Row{}, err
	}
	row := Row{Kind: KindStepwise, Prompt: prompt}
	if json.Unmarshal(o["completions"], &row.Steps) != nil || row.Steps == nil {
		return Row{}, o.wrongType("completions", "a list of strings")
	}
	if !o.has("labels") {
		return Row{}, o.missing("labels")
	}
	if json.Unmarshal(o["labels"], &row.Labels) != nil || row.Labels == nil {
		return Row{}, o.wrongType("labels", "a list of true and false")
	}
	if len(row.Labels) != len(row.Steps) {
		return Row{}, malformed("not one label for each step", "%d completions and %d labels: there must be one label for each step", len(row.Steps), len(row.Labels))
	}
	row.Completion = strings.Join(row.Steps, "\n")
	for _, right := range row.Labels {
		if !right {
			row.Refused = ReasonWrongStep
		}
	}
	return row, nil
}

// questionKeys are where rows of other formats keep what they ask, likeliest first.
var questionKeys = []string{"question", "problem", "prompt", "instruction", "input", "query"}

// Questions are the texts that a row asks: its question or prompt, or what the user says.
// What was taught and what is asked in an evaluation are compared by them.
func (r Row) Questions() []string {
	var asked []string
	if r.Prompt != "" {
		asked = append(asked, r.Prompt)
	}
	for _, m := range r.Messages {
		if m.Role == "user" {
			asked = append(asked, m.Content)
		}
	}
	return asked
}

// LooseQuestion finds what a JSON object asks whose format is none of ours: such rows
// cannot be trained on, yet it matters whether they come from an evaluation.
func LooseQuestion(text []byte) (question string, ok bool) {
	o, err := parseObject(text)
	if err != nil {
		return "", false
	}
	body, _ := o.text("Body") // SVAMP splits its questions
	if asked, err := o.text("Question"); err == nil {
		return strings.TrimSpace(body + " " + asked), true
	}
	for _, key := range questionKeys {
		if question, err := o.text(key); err == nil {
			return question, true
		}
	}
	return "", false
}

// answerKeys are where rows of other formats keep the known answer, likeliest first.
var answerKeys = []string{"answer", "Answer", "true_answer", "gold", "target", "correct", "label"}

// LooseAnswer finds the known answer of a JSON object whose format is none of ours, a text,
// a number, or true and false as yes and no.
func LooseAnswer(text []byte) (answer string, ok bool) {
	o, err := parseObject(text)
	if err != nil {
		return "", false
	}
	for _, key := range answerKeys {
		var value any
		decoder := json.NewDecoder(bytes.NewReader(o[key]))
		decoder.UseNumber()
		if !o.has(key) || decoder.Decode(&value) != nil {
			continue
		}
		switch v := value.(type) {
		case string:
			return strings.TrimSpace(v), v != ""
		case json.Number:
			return v.String(), true
		case bool:
			return map[bool]string{true: "yes", false: "no"}[v], true
		}
	}
	return "", false
}
