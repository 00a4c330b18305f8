package data

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// toy is a student's text side in which a token is one byte, except for the
// special tokens "<s>" (a turn's start), "<e>" (its end) and "<eos>".
type toy struct {
	template func(messages []Message, prompt bool) string
	noEOS    bool
}

var toySpecials = []string{"<s>", "<e>", "<eos>"}

const toyEOS = 1002

func (toy) Encode(text string) (ids []int32) {
	for text != "" {
		n, id := 1, int32(text[0])
		for i, s := range toySpecials {
			if strings.HasPrefix(text, s) {
				n, id = len(s), int32(1000+i)
			}
		}
		ids, text = append(ids, id), text[n:]
	}
	return ids
}

func (c toy) HasTemplate() bool { return c.template != nil }

func (c toy) Render(messages []Message, prompt bool) (string, error) {
	return c.template(messages, prompt), nil
}

func (c toy) EOS() int32 {
	if c.noEOS {
		return -1
	}
	return toyEOS
}

func (toy) IsSpecial(id int32) bool { return id >= 1000 }

// chatML writes turns as ChatML does; change may alter an answer's text.
func chatML(change func(content string, last bool) string, end string) func([]Message, bool) string {
	return func(messages []Message, prompt bool) string {
		var b strings.Builder
		for i, m := range messages {
			content := m.Content
			if m.Role == assistant && change != nil {
				content = change(content, i == len(messages)-1)
			}
			fmt.Fprintf(&b, "<s>%s\n%s%s\n", m.Role, content, end)
		}
		if prompt {
			b.WriteString("<s>assistant\n")
		}
		return b.String()
	}
}

// parts splits an example into its text by weight, for reading.
func parts(e Example) (untrained, trained string) {
	for i, id := range e.IDs {
		s := string(rune(id))
		if id >= 1000 {
			s = toySpecials[id-1000]
		}
		if e.Weights[i] > 0 {
			trained += s
		} else {
			untrained += s
		}
	}
	return untrained, trained
}

func messages(contents ...string) []Message {
	out := make([]Message, len(contents))
	for i, c := range contents {
		out[i] = Message{[]string{"user", assistant}[i%2], c}
	}
	return out
}

