package data

import (
	"fmt"
	"slices"
	"strings"
)

// Format names one of the formats that rows are written in.
type Format string

// The formats.
const (
	FormatMessages         Format = "messages"          // {"messages"}
	FormatPromptCompletion Format = "prompt_completion" // {"prompt", "completion"}: texts, or messages where the row has them
	FormatPreference       Format = "preference"        // {"prompt", "chosen", "rejected"}
	FormatStepwise         Format = "stepwise"          // {"prompt", "completions", "labels"}
	FormatAlpaca           Format = "alpaca"            // {"instruction", "input", "output"}
	FormatShareGPT         Format = "sharegpt"          // {"conversations": [{"from", "value"}]}
	FormatGSM8K            Format = "gsm8k"             // {"question", "answer": "… #### N"}
	FormatSocratic         Format = "socratic"          // the same with "sub-question ** step" lines
	FormatPair             Format = "pair"              // our own record
)

// Formats lists the formats.
func Formats() []Format {
	return []Format{FormatMessages, FormatPromptCompletion, FormatPreference, FormatStepwise, FormatAlpaca, FormatShareGPT, FormatGSM8K, FormatSocratic, FormatPair}
}

// Reasons for which a row cannot be written in a format.
const (
	ReasonNotInFormat      = "cannot be written in this format"
	ReasonManyAnswers      = "several answers, where the format has room for one"
	ReasonAnswersInContext = "its context holds answers, which the format would have trained"
	ReasonNoSubquestions   = "no sub-questions with answers of one line"
)

// The rows of the formats, for JSON and Parquet alike.
type (
	messagesRow struct {
		Messages []Message `json:"messages" parquet:"messages,list"`
	}
	textRow struct {
		Prompt     string  `json:"prompt" parquet:"prompt"`
		Completion *string `json:"completion,omitempty" parquet:"completion,optional"`
	}
	turnsRow struct {
		Prompt     []Message `json:"prompt" parquet:"prompt,list"`
		Completion []Message `json:"completion,omitempty" parquet:"completion,list"`
	}
	preferenceRow struct {
		Prompt   *string `json:"prompt,omitempty" parquet:"prompt,optional"`
		Chosen   string  `json:"chosen" parquet:"chosen"`
		Rejected string  `json:"rejected" parquet:"rejected"`
	}
	preferenceTurnsRow struct {
		Prompt   []Message `json:"prompt,omitempty" parquet:"prompt,list"`
		Chosen   []Message `json:"chosen" parquet:"chosen,list"`
		Rejected []Message `json:"rejected" parquet:"rejected,list"`
	}
	stepwiseRow struct {
		Prompt      string   `json:"prompt" parquet:"prompt"`
		Completions []string `json:"completions" parquet:"completions,list"`
		Labels      []bool   `json:"labels" parquet:"labels,list"`
	}
	alpacaRow struct {
		Instruction string `json:"instruction" parquet:"instruction"`
		Input       string `json:"input" parquet:"input"`
		Output      string `json:"output" parquet:"output"`
	}
	speech struct {
		From  string `json:"from" parquet:"from"`
		Value string `json:"value" parquet:"value"`
	}
	shareGPTRow struct {
		Conversations []speech `json:"conversations" parquet:"conversations,list"`
	}
	gsm8kRow struct {
		Question string `json:"question" parquet:"question"`
		Answer   string `json:"answer" parquet:"answer"`
	}
)

// Export makes of a row what the format writes: a struct for encoding/json and Parquet. A
// *RefusedError says why this row has no place in the format; any other error, that the
// format is unknown.
func Export(row Row, f Format) (any, error) {
	switch f {
	case FormatMessages:
		messages, err := row.conversation()
		return messagesRow{messages}, err
	case FormatPromptCompletion:
		return row.promptCompletion()
	case FormatPreference:
		return row.preference()
	case FormatStepwise:
		if row.Kind != KindStepwise {
			return nil, &RefusedError{ReasonNotInFormat}
		}
		return stepwiseRow{row.Prompt, row.Steps, row.Labels}, nil
	case FormatAlpaca:
		question, answer, err := row.single()
		return alpacaRow{Instruction: question, Output: answer}, err
	case FormatShareGPT:
		return row.shareGPT()
	case FormatGSM8K:
		question, answer, err := row.single()
		if _, ok := FinalAnswer(answer); err == nil && !ok {
			err = &RefusedError{ReasonNoAnswer}
		}
		return gsm8kRow{question, answer}, err
	case FormatSocratic:
		return row.socratic()
	case FormatPair:
		return row.pair()
	}
	return nil, fmt.Errorf("format %q is unknown: use one of %v", f, Formats())
}

