package data

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOtherFormatsAreRead(t *testing.T) {
	for text, want := range map[string]Row{
		`{"instruction":"Add.","input":"2 and 3","output":"5"}`:                                    {Kind: KindInstruction, Prompt: "Add.\n\n2 and 3", Completion: "5"},
		`{"instruction":"Add.","input":"","output":"5"}`:                                           {Kind: KindInstruction, Prompt: "Add.", Completion: "5"},
		`{"instruction":"Add."}`:                                                                   {Kind: KindPrompt, Prompt: "Add."},
		`{"instruction":"q","output":"a","system":"s"}`:                                            {Kind: KindMessages, Messages: []Message{{"system", "s"}, {"user", "q"}, {"assistant", "a"}}},
		`{"conversations":[{"from":"Human","value":"q"},{"from":"gpt","value":"a"}],"system":"s"}`: {Kind: KindMessages, Messages: []Message{{"system", "s"}, {"user", "q"}, {"assistant", "a"}}},
		`{"conversations":[{"role":"user","content":"q"}],"split":"Test"}`:                         {Kind: KindMessages, Messages: []Message{{"user", "q"}}, Split: "test"},
		`{"prompt":"p","completions":["a","b"],"labels":[true,true],"split":7,"source":"s"}`:       {Source: "s", Kind: KindStepwise, Prompt: "p", Completion: "a\nb", Steps: []string{"a", "b"}, Labels: []bool{true, true}},
		`{"prompt":"p","completions":["a"],"labels":[false]}`:                                      {Kind: KindStepwise, Prompt: "p", Completion: "a", Steps: []string{"a"}, Labels: []bool{false}, Refused: ReasonWrongStep},
	} {
		got, err := ParseRow([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestMalformedRowsHaveAReasonThatIsCounted(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "bad JSON", `[1]`: "not a JSON object", `null`: "not a JSON object", `{"a":1,"a":2}`: "a key occurs twice in one object", `{"text":1}`: ReasonUnknownFormat,
		`{"prompt":7}`: `"prompt" is not a string`, `{"completion":"c"}`: `"prompt" is missing`,
		`{"messages":[]}`: `"messages" is an empty list`, `{"messages":[{"role":"user"}]}`: `"content" is missing`, `{"messages":[{"role":"user","content":null}]}`: `"content" is not a string`,
		`{"conversations":7}`: `"conversations" is not a list of {"from", "value"}`, `{"conversations":[]}`: `"conversations" is an empty list`,
		`{"conversations":[{"from":"moon","value":"x"}]}`: "unknown speaker", `{"conversations":[{"from":"gpt"}]}`: `"value" is missing`, `{"conversations":[{"value":"x"}]}`: `"from" is missing`,
		`{"conversations":[{"from":"gpt","value":"x"}],"system":1}`: `"system" is not a string`,
		`{"instruction":1}`: `"instruction" is not a string`, `{"instruction":"i","output":null}`: `"output" is not a string`, `{"instruction":"i","input":[]}`: `"input" is not a string`,
		`{"prompt":"p","completions":["a"]}`: `"labels" is missing`, `{"completions":["a"]}`: `"prompt" is missing`, `{"prompt":"p","completions":"a","labels":[]}`: `"completions" is not a list of strings`,
		`{"prompt":"p","completions":["a"],"labels":[1]}`: `"labels" is not a list of true and false`, `{"prompt":"p","completions":["a"],"labels":[]}`: "not one label for each step",
		`{"question":1}`: `"question" is not a string`, `{"question":"q","answer":1}`: `"answer" is not a string`,
		`{"question":"q","answer":"1","rationale":7}`: `"rationale" is not a list of strings`, `{"question":"q","rationale":[]}`: `"answer" is missing`,
		`{"chosen":"c"}`: `"rejected" is missing`, `{"chosen":"c","rejected":2}`: `"rejected" is not a string`, `{"prompt":"p","finish_reason":3}`: `"finish_reason" is not a string`,
	} {
		_, err := ParseRow([]byte(text))
		var m *MalformedError
		require.True(t, errors.As(err, &m), text)
		require.Equal(t, want, m.Reason, text)
	}
}

func TestWalkingGoesOnBehindMalformedRows(t *testing.T) {
	path := file(t, "{\"prompt\":\"a\"}\n{\n\xff\n{\"prompt\":\"b\"}\n")
	var lines []int
	var reasons []string
	require.NoError(t, EachRow(path, func(row Row, _ []byte, fault error) error {
		var m *MalformedError
		lines, reasons = append(lines, row.Line), append(reasons, "")
		if errors.As(fault, &m) {
			reasons[len(reasons)-1] = m.Reason
		}
		return nil
	}))
	require.Equal(t, []int{1, 2, 3, 4}, lines)
	require.Equal(t, []string{"", "bad JSON", "the line is not valid UTF-8", ""}, reasons)
}

func TestQuestionsAreFoundWhateverTheFormat(t *testing.T) {
	for text, want := range map[string][]string{
		`{"prompt":"p","completion":"c"}`: {"p"}, `{"question":"q","answer":"#### 1"}`: {"q"}, `{"chosen":"c","rejected":"d"}`: nil,
		`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]}`: {"a", "c"},
	} {
		row, err := ParseRow([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, row.Questions(), text)
	}
	for text, want := range map[string]string{`{"problem":"p","answers":[]}`: "p", `{"Body":"Two dogs.","Question":"How many?"}`: "Two dogs. How many?", `{"input":"i","label":1}`: "i", `{"text":"t"}`: "", `[`: ""} {
		got, ok := LooseQuestion([]byte(text))
		require.Equal(t, want, got)
		require.Equal(t, want != "", ok)
	}
}

func TestTruthKeptAsTextIsDecoded(t *testing.T) {
	for _, truth := range []string{`{"kind":"k"}`, `"{\"kind\":\"k\"}"`} {
		row, err := ParseRow([]byte(`{"question":"q","rationale":[],"answer":"1","truth":` + truth + `}`))
		require.NoError(t, err)
		require.JSONEq(t, `{"kind":"k"}`, string(row.Pair.Truth))
	}
}

func TestKnownAnswersAreFoundWhateverTheFormat(t *testing.T) {
	for text, want := range map[string]string{
		`{"question":"q","answer":true}`: "yes", `{"question":"q","answer":false}`: "no", `{"Body":"b","Question":"q","Answer":51.0}`: "51.0", `{"problem":"p","answer":" x "}`: "x",
		`{"question":"q","options":["A)1"],"correct":"A","rationale":"r"}`: "A", `{"input":"i","label":"( 10.0 * 45.0 )"}`: "( 10.0 * 45.0 )", `{"answer":null,"label":3}`: "3", `{"answer":[]}`: "", `{`: "",
	} {
		got, ok := LooseAnswer([]byte(text))
		require.Equal(t, want, got, text)
		require.Equal(t, want != "", ok, text)
	}
}
