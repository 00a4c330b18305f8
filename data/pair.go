package data

import (
	"encoding/json"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role" parquet:"role"`
	Content string `json:"content" parquet:"content"`
}

// Pair is the record that all methods share: a question, the steps that lead to
// the answer, the answer, and where it came from.
type Pair struct {
	ID           string        `json:"id" parquet:"id"`
	Question     string        `json:"question" parquet:"question"`
	Answer       string        `json:"answer" parquet:"answer"`            // final answer only, without "####"
	Rationale    []string      `json:"rationale" parquet:"rationale,list"` // one line per step, calculator annotations kept
	Subquestions []Subquestion `json:"subquestions,omitempty" parquet:"subquestions,list"`
	// Correct says whether Answer equals the known right one; nil when nobody checked.
	Correct  *bool    `json:"correct,omitempty" parquet:"correct,optional"`
	Source   string   `json:"source,omitempty" parquet:"source"`
	Metadata Metadata `json:"metadata,omitzero" parquet:"metadata"`
	// Truth is what the built-in generator knows about the row (its operation
	// graph, the error it planted); problems.ReadTruth decodes it. Empty elsewhere.
	Truth json.RawMessage `json:"truth,omitempty" parquet:"truth,optional,json"`
}

// Subquestion is one question that splits a problem, with its answer.
type Subquestion struct {
	Question string `json:"question" parquet:"question"`
	Answer   string `json:"answer" parquet:"answer"`
	// Usefulness is in [0, 1]: the share of votes that called the sub-question
	// useful, or the generator's truth; nil when there were no votes.
	Usefulness *float64 `json:"usefulness,omitempty" parquet:"usefulness,optional"`
}

// Metadata says which request made a pair.
type Metadata struct {
	Model        string `json:"model,omitempty" parquet:"model"`
	RequestID    string `json:"request_id,omitempty" parquet:"request_id"`
	FinishReason string `json:"finish_reason,omitempty" parquet:"finish_reason"` // "stop", "length", …
	Usage        *Usage `json:"usage,omitempty" parquet:"usage,optional"`
	Seed         *int64 `json:"seed,omitempty" parquet:"seed,optional"`
	PromptSHA    string `json:"prompt_sha,omitempty" parquet:"prompt_sha"` // SHA-256 of the prompt, hexadecimal
}

// Usage counts the tokens of one request as the OpenAI API does.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens" parquet:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens" parquet:"completion_tokens"`
	TotalTokens      int `json:"total_tokens" parquet:"total_tokens"`
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
