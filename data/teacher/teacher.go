// Package teacher asks for answers: of an OpenAI-compatible endpoint, of a file
// of completions, or of the built-in problem generator. A local student is a
// teacher too; it lives in package engine, because it needs a model.
//
// The package owns the request (what is asked, and the hash under which its
// answers are kept), what came back, and the API key, which it never writes
// anywhere. It does not retry, wait, count money or remember: package collect
// does, with the journal. Imports data alone.
package teacher

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"retort/data"
)

// Teacher answers requests.
type Teacher interface {
	// Model names what answers. It is part of every request's hash: another
	// model, or other weights under the same name, is asked anew.
	Model() string
	// Batch is how many requests a call of Ask should be given: 1 for a teacher
	// behind a network, which is called from many goroutines; more for one that
	// answers many side by side and is called from one.
	Batch() int
	// Ask answers the requests and calls answered for each as soon as it is
	// known, from one goroutine, in any order. The error is about those that
	// were not answered; a *Failure says more. When ctx ends, a teacher that may
	// be paid per request finishes what it has sent, within its time limit; a
	// local one stops at once.
	Ask(ctx context.Context, requests []Request, answered func(i int, c Completion)) error
}

// Sampling are the parameters of decoding that are part of a request.
type Sampling struct {
	Temperature  float64  `json:"temperature"`
	TopP         float64  `json:"top_p"`
	MaxNewTokens int      `json:"max_new_tokens"`
	Stop         []string `json:"stop,omitempty"`
	// Seed is the seed of all samples; each draws its own from it. Negative: the
	// teacher is given none.
	Seed int64 `json:"seed"`
}

// Hash identifies a request: the SHA-256 of its canonical JSON.
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Prompt is what is asked; its samples share it.
type Prompt struct {
	Row      int    // of the question in its file, from 0
	Place    string // file and line, for messages
	Question string // for teachers that go by the question, not by the messages
	Model    string
	Messages []data.Message
	Sampling Sampling
	hash     Hash
}

// NewPrompt makes a prompt and its hash.
func NewPrompt(p Prompt) *Prompt {
	p.hash = sha256.Sum256(p.Canonical())
	return &p
}

// Canonical is the JSON of model, messages and sampling parameters: nothing else
// decides what a request asks.
func (p *Prompt) Canonical() []byte {
	return mustJSON(struct {
		Model    string         `json:"model"`
		Messages []data.Message `json:"messages"`
		Sampling Sampling       `json:"sampling"`
	}{p.Model, p.Messages, p.Sampling})
}

// Hash identifies the prompt with its model and sampling parameters.
func (p *Prompt) Hash() Hash { return p.hash }

// SHA is the SHA-256 of the messages alone, in hexadecimal: the prompt_sha of a pair.
func (p *Prompt) SHA() string {
	sum := sha256.Sum256(mustJSON(p.Messages))
	return hex.EncodeToString(sum[:])
}

// Bytes is the length of all messages.
func (p *Prompt) Bytes() int {
	n := 0
	for _, m := range p.Messages {
		n += len(m.Role) + len(m.Content)
	}
	return n
}

// Request asks for one sample of a prompt.
type Request struct {
	*Prompt
	Sample int // from 0
}

// Seed is the sample's own seed, a function of the request alone, so that an
// answer does not depend on what else is asked. ok is false where none is given.
// It fits 31 bits, which every server takes.
func (r Request) Seed() (seed int64, ok bool) {
	if r.Sampling.Seed < 0 {
		return 0, false
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", r.hash, r.Sample))
	return int64(binary.LittleEndian.Uint32(sum[:]) >> 1), true
}

// Completion is one answer.
type Completion struct {
	Text         string `json:"text"`
	Reasoning    string `json:"reasoning,omitempty"` // reasoning_content of a reasoning model
	FinishReason string `json:"finish_reason"`
	Model        string `json:"model"` // as the teacher says; it may differ from what was asked for
	RequestID    string `json:"request_id,omitempty"`
	Seed         *int64 `json:"seed,omitempty"`
	// Usage is what the teacher counted, believable or not; nil when it said nothing.
	Usage *data.Usage `json:"usage,omitempty"`
}

// Failure says why a request has no answer, and what can be done.
type Failure struct {
	Err       error
	Permanent bool          // asking again cannot help
	Alone     bool          // and it concerns these requests only: others may be answered
	Wait      time.Duration // what the teacher asked to wait for; 0 when it did not say
	// MaybePaid is true when the teacher may have done the work and charge for it:
	// the answer was lost on the way or could not be read.
	MaybePaid bool
}

// Error says what happened.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Err }

// permanent is a failure that stops a run.
func permanent(format string, args ...any) *Failure {
	return &Failure{Err: fmt.Errorf(format, args...), Permanent: true}
}

// mustJSON encodes values that cannot fail to encode.
func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("teacher: %T cannot be written as JSON: %v", v, err))
	}
	return raw
}
