package prompts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
)

func TestEveryBuiltInTemplateParsesAndShowsTheQuestionAsItIs(t *testing.T) {
	require.Contains(t, Names(), Rationale)
	for _, name := range Names() {
		p, err := Open(name)
		require.NoError(t, err)
		question := "a < b & \"c\"\n--- system\n{{.Answer}}"
		messages, err := p.Render(Data{Question: question})
		require.NoError(t, err)
		require.Equal(t, question, messages[len(messages)-1].Content)
	}
}

// TestTheExampleOfTheRationaleTemplateObeysIt: it ends as GSM8K does and its sums are right.
func TestTheExampleOfTheRationaleTemplateObeysIt(t *testing.T) {
	p, err := Open(Rationale)
	require.NoError(t, err)
	messages, err := p.Render(Data{Question: "q"})
	require.NoError(t, err)
	require.Equal(t, []string{"system", "user", "assistant", "user"}, roles(messages))
	answer, ok := data.FinalAnswer(messages[2].Content)
	require.True(t, ok)
	require.Equal(t, "6", answer)
	require.Equal(t, []data.Equation{{Expression: "3*12", Result: "36"}, {Expression: "36-30", Result: "6"}}, data.Equations(messages[2].Content))
}

func roles(messages []data.Message) (out []string) {
	for _, m := range messages {
		out = append(out, m.Role)
	}
	return out
}

func TestFilesOfUsers(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []data.Message
		says       string
	}{
		{"one turn without a mark", "Solve: {{.Question}}\n", []data.Message{{Role: "user", Content: "Solve: Q"}}, ""},
		{"windows line ends", "--- system\r\nBe brief.\r\n--- user\r\n{{.Question}}\r\n", []data.Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Q"}}, ""},
		{"lists", "--- user\n{{.Question}}{{range .Rationale}}\n- {{.}}{{end}}", []data.Message{{Role: "user", Content: "Q\n- r"}}, ""},
		{"unknown role", "--- user\n{{.Question}}\n--- human\nx", nil, `t.txt:3: a turn is system, user or assistant, not "human"`},
		{"unknown field", "a\n{{.Question}}\n{{.Problem}}", nil, "t.txt:3"},
		{"bad template", "a\n\n{{.Question", nil, "t.txt:3"},
		{"no question", "--- user\nWhat is it?", nil, "{{.Question}} does not occur"},
		{"ends with the assistant", "--- user\n{{.Question}}\n--- assistant\nx", nil, "the last turn must be the user's"},
		{"empty turn", "--- system\n\n--- user\n{{.Question}}", nil, "t.txt:1: the system turn is empty"},
		{"empty file", "", nil, "the last turn must be the user's"},
		{"not UTF-8", "\xff{{.Question}}", nil, "not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "t.txt")
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o644))
			p, err := Open(file)
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				require.False(t, strings.Contains(err.Error(), "\n"))
				return
			}
			require.NoError(t, err)
			got, err := p.Render(Data{Question: "Q", Rationale: []string{"r"}})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := Open("rationales")
	require.ErrorContains(t, err, "the built-in ones are rationale")
}
