package data

import (
	"fmt"
	"strings"
)

// Codec is what encoding needs of a student's text side: its tokenizer and, if
// it has one, its chat template.
type Codec interface {
	// Encode turns text into token ids; special tokens written in the text are
	// recognised, none are added.
	Encode(text string) []int32
	// HasTemplate says whether Render can be called.
	HasTemplate() bool
	// Render writes a conversation as the student's chat template does.
	Render(messages []Message, addGenerationPrompt bool) (string, error)
	// EOS is the end-of-sequence id, negative when the student has none.
	EOS() int32
	// IsSpecial says whether id is a special token, such as an end of turn.
	IsSpecial(id int32) bool
}

// Example is one document of training tokens.
type Example struct {
	Index int     // of the row it was made from
	IDs   []int32 // (T)
	// Weights (T) holds the loss weight with which token i is predicted from
	// those before it; 0 is not trained. The first token has nothing before it
	// and weight 0.
	Weights []float32
}

// Trained is the number of tokens with a loss weight other than 0.
func (e Example) Trained() int {
	n := 0
	for _, w := range e.Weights {
		if w != 0 {
			n++
		}
	}
	return n
}

// PromptLen is the number of tokens before the first trained one.
func (e Example) PromptLen() int {
	for i, w := range e.Weights {
		if w != 0 {
			return i
		}
	}
	return len(e.IDs)
}

// append adds tokens with one weight for all of them.
func (e *Example) append(ids []int32, weight float32) {
	e.IDs = append(e.IDs, ids...)
	for range ids {
		e.Weights = append(e.Weights, weight)
	}
}

// EncodeOptions says how one row becomes tokens.
type EncodeOptions struct {
	// CompletionOnly trains the completion alone; otherwise the prompt's tokens
	// are trained too.
	CompletionOnly bool
	// Student names the student in messages: its folder, for instance.
	Student string
}

// Encode turns a row into training tokens. Text rows: the ids of the prompt,
// those of the completion, end-of-sequence, of which the last two parts are
// trained. Message rows: the student's template, every assistant message with
// its end-of-turn token trained, nothing kept after the last of them. GSM8K and
// pair rows: question and solution, through the template where the student has
// one, else as the texts question+"\n" and solution.
//
// A *RefusedError says that this row cannot be used; any other error stops the
// run.
func Encode(row Row, c Codec, o EncodeOptions) (Example, error) {
	return (&encoder{codec: c, options: o}).encode(row)
}

// EncodePrompt turns a row into the ids that a student continues: the prompt
// alone, or the conversation without an assistant's message at its end, with the
// opening of the assistant's turn.
func EncodePrompt(row Row, c Codec, o EncodeOptions) ([]int32, error) {
	messages := row.Messages
	switch {
	case row.Refused == ReasonSurrogate:
		return nil, fmt.Errorf("%s: %w", row.Place(), &RefusedError{row.Refused})
	case row.Kind == KindPreference:
		return nil, fmt.Errorf("%s: %w", row.Place(), ErrPreferenceRow)
	case row.asksPlainly() && c.HasTemplate():
		messages = []Message{{"user", row.Prompt}}
	case row.asksPlainly():
		return c.Encode(row.Prompt + "\n"), nil
	case len(messages) == 0:
		return c.Encode(row.Prompt), nil
	}
	e := &encoder{codec: c, options: o}
	if err := e.needTemplate(row); err != nil {
		return nil, err
	}
	end := len(messages)
	if row.Kind == KindMessages && messages[end-1].Role == assistant {
		end-- // the answer itself, kept for comparison
	}
	text, err := c.Render(messages[:end], true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", row.Place(), err)
	}
	return c.Encode(text), nil
}

// encoder encodes rows for one student and remembers its end-of-turn text.
type encoder struct {
	codec   Codec
	options EncodeOptions
	turnEnd string // text of the end-of-turn token, once it was seen
}

// encode dispatches on the row's kind.
func (e *encoder) encode(row Row) (Example, error) {
	example := Example{Index: row.Index}
	if row.Refused != "" {
		return example, &RefusedError{row.Refused}
	}
	var err error
	switch row.Kind {
	case KindText:
		err = e.text(&example, row, row.Prompt)
	case KindMessages:
		err = e.conversation(&example, row, row.Messages)
	case KindPair, KindInstruction, KindStepwise:
		if strings.TrimSpace(row.Completion) == "" {
			err = &RefusedError{ReasonEmptyCompletion}
		} else if e.codec.HasTemplate() {
			err = e.conversation(&example, row, []Message{{"user", row.Prompt}, {assistant, row.Completion}})
		} else {
			err = e.text(&example, row, row.Prompt+"\n")
		}
	case KindPrompt:
		if len(row.Messages) > 0 {
			err = &RefusedError{ReasonNoAssistant}
		} else {
			err = &RefusedError{ReasonEmptyCompletion}
		}
	case KindPreference:
		err = fmt.Errorf("%s: %w", row.Place(), ErrPreferenceRow)
	}
	if err != nil {
		return example, err
	}
	if !e.options.CompletionOnly {
		for i := range example.Weights {
			example.Weights[i] = 1
		}
	}
	if len(example.Weights) > 0 {
		example.Weights[0] = 0
	}
	if example.Trained() == 0 {
		return example, &RefusedError{ReasonEmptyCompletion}
	}
	return example, nil
}