// single gives question and answer of a row that has one of each and nothing else.
func (r Row) single() (question, answer string, err error) {
	m := r.Messages
	switch {
	case r.asksPlainly(), r.Kind == KindText:
		return r.Prompt, r.Completion, nil
	case r.Kind == KindMessages && len(m) == 2 && m[0].Role == "user" && m[1].Role == assistant:
		return m[0].Content, m[1].Content, nil
	case r.Kind == KindMessages && len(r.Questions()) > 1:
		return "", "", &RefusedError{ReasonManyAnswers}
	}
	return "", "", &RefusedError{ReasonNotInFormat}
}

// conversation gives a row as messages of which every assistant's is trained.
func (r Row) conversation() ([]Message, error) {
	switch {
	case r.Kind == KindPreference:
		return nil, &RefusedError{ReasonNotInFormat}
	case slices.ContainsFunc(r.Messages[:r.Context], func(m Message) bool { return m.Role == assistant }):
		return nil, &RefusedError{ReasonAnswersInContext}
	case len(r.Messages) > 0:
		return r.Messages, nil
	case r.Kind == KindPrompt:
		return []Message{{"user", r.Prompt}}, nil
	}
	return []Message{{"user", r.Prompt}, {assistant, r.Completion}}, nil
}

// promptCompletion gives plain rows as texts and conversations as messages.
func (r Row) promptCompletion() (any, error) {
	switch r.Kind {
	case KindPreference:
		return nil, &RefusedError{ReasonNotInFormat}
	case KindText:
		return textRow{r.Prompt, &r.Completion}, nil
	case KindPair, KindInstruction, KindStepwise:
		return textRow{r.Prompt + "\n", &r.Completion}, nil
	case KindPrompt:
		if len(r.Messages) == 0 {
			return textRow{Prompt: r.Prompt}, nil
		}
		return turnsRow{Prompt: r.Messages}, nil
	}
	first := slices.IndexFunc(r.Messages[r.Context:], func(m Message) bool { return m.Role == assistant }) + r.Context
	last := len(r.Messages) - 1
	switch {
	case r.Messages[last].Role != assistant:
		return nil, &RefusedError{ReasonNoAssistant}
	case first != last:
		return nil, &RefusedError{ReasonManyAnswers}
	}
	return turnsRow{r.Messages[:last], r.Messages[last:]}, nil
}

func (r Row) preference() (any, error) {
	switch {
	case r.Kind != KindPreference:
		return nil, &RefusedError{ReasonNotInFormat}
	case len(r.ChosenMessages) > 0 && len(r.RejectedMessages) > 0 && r.Prompt == "":
		return preferenceTurnsRow{r.Messages, r.ChosenMessages, r.RejectedMessages}, nil
	case len(r.Messages)+len(r.ChosenMessages)+len(r.RejectedMessages) > 0: // texts and messages in one row
		return nil, &RefusedError{ReasonNotInFormat}
	case r.Prompt == "":
		return preferenceRow{nil, r.Chosen, r.Rejected}, nil
	}
	return preferenceRow{&r.Prompt, r.Chosen, r.Rejected}, nil
}

func (r Row) shareGPT() (any, error) {
	messages, err := r.conversation()
	if err != nil {
		return nil, err
	}
	row := shareGPTRow{make([]speech, len(messages))}
	for i, m := range messages {
		from, ok := map[string]string{"user": "human", assistant: "gpt", "system": "system", "tool": "tool"}[m.Role]
		if !ok {
			return nil, &RefusedError{ReasonNotInFormat}
		}
		row.Conversations[i] = speech{from, m.Content}
	}
	return row, nil
}

func (r Row) socratic() (any, error) {
	if r.Pair == nil || r.Pair.Answer == "" || len(r.Pair.Subquestions) == 0 {
		return nil, &RefusedError{ReasonNoSubquestions}
	}
	var lines []string
	for _, s := range r.Pair.Subquestions {
		line := s.Question + socraticMark + s.Answer
		if s.Answer == "" || strings.Contains(line, "\n") || strings.Count(line, socraticMark) > 1 {
			return nil, &RefusedError{ReasonNoSubquestions}
		}
		lines = append(lines, line)
	}
	lines = append(lines, answerMark+" "+r.Pair.Answer)
	return gsm8kRow{r.Pair.Question, strings.Join(lines, "\n")}, nil
}

func (r Row) pair() (any, error) {
	if r.Pair != nil {
		if r.Pair.Answer == "" {
			return nil, &RefusedError{ReasonNoAnswer}
		}
		return *r.Pair, nil
	}
	question, answer, err := r.single()
	if err != nil {
		return nil, err
	}
	p, err := FromGSM8K(question, answer)
	if err != nil {
		return nil, &RefusedError{ReasonNoAnswer}
	}
	p.Source = ""
	return p, nil
}
