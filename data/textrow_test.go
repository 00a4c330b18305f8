package data

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHalvesOfSurrogatePairsAreFound(t *testing.T) {
	for text, lone := range map[string]bool{
		`"plain"`: false, `"\ud83d\ude00"`: false, `"\uD83D\uDE00\ud83d\ude00"`: false, `"\\ud83d"`: false, `"\u00e9\n\""`: false, `"�"`: false, `"\ufffd"`: false,
		`"\ud83d"`: true, `"\ude00"`: true, `"\ude00\ud83d"`: true, `"\ud83d \ude00"`: true, `"\ud83d\n"`: true, `"\ud83d\ud83d\ude00"`: true, `["\ud83d","\ude00"]`: true,
	} {
		require.Equal(t, lone, loneSurrogate([]byte(text)), text)
	}
}

func TestTextRowsAreReadAsStrictlyAsRows(t *testing.T) {
	row, err := ParseTextRow([]byte(`{"text": "a", "other": 1}`))
	require.NoError(t, err)
	require.Equal(t, TextRow{Text: "a"}, row)
	row, err = ParseTextRow([]byte(`{"messages": [{"role": "user", "content": "a"}], "add_generation_prompt": true}`))
	require.NoError(t, err)
	require.Equal(t, TextRow{Messages: []Message{{"user", "a"}}, AddGenerationPrompt: true}, row)
	for text, want := range map[string]string{
		`[]`: "must be a JSON object", `{`: "bad JSON", `{}`: "neither", `{"Text": "a"}`: "neither", `{"text": null}`: "must be a string", `{"text": 1}`: "must be a string",
		`{"text": "a", "text": "b"}`: "occurs twice", `{"text": "a", "messages": []}`: "both", `{"messages": []}`: "empty list", `{"messages": [{"role": "user"}]}`: `missing key "content"`,
		`{"messages": [{"role": "user", "content": "a"}], "add_generation_prompt": 1}`: "must be true or false", `{"text": "a", "add_generation_prompt": true}`: "goes with messages",
		`{"text": "\ud800"}`: "surrogate",
	} {
		_, err := ParseTextRow([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