func TestTrainedTokens(t *testing.T) {
	plain, chat := toy{}, toy{template: chatML(nil, "<e>")}
	trim := toy{template: chatML(func(s string, _ bool) string { return strings.TrimSpace(s) }, "<e>")}
	think := toy{template: chatML(func(s string, last bool) string {
		if last {
			return "<think></think>" + s
		}
		return s
	}, "<e>")}
	pair := PairRow(0, Pair{Question: "q", Rationale: []string{"r"}, Answer: "5"})
	for name, c := range map[string]struct {
		row                Row
		codec              Codec
		untrained, trained string
	}{
		"text":                       {Row{Kind: KindText, Prompt: "ab", Completion: "cd"}, plain, "ab", "cd<eos>"},
		"text that ends in eos":      {Row{Kind: KindText, Prompt: "ab", Completion: "cd<eos>"}, plain, "ab", "cd<eos>"},
		"no prompt":                  {Row{Kind: KindText, Completion: "cd"}, plain, "c", "d<eos>"},
		"text ignores the template":  {Row{Kind: KindText, Prompt: "ab", Completion: "cd"}, chat, "ab", "cd<eos>"},
		"pair without template":      {pair, plain, "q\n", "r\n#### 5<eos>"},
		"pair with template":         {pair, chat, "<s>user\nq<e>\n<s>assistant\n", "r\n#### 5<e>"},
		"one turn":                   {Row{Kind: KindMessages, Messages: messages("hi", "ho")}, chat, "<s>user\nhi<e>\n<s>assistant\n", "ho<e>"},
		"two turns, both trained":    {Row{Kind: KindMessages, Messages: messages("a", "b", "c", "d")}, chat, "<s>user\na<e>\n<s>assistant\n\n<s>user\nc<e>\n<s>assistant\n", "b<e>d<e>"},
		"turns of the prompt":        {Row{Kind: KindMessages, Messages: messages("a", "b", "c", "d"), Context: 3}, chat, "<s>user\na<e>\n<s>assistant\nb<e>\n<s>user\nc<e>\n<s>assistant\n", "d<e>"},
		"a user's last word":         {Row{Kind: KindMessages, Messages: messages("a", "b", "c")}, chat, "<s>user\na<e>\n<s>assistant\n", "b<e>"},
		"content that looks special": {Row{Kind: KindMessages, Messages: messages("a", "e <eos> b")}, chat, "<s>user\na<e>\n<s>assistant\n", "e <eos> b<e>"},
		"a template that trims":      {Row{Kind: KindMessages, Messages: messages("a", " b ")}, trim, "<s>user\na<e>\n<s>assistant\n", "b<e>"},
		"a template that adds":       {Row{Kind: KindMessages, Messages: messages("a", "t")}, think, "<s>user\na<e>\n<s>assistant\n", "<think></think>t<e>"},
	} {
		e, err := Encode(c.row, c.codec, EncodeOptions{CompletionOnly: true})
		require.NoError(t, err, name)
		untrained, trained := parts(e)
		require.Equal(t, c.untrained, untrained, name)
		require.Equal(t, c.trained, trained, name)
		require.Len(t, e.Weights, len(e.IDs))
		require.Zero(t, e.Weights[0], name)

		all, err := Encode(c.row, c.codec, EncodeOptions{})
		require.NoError(t, err)
		require.Equal(t, e.IDs, all.IDs)
		require.Equal(t, len(all.IDs)-1, all.Trained(), "without CompletionOnly all but the first token is trained")
	}
}

func TestRowsThatCannotBeTrained(t *testing.T) {
	plain, chat := toy{}, toy{template: chatML(nil, "<e>")}
	two := Row{Kind: KindMessages, Messages: messages("a", "b", "c", "d")}
	for name, c := range map[string]struct {
		row   Row
		codec Codec
		want  string
	}{
		"empty completion":       {Row{Kind: KindText, Prompt: "p", Completion: " \n"}, plain, ReasonEmptyCompletion},
		"prompt alone":           {Row{Kind: KindPrompt, Prompt: "p"}, plain, ReasonEmptyCompletion},
		"no assistant":           {Row{Kind: KindMessages, Messages: messages("a")}, chat, ReasonNoAssistant},
		"empty answer":           {Row{Kind: KindMessages, Messages: messages("a", "")}, chat, ReasonEmptyCompletion},
		"no end of turn":         {Row{Kind: KindMessages, Messages: messages("a", "b")}, toy{template: chatML(nil, "#")}, ReasonNoEndOfTurn},
		"refused by the reader":  {Row{Kind: KindText, Completion: "c", Refused: ReasonCutOff}, plain, ReasonCutOff},
		"preference":             {Row{Kind: KindPreference, Chosen: "c"}, plain, ErrPreferenceRow.Error()},
		"no template":            {two, plain, "brings no chat template"},
		"no eos":                 {Row{Kind: KindText, Completion: "c"}, toy{noEOS: true}, "no end-of-sequence token"},
		"answer changed":         {Row{Kind: KindMessages, Messages: messages("a", "b")}, toy{template: chatML(func(string, bool) string { return "x" }, "<e>")}, ReasonTemplateChanges},
		"history changed":        {two, toy{template: chatML(func(s string, last bool) string { return map[bool]string{true: "T" + s, false: s}[last] }, "<e>")}, ReasonTemplateTurns},
		"prompt is not a prefix": {two, toy{template: func(m []Message, p bool) string { return fmt.Sprint(len(m), p) }}, ReasonTemplateTurns},
	} {
		_, err := Encode(c.row, c.codec, EncodeOptions{CompletionOnly: true, Student: "models/toy"})
		require.ErrorContains(t, err, c.want, name)
		var refused *RefusedError
		if strings.HasPrefix(err.Error(), "refused: ") {
			require.ErrorAs(t, err, &refused)
		} else {
			require.NotErrorAs(t, err, &refused)
		}
	}
	_, err := Encode(two, plain, EncodeOptions{Student: "models/toy"})
	require.ErrorIs(t, err, ErrNoTemplate)
	require.ErrorContains(t, err, "models/toy")
}

