package chat

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
)

type row struct {
	Messages            []Message
	AddGenerationPrompt bool `json:"add_generation_prompt"`
	Text                *string
}

func readJSON(t testing.TB, path string, to any) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, to))
}

// shared returns a path in ../shared of the repository, and skips the test when it is not there.
func shared(t testing.TB, parts ...string) string {
	path := filepath.Join(append([]string{"..", "..", "..", "shared"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs ../shared/%s beside the repository: %v", filepath.Join(parts...), err)
	}
	return path
}

// TestFeaturesEqualReference holds what published templates use against what Jinja makes of it (testdata/make.py).
func TestFeaturesEqualReference(t *testing.T) {
	var cases []struct {
		Name, Template string
		Rows           []row
	}
	readJSON(t, filepath.Join("testdata", "cases.json"), &cases)
	require.NotEmpty(t, cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			template, err := Parse(c.Template, map[string]string{"bos_token": "<s>", "eos_token": "</s>", "unk_token": ""})
			require.NoError(t, err)
			for _, r := range c.Rows {
				text, err := template.Render(r.Messages, r.AddGenerationPrompt)
				if r.Text == nil {
					require.Error(t, err)
					require.Empty(t, text)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, *r.Text, text, "%v", r.Messages)
			}
		})
	}
}

// published parses the chat template in a tokenizer's configuration.
func published(t testing.TB, name string) *Template {
	var config struct {
		ChatTemplate string `json:"chat_template"`
	}
	readJSON(t, shared(t, "tokenizers", name, "tokenizer_config.json"), &config)
	template, err := Parse(config.ChatTemplate, map[string]string{"eos_token": "<|im_end|>"})
	require.NoError(t, err)
	return template
}

func TestPublishedTemplatesEqualGolden(t *testing.T) {
	var golden map[string][]row
	readJSON(t, shared(t, "golden", "chat_templates.json"), &golden)
	require.NotEmpty(t, golden)
	for name, rows := range golden {
		t.Run(name, func(t *testing.T) {
			template := published(t, name)
			for _, r := range rows {
				text, err := template.Render(r.Messages, r.AddGenerationPrompt)
				require.NoError(t, err)
				require.Equal(t, *r.Text, text)
			}
		})
	}
}

const chatML = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"

func TestConcurrentRenderingEqualsAlone(t *testing.T) {
	template, err := Parse("{% set ns = namespace(n=0) %}{% macro f(x) %}<{{ x }}>{% endmacro %}"+chatML+"{% for m in messages %}{% set ns.n = ns.n + loop.index %}{{ f(m.content) }}{% endfor %}{{ ns.n }}", nil)
	require.NoError(t, err)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			content := strings.Repeat("x", w)
			want := "<|user|>" + content + "\n<|assistant|><" + content + ">1"
			for range 50 {
				text, err := template.Render([]Message{{Role: "user", Content: content}}, true)
				if err != nil || text != want {
					t.Errorf("%q, want %q: %v", text, want, err)
				}
			}
		})
	}
	group.Wait()
}

func TestErrorsAreOneLine(t *testing.T) {
	two := []Message{{Role: "user", Content: "a\nb"}, {Role: "tool", Content: "c"}}
	for name, c := range map[string]struct {
		source string
		kind   error
		says   string
	}{
		"refusal in the loop": {"{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no\ntools: ' ~ m.role) }}{% endif %}{% endfor %}", ErrRefused, "refuses the conversation at message 1: no tools: tool"},
		"refusal in a part":   {"{% for message in messages[1:] %}{{ raise_exception('no') }}{% endfor %}", ErrRefused, "at message 1: no"},
		"refusal elsewhere":   {"{% for x in [1] %}{{ raise_exception('no') }}{% endfor %}", ErrRefused, "conversation: no"},
		"refusal outside":     {"\n\n{{ raise_exception('empty') }}", ErrRefused, "refuses the conversation: empty"},
		"unknown function":    {"a\n{{ nothing(1) }}", ErrRender, "line 2"},
		"unclosed block":      {"{% for m in messages %}", ErrParse, ""},
		"unknown block":       {"{% nonsense %}", ErrParse, "nonsense"},
		"unclosed variable":   {"{{ messages", ErrParse, ""},
		"unknown filter":      {"{{ messages | nonsense }}", ErrRender, "nonsense"},
		"includes a file":     {"{% include '/etc/hostname' %}", ErrParse, "include"},
		"long range":          {"{% for i in range(1000000000) %}{% endfor %}", ErrRender, "100000"},
		"tojson by position":  {"{{ messages | tojson(2) }}", ErrRender, "tojson takes arguments by name"},
		"tojson's options":    {"{{ messages | tojson(sort_keys=true) }}", ErrRender, "sort_keys"},
	} {
		t.Run(name, func(t *testing.T) {
			template, err := Parse(c.source, nil)
			if err == nil {
				_, err = template.Render(two, false)
			}
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "chat template")
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 400)
			t.Log(err)
		})
	}
}

func TestNothingIsLogged(t *testing.T) {
	var log bytes.Buffer
	old := logrus.StandardLogger().Out
	logrus.SetOutput(&log)
	defer logrus.SetOutput(old)
	template, err := Parse("{{ messages + 1 }}{{ messages | int }}{{ (1).x }}{{ -messages }}{{ messages | float }}{% for x in 5 %}{% endfor %}", nil)
	require.NoError(t, err)
	_, _ = template.Render([]Message{{Role: "user"}}, false)
	require.Empty(t, log.String())
}

func TestStrftimeNow(t *testing.T) {
	template, err := Parse("{{ strftime_now('%d %b %Y|%Y-%m-%d|%-d/%-m/%y %H:%M:%S %I %p %A %a %B %j 100%% %Q %') }}", nil)
	require.NoError(t, err)
	template.now = func() time.Time { return time.Date(2025, 3, 4, 15, 6, 7, 0, time.UTC) }
	text, err := template.Render(nil, false)
	require.NoError(t, err)
	require.Equal(t, "04 Mar 2025|2025-03-04|4/3/25 15:06:07 03 PM Tuesday Tue March 063 100% %Q %", text)
}

func BenchmarkRender(b *testing.B) {
	for _, name := range []string{"smollm2", "qwen2_5"} {
		b.Run(name, func(b *testing.B) {
			template := published(b, name)
			messages := []Message{{Role: "user", Content: strings.Repeat("word ", 50)}, {Role: "assistant", Content: strings.Repeat("answer ", 80)}}
			for b.Loop() {
				_, err := template.Render(messages, false)
				require.NoError(b, err)
			}
		})
	}
}