// text encodes prompt and completion one after the other, as they are.
func (e *encoder) text(example *Example, row Row, prompt string) error {
	if strings.TrimSpace(row.Completion) == "" {
		return &RefusedError{ReasonEmptyCompletion}
	}
	eos := e.codec.EOS()
	if eos < 0 {
		return fmt.Errorf("%s: %s has no end-of-sequence token, so an answer would never end; set eos_token in its tokenizer_config.json", row.Place(), e.student())
	}
	example.append(e.codec.Encode(prompt), 0)
	completion := e.codec.Encode(row.Completion)
	if n := len(completion); n == 0 || completion[n-1] != eos {
		completion = append(completion, eos)
	}
	example.append(completion, 1)
	return nil
}

func (e *encoder) student() string {
	if e.options.Student == "" {
		return "the student"
	}
	return "the student " + e.options.Student
}

// Strategy says what happens to a row that is longer than max_length.
type Strategy string

// The strategies of excess_length_strategy.
const (
	Raise    Strategy = "raise"    // an error that names the row
	Drop     Strategy = "drop"     // refused and counted
	Truncate Strategy = "truncate" // cut at the end and counted
)

// Options says how the rows of a file become training tokens.
type Options struct {
	EncodeOptions
	MaxLength int      // tokens a row may have; 0 is no limit
	Strategy  Strategy // for longer rows; empty is Raise
}

// Encoder encodes one row after the other with one set of options. It is for one
// goroutine: it remembers what it learned of the student's template.
type Encoder struct {
	encoder
	options Options
}

// NewEncoder checks the options and makes their encoder.
func NewEncoder(c Codec, o Options) (*Encoder, error) {
	switch o.Strategy {
	case "", Raise, Drop, Truncate:
		return &Encoder{encoder{codec: c, options: o.EncodeOptions}, o}, nil
	}
	return nil, fmt.Errorf("excess_length_strategy %q is unknown: use raise, drop or truncate", o.Strategy)
}

// Encode is the function Encode with the limit on length. A row that is cut at it is
// counted in rejects, one that is refused is not.
func (e *Encoder) Encode(row Row, rejects *Rejects) (Example, error) {
	example, err := e.encode(row)
	if err == nil && e.options.MaxLength > 0 && len(example.IDs) > e.options.MaxLength {
		err = e.options.shorten(&example, row, rejects)
	}
	return example, err
}

// EncodeAll encodes the rows in order, counts those that are refused and
// applies the strategy to those that are too long. When no row is left the
// error wraps ErrNoRows and lists the reasons.
func EncodeAll(rows []Row, c Codec, o Options) ([]Example, Rejects, error) {
	var rejects Rejects
	e, err := NewEncoder(c, o)
	if err != nil {
		return nil, rejects, err
	}
	examples := make([]Example, 0, len(rows))
	for _, row := range rows {
		example, err := e.Encode(row, &rejects)
		switch {
		case err == nil:
			examples = append(examples, example)
		case !rejects.count(err, row.Line):
			return nil, rejects, err
		}
	}
	if len(examples) == 0 {
		return nil, rejects, fmt.Errorf("%w left to train on, of %d: %s", ErrNoRows, len(rows), rejects)
	}
	return examples, rejects, nil
}

// shorten applies the strategy to an example that is longer than MaxLength.
func (o Options) shorten(example *Example, row Row, rejects *Rejects) error {
	switch o.Strategy {
	case Drop:
		return &RefusedError{ReasonTooLong}
	case Truncate:
		example.IDs, example.Weights = example.IDs[:o.MaxLength], example.Weights[:o.MaxLength]
		if example.Trained() == 0 {
			return &RefusedError{ReasonTruncatedAway}
		}
		rejects.Truncated = append(rejects.Truncated, row.Line)
		return nil
	}
	return fmt.Errorf("%s: %w: %d tokens, %d are allowed", row.Place(), ErrTooLong, len(example.IDs), o.MaxLength)
}