func TestPromptsAreThoseOfTraining(t *testing.T) {
	plain, chat := toy{}, toy{template: chatML(nil, "<e>")}
	pair := PairRow(0, Pair{Question: "q", Answer: "5"})
	for _, c := range []struct {
		row   Row
		codec Codec
	}{
		{Row{Kind: KindText, Prompt: "ab", Completion: "c"}, plain}, {pair, plain}, {pair, chat},
		{Row{Kind: KindMessages, Messages: messages("a", "b")}, chat},
		{Row{Kind: KindMessages, Messages: messages("a", "b", "c", "d"), Context: 3}, chat},
	} {
		e, err := Encode(c.row, c.codec, EncodeOptions{CompletionOnly: true})
		require.NoError(t, err)
		ids, err := EncodePrompt(c.row, c.codec, EncodeOptions{})
		require.NoError(t, err)
		require.Equal(t, e.IDs[:e.PromptLen()], ids)
	}
	ids, err := EncodePrompt(Row{Kind: KindMessages, Messages: messages("a", "b", "c")}, chat, EncodeOptions{})
	require.NoError(t, err)
	require.Equal(t, chat.Encode("<s>user\na<e>\n<s>assistant\nb<e>\n<s>user\nc<e>\n<s>assistant\n"), ids)
}

func TestLongRowsFollowTheStrategy(t *testing.T) {
	rows := []Row{
		{Index: 0, Line: 1, Kind: KindText, Prompt: "p", Completion: "c"},
		{Index: 1, Line: 2, File: "f", Kind: KindText, Prompt: "p", Completion: "123456"},
		{Index: 2, Line: 3, Kind: KindText, Prompt: "123456", Completion: "c"},
		{Index: 3, Line: 4, Kind: KindText, Prompt: "p"},
	}
	o := Options{EncodeOptions: EncodeOptions{CompletionOnly: true}, MaxLength: 4}
	_, _, err := EncodeAll(rows, toy{}, o)
	require.ErrorIs(t, err, ErrTooLong)
	require.ErrorContains(t, err, "f:2: row too long: 8 tokens, 4 are allowed")

	o.Strategy = Drop
	examples, rejects, err := EncodeAll(rows, toy{}, o)
	require.NoError(t, err)
	require.Len(t, examples, 1)
	require.Equal(t, map[string][]int{ReasonTooLong: {2, 3}, ReasonEmptyCompletion: {4}}, rejects.Lines)
	require.Equal(t, "2 longer than max_length (lines 2, 3); 1 empty completion (line 4)", rejects.String())

	o.Strategy = Truncate
	examples, rejects, err = EncodeAll(rows, toy{}, o)
	require.NoError(t, err)
	require.Len(t, examples, 2)
	require.Len(t, examples[1].IDs, 4)
	require.Equal(t, []int{2}, rejects.Truncated)
	require.Equal(t, []int{3}, rejects.Lines[ReasonTruncatedAway])

	_, rejects, err = EncodeAll(rows[3:], toy{}, o)
	require.ErrorIs(t, err, ErrNoRows)
	require.ErrorContains(t, err, "1 empty completion (line 4)")
	require.Equal(t, 1, rejects.Total())
	o.Strategy = "cut"
	_, _, err = EncodeAll(rows, toy{}, o)
	require.ErrorContains(t, err, `excess_length_strategy "cut"`)
}
