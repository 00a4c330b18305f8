package data

import (
	"encoding/json"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Pair is the record that all methods share: a question, the steps that lead to
// the answer, the answer, and where it came from.
type Pair struct {
	ID           string        `json:"id"`
	Question     string        `json:"question"`
	Answer       string        `json:"answer"`    // final answer only, without "####"
	Rationale    []string      `json:"rationale"` // one line per step, calculator annotations kept
	Subquestions []Subquestion `json:"subquestions,omitempty"`
	// Correct says whether Answer equals the known right one; nil when nobody checked.
	Correct  *bool    `json:"correct,omitempty"`
	Source   string   `json:"source,omitempty"`
	Metadata Metadata `json:"metadata,omitzero"`
	// Truth is what the built-in generator knows about the row (its operation
	// graph, the error it planted); problems.ReadTruth decodes it. Empty elsewhere.
	Truth json.RawMessage `json:"truth,omitempty"`
}

// Subquestion is one question that splits a problem, with its answer.
type Subquestion struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
	// Usefulness is in [0, 1]: the share of votes that called the sub-question
	// useful, or the generator's truth; nil when there were no votes.
	Usefulness *float64 `json:"usefulness,omitempty"`
}

// Metadata says which request made a pair.
type Metadata struct {
	Model        string `json:"model,omitempty"`
	RequestID    string `json:"request_id,omitempty"`
	FinishReason string `json:"finish_reason,omitempty"` // "stop", "length", …
	Usage        *Usage `json:"usage,omitempty"`
	Seed         *int64 `json:"seed,omitempty"`
	PromptSHA    string `json:"prompt_sha,omitempty"` // SHA-256 of the prompt, hexadecimal
}

// Usage counts the tokens of one request as the OpenAI API does.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// Text is the solution as GSM8K writes it: the steps, one a line, then the line
// "#### answer". Without an answer (a pair that was cut off) only the steps.
func (p Pair) Text() string {
	lines := p.Rationale
	if p.Answer != "" {
		lines = append(lines[:len(lines):len(lines)], answerMark+" "+p.Answer)
	}
	return strings.Join(lines, "\n")
}
