package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
)

// questions are n rows that ask different things.
func questions(n int) (rows []data.Row) {
	for i := range n {
		rows = append(rows, data.PairRow(i, data.Pair{Question: fmt.Sprintf("What is number %d of the list, if it is any?", i), Answer: "1"}))
	}
	return rows
}

func TestTrainingLeavesOutWhatTheEvaluationAsks(t *testing.T) {
	evaluation := filepath.Join(t.TempDir(), "eval.jsonl")
	require.NoError(t, os.WriteFile(evaluation, []byte(`{"question":"What is number 3 of the list if it is any"}`+"\n"+`{"question":"Something else?"}`), 0o600))
	var notes []string
	note := func(line string) { notes = append(notes, line) }

	rows, err := withoutEvaluation(questions(100), evaluation, false, note)
	require.NoError(t, err)
	require.Len(t, rows, 99, "one in a hundred is dropped")
	require.Len(t, notes, 1)
	require.Contains(t, notes[0], "1 rows dropped")
	require.Contains(t, notes[0], "row 4 repeats "+evaluation+":1: the same question")

	_, err = withoutEvaluation(questions(99), evaluation, false, note)
	require.ErrorIs(t, err, ErrBadInput)
	require.ErrorContains(t, err, "1 of 99 rows ask what the evaluation asks")
	require.ErrorContains(t, err, "allow_contamination")

	notes = nil
	rows, err = withoutEvaluation(questions(99), evaluation, true, note)
	require.NoError(t, err)
	require.Len(t, rows, 99)
	require.Contains(t, notes[0], "1 rows kept")

	notes = nil
	rows, err = withoutEvaluation(questions(50), "", false, note)
	require.NoError(t, err)
	require.Len(t, rows, 50)
	require.Empty(t, notes)

	said := questions(3)
	said[1].Split = "test"
	_, err = withoutEvaluation(said, "", false, note)
	require.ErrorContains(t, err, "the row says that it is of a test split")
	_, err = withoutEvaluation(said, "nowhere.jsonl", false, note)
	require.ErrorIs(t, err, ErrBadInput)
}

func TestTrainingOnTheTestSplitOfGSM8KIsRefused(t *testing.T) {
	path := func(name string) string { return filepath.Join("..", "..", "shared", "data", "gsm8k", name) }
	if _, err := os.Stat(path("test.jsonl")); err != nil {
		t.Skip("no gsm8k/test.jsonl beside the repository")
	}
	var notes []string
	note := func(line string) { notes = append(notes, line) }
	for name, refused := range map[string]bool{"test.jsonl": true, "example_model_solutions.jsonl": true, "test_socratic.jsonl": true, "train.jsonl": false, "train_socratic.jsonl": false} {
		rows, err := data.ReadRows(path(name))
		require.NoError(t, err)
		kept, err := withoutEvaluation(rows, "", false, note)
		if refused {
			require.ErrorContains(t, err, "1319 of 1319 rows are of a test split", name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, kept, len(rows))
	}
	require.Empty(t, notes)
	rows, err := data.ReadRows(path("test.jsonl"))
	require.NoError(t, err)
	kept, err := withoutEvaluation(rows[:smokeRows-1], "", false, note)
	require.NoError(t, err, "a trial is no training set")
	require.Len(t, kept, smokeRows-1)
	require.Contains(t, strings.Join(notes, "\n"), "19 rows kept, though they are of a test split")

	rows, err = data.ReadRows(path("train.jsonl"))
	require.NoError(t, err)
	kept, err = withoutEvaluation(rows, path("test.jsonl"), false, note)
	require.NoError(t, err)
	require.Len(t, kept, len(rows)-2)
}
