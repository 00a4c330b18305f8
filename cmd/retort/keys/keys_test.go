package keys

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// settings has a field of every kind.
type settings struct {
	Config  string   `key:"config" help:"a file"`
	Dataset string   `key:"dataset" help:"a text"`
	Steps   int      `key:"max_steps" help:"a whole number"`
	Rate    float64  `key:"learning_rate" help:"a number"`
	Packing bool     `key:"packing" help:"true or false"`
	Stop    []string `key:"stop" help:"texts"`
	Other   int
}

func newSet(to *settings) *pflag.FlagSet {
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Bind(set, to)
	return set
}

func TestFileSetsEveryKindOfKey(t *testing.T) {
	t.Setenv("RETORT_TEST_DATA", "rows.jsonl")
	s := settings{Steps: 1, Rate: 2}
	set := newSet(&s)
	require.NoError(t, set.Parse([]string{"--max_steps", "7"}))
	require.NoError(t, Apply(set, "run.yaml", []byte("dataset: ${RETORT_TEST_DATA}\nmax_steps: 3\nlearning_rate: 1e-4\npacking: True\nstop: [a, b]\n")))
	require.Equal(t, settings{Dataset: "rows.jsonl", Steps: 7, Rate: 1e-4, Packing: true, Stop: []string{"a", "b"}}, s, "the command line wins")
	require.Equal(t, []string{"config", "dataset", "learning_rate", "max_steps", "packing", "stop"}, Names(set))
}

func TestFileIsRefusedInTheWordsOfTheFile(t *testing.T) {
	for text, want := range map[string]string{
		"max_steps: many":              `run.yaml:1: max_steps: "many" is not a whole number`,
		"\nlearning_rate: fast":        `run.yaml:2: learning_rate: "fast" is not a number`,
		"packing: perhaps":             `run.yaml:1: packing: "perhaps" is not true or false`,
		"max_step: 1":                  `run.yaml:1: unknown key "max_step" (did you mean max_steps?)`,
		"config: other.yaml":           `run.yaml:1: unknown key "config"`,
		"stop: a\nstop: b":             `run.yaml:2: key "stop" stands twice`,
		"dataset: [a]":                 `run.yaml:1: dataset: a single value is expected`,
		"dataset:":                     `run.yaml:1: dataset: a single value is expected`,
		"- a":                          `run.yaml:1: a mapping of keys to values is expected`,
		"dataset: ${RETORT_NOT_SET_1}": `run.yaml:1: dataset: the environment has no RETORT_NOT_SET_1`,
		"a: b: c":                      `run.yaml: mapping values are not allowed in this context`,
	} {
		err := Apply(newSet(&settings{}), "run.yaml", []byte(text))
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n", text)
	}
}

// FuzzConfigFile holds configuration files to: no panic, whatever they contain, and an
// error of one line that names the file.
func FuzzConfigFile(f *testing.F) {
	for _, s := range []string{
		"max_steps: 3\nlearning_rate: 1e-4\npacking: true\n", "a: b", "- 1\n- 2", "max_steps: [1, 2]", "stop: [a, b]", "dataset: ${HOME}",
		"max_steps: &a 1\nlearning_rate: *a\n", "", "{", "max_steps: !!binary aGk=", "a: b: c", "dataset: |\n  a\n  b\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := Apply(newSet(&settings{}), "run.yaml", raw)
		if err == nil {
			return
		}
		require.True(t, strings.HasPrefix(err.Error(), "run.yaml:"), "%v", err)
		require.NotContains(t, err.Error(), "\n")
	})
}
