package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data/rowfile"
)

// samples are rows of every format, in the words that Export writes.
var samples = map[Format][]string{
	FormatMessages:         {`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a < b"},{"role":"assistant","content":"c"},{"role":"user","content":"d"},{"role":"assistant","content":"e"}]}`},
	FormatPromptCompletion: {`{"prompt":"p","completion":"c"}`, `{"prompt":"p"}`},
	FormatPreference:       {`{"prompt":"p","chosen":"c","rejected":"r"}`, `{"chosen":"c","rejected":"r"}`},
	FormatStepwise:         {`{"prompt":"p","completions":["a","b"],"labels":[true,false]}`},
	FormatAlpaca:           {`{"instruction":"i","input":"","output":"o"}`},
	FormatShareGPT:         {`{"conversations":[{"from":"system","value":"s"},{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}`},
	FormatGSM8K:            {`{"question":"q","answer":"1+1=<<1+1=2>>2\n#### 2"}`},
	FormatSocratic:         {`{"question":"q","answer":"How? ** 1+1=<<1+1=2>>2\nAnd then? ** so 2\n#### 2"}`},
	FormatPair: {`{"id":"x","question":"q","answer":"2","rationale":["1+1=2"],"subquestions":[{"question":"How?","answer":"2","usefulness":0.5}],"correct":false,"source":"s","metadata":{"model":"m","finish_reason":"stop","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"seed":7},"truth":{"kind":"k"}}`,
		`{"id":"","question":"q","answer":"2","rationale":[]}`},
}

func TestEveryFormatReadsWhatItWrites(t *testing.T) {
	require.Len(t, samples, len(Formats()))
	for _, f := range Formats() {
		for _, text := range samples[f] {
			row, err := ParseRow([]byte(text))
			require.NoError(t, err, text)
			written, err := Export(row, f)
			require.NoError(t, err, text)
			var out bytes.Buffer
			enc := json.NewEncoder(&out)
			enc.SetEscapeHTML(false)
			require.NoError(t, enc.Encode(written))
			require.JSONEq(t, text, out.String())

			path := filepath.Join(t.TempDir(), "rows.parquet")
			file, err := os.Create(path)
			require.NoError(t, err)
			w, err := rowfile.NewWriter(file, path, written)
			require.NoError(t, err)
			require.NoError(t, w.Write(written), text)
			require.NoError(t, w.Close())
			require.NoError(t, file.Close())
			again, err := ReadRows(path)
			require.NoError(t, err, text)
			again[0].File, again[0].Line, row.Line = "", 0, 0
			require.Equal(t, row, again[0], text)
		}
	}
}

func TestRowsThatHaveNoPlaceInAFormatAreRefused(t *testing.T) {
	for _, c := range []struct {
		text   string
		format Format
		want   string // what is written, or the reason
	}{
		{samples[FormatGSM8K][0], FormatMessages, `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"1+1=<<1+1=2>>2\n#### 2"}]}`},
		{samples[FormatGSM8K][0], FormatPromptCompletion, `{"prompt":"q\n","completion":"1+1=<<1+1=2>>2\n#### 2"}`},
		{samples[FormatShareGPT][0], FormatPromptCompletion, `{"prompt":[{"role":"system","content":"s"},{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]}`},
		{samples[FormatMessages][0], FormatPromptCompletion, ReasonManyAnswers},
		{samples[FormatMessages][0], FormatAlpaca, ReasonManyAnswers},
		{samples[FormatShareGPT][0], FormatAlpaca, ReasonNotInFormat},
		{`{"prompt":[{"role":"user","content":"u"},{"role":"assistant","content":"a"},{"role":"user","content":"v"}],"completion":[{"role":"assistant","content":"b"}]}`, FormatMessages, ReasonAnswersInContext},
		{`{"messages":[{"role":"user","content":"u"}]}`, FormatPromptCompletion, ReasonNoAssistant},
		{`{"messages":[{"role":"critic","content":"u"}]}`, FormatShareGPT, ReasonNotInFormat},
		{samples[FormatAlpaca][0], FormatGSM8K, ReasonNoAnswer},
		{samples[FormatAlpaca][0], FormatPair, ReasonNoAnswer},
		{`{"instruction":"i","output":"so\n#### 3"}`, FormatPair, `{"id":"","question":"i","answer":"3","rationale":["so"]}`},
		{samples[FormatGSM8K][0], FormatSocratic, ReasonNoSubquestions},
		{samples[FormatGSM8K][0], FormatStepwise, ReasonNotInFormat},
		{samples[FormatGSM8K][0], FormatPreference, ReasonNotInFormat},
		{samples[FormatPreference][0], FormatMessages, ReasonNotInFormat},
		{samples[FormatPreference][0], FormatPromptCompletion, ReasonNotInFormat},
		{`{"prompt":"p","chosen":[{"role":"user","content":"u"}],"rejected":"r"}`, FormatPreference, ReasonNotInFormat},
		{`{"question":"q"}`, FormatPair, ReasonNoAnswer},
	} {
		row, err := ParseRow([]byte(c.text))
		require.NoError(t, err, c.text)
		written, err := Export(row, c.format)
		var refused *RefusedError
		if errors.As(err, &refused) {
			require.Equal(t, c.want, refused.Reason, c.text)
			continue
		}
		require.NoError(t, err)
		text, err := json.Marshal(written)
		require.NoError(t, err)
		require.JSONEq(t, c.want, string(text))
	}
	_, err := Export(Row{}, "csv")
	require.ErrorContains(t, err, "messages prompt_completion")
}
