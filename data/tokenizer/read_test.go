package tokenizer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tiny is a valid tokenizer.json of five tokens and one added one; cases replace a part of it.
const tiny = `{"added_tokens":[{"id":5,"content":"<e>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"post_processor":null,"decoder":{"type":"ByteLevel"},
"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4},"merges":["a b",["ab","c"]]}}`

func TestTinyTokenizer(t *testing.T) {
	tok, err := FromJSON("tiny", []byte(tiny))
	require.NoError(t, err)
	require.Equal(t, []int32{4, 5, 3, 3, 0}, tok.Encode("abc<e>ababxa"))
	require.Equal(t, []int32{9, 4}, tok.AppendEncode([]int32{9}, "abc"))
	require.Equal(t, "abc<e>ab", tok.Decode([]int32{4, 5, -1, 6, 3}, false))
	require.Equal(t, "abcab", tok.Decode([]int32{4, 5, 3}, true))
	require.Equal(t, 6, tok.VocabSize())
	require.True(t, tok.IsSpecial(5))
	require.False(t, tok.IsSpecial(4))
	id, ok := tok.ID("<e>")
	require.True(t, ok)
	require.Equal(t, int32(5), id)
	_, ok = tok.ID("zz")
	require.False(t, ok)
	token, ok := tok.Token(3)
	require.True(t, ok)
	require.Equal(t, "ab", token)
	_, ok = tok.Token(6)
	require.False(t, ok)
	data, err := tok.JSON()
	require.NoError(t, err)
	require.Equal(t, tiny, string(data))
}

func TestMalformedTokenizersAreRefused(t *testing.T) {
	preTokenizer := `{"type":"ByteLevel","add_prefix_space":false}`
	split := func(pattern, how string) string {
		return `{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"Split","pattern":` + pattern + `,"behavior":"` + how + `","invert":false}]}`
	}
	vocab := `{"a":0,"b":1,"c":2,"ab":3,"abc":4}`
	for name, c := range map[string]struct {
		old, new string
		kind     error
		says     string
	}{
		"empty file":                  {tiny, ``, ErrJSON, "line 1"},
		"cut file":                    {tiny, tiny[:200], ErrJSON, "line 2"},
		"text behind the end":         {tiny, tiny + "x", ErrJSON, "line 3"},
		"not UTF-8":                   {`"abc":4`, "\"\xff\":4", ErrJSON, "UTF-8"},
		"an array":                    {tiny, `[]`, ErrJSON, "not an object"},
		"no model":                    {`"model"`, `"Model"`, ErrNoModel, "model"},
		"null model":                  {tiny, `{"model":null}`, ErrNoModel, "model"},
		"no vocabulary":               {`"vocab"`, `"Vocab"`, ErrNoModel, "model.vocab"},
		"vocabulary is a list":        {vocab, `[1]`, ErrJSON, "model.vocab"},
		"unknown model":               {`"BPE"`, `"Unigram"`, ErrUnknownModel, "Unigram"},
		"dropout":                     {`"vocab"`, `"dropout":0.1,"vocab"`, ErrUnknownModel, "dropout"},
		"model type is a number":      {`"BPE"`, `5`, ErrJSON, "model.type"},
		"flag is a string":            {`"vocab"`, `"fuse_unk":"yes","vocab"`, ErrJSON, "model.fuse_unk"},
		"negative id":                 {`"abc":4`, `"abc":-4`, ErrBadID, "abc"},
		"id with a fraction":          {`"abc":4`, `"abc":4.5`, ErrBadID, "4.5"},
		"null id":                     {`"abc":4`, `"abc":null`, ErrBadID, "null"},
		"id is a list":                {`"abc":4`, `"abc":[4]`, ErrBadID, "abc"},
		"id beyond int32":             {`"abc":4`, `"abc":4294967300`, ErrBadID, "4294967300"},
		"hole in the ids":             {`"abc":4`, `"abc":7`, ErrNotDense, "7"},
		"huge id":                     {`"abc":4`, `"abc":2000000000`, ErrNotDense, "2000000000"},
		"hole before an added token":  {`"id":5`, `"id":6`, ErrNotDense, "<e>"},
		"duplicate id":                {`"abc":4`, `"abc":3`, ErrDuplicateID, `"ab" and "abc"`},
		"duplicate token":             {`"abc":4`, `"ab":4`, ErrDuplicateToken, `"ab"`},
		"duplicate escaped token":     {`"abc":4`, `"\u0061b":4`, ErrDuplicateToken, `"ab"`},
		"added token twice":           {`"added_tokens":[`, `"added_tokens":[{"id":6,"content":"<e>"},`, ErrDuplicateToken, "<e>"},
		"added token takes an id":     {`"id":5`, `"id":4`, ErrAddedToken, `"abc"`},
		"added token contradicts":     {`"<e>"`, `"ab"`, ErrAddedToken, "model.vocab says 3"},
		"added token without content": {`"<e>"`, `""`, ErrAddedToken, "added_tokens[0]"},
		"added token without id":      {`"id":5,`, ``, ErrBadID, "added_tokens[0].id"},
		"added token is a string":     {`"added_tokens":[`, `"added_tokens":["x",`, ErrJSON, "added_tokens[0]"},
		"merges missing":              {`"merges"`, `"Merges"`, ErrMerge, "model.merges"},
		"merges an object":            {`["a b",["ab","c"]]`, `{}`, ErrMerge, "model.merges"},
		"merge of one":                {`"a b"`, `"ab"`, ErrMerge, "merges[0]"},
		"merge of three":              {`["ab","c"]`, `["a","b","c"]`, ErrMerge, "merges[1]"},
		"merge of three words":        {`"a b"`, `"a b c"`, ErrMerge, "merges[0]"},
		"merge of numbers":            {`["ab","c"]`, `[1,2]`, ErrMerge, "merges[1]"},
		"merge is a number":           {`"a b"`, `7`, ErrMerge, "merges[0]"},
		"empty merge":                 {`["ab","c"]`, `[]`, ErrMerge, "merges[1]"},
		"merge of an unknown token":   {`"a b"`, `"a x"`, ErrMergeToken, `"x"`},
		"merge into an unknown token": {`"a b"`, `"b a"`, ErrMergeToken, `"ba"`},
		"unknown pre-tokenizer":       {preTokenizer, `{"type":"Metaspace"}`, ErrUnknownComponent, `pre_tokenizer: type "Metaspace"`},
		"unknown nested":              {preTokenizer, `{"type":"Sequence","pretokenizers":[{"type":"X"}]}`, ErrUnknownComponent, "pre_tokenizer.pretokenizers[0]"},
		"unknown behaviour":           {preTokenizer, split(`{"String":"x"}`, "isolate"), ErrUnknownComponent, "isolate"},
		"bad pattern":                 {preTokenizer, split(`{"Regex":"(x"}`, "Isolated"), ErrPattern, "(x"},
		"no pattern":                  {preTokenizer, split(`{}`, "Isolated"), ErrPattern, "pretokenizers[1]"},
		"unknown normalizer":          {`"normalizer":null`, `"normalizer":{"type":"Precompiled"}`, ErrUnknownComponent, "Precompiled"},
		"unknown nested normalizer":   {`"normalizer":null`, `"normalizer":{"type":"Sequence","normalizers":[{"type":"X"}]}`, ErrUnknownComponent, "normalizers[0]"},
		"unknown decoder":             {`{"type":"ByteLevel"}`, `{"type":"Metaspace"}`, ErrUnknownComponent, "decoder"},
		"two decoders":                {`{"type":"ByteLevel"}`, `{"type":"Sequence","decoders":[{"type":"ByteLevel"},{"type":"ByteLevel"}]}`, ErrUnknownComponent, "decoders[1]"},
		"unknown post-processor":      {`"post_processor":null`, `"post_processor":{"type":"X"}`, ErrUnknownComponent, "post_processor"},
		"component is a string":       {`"normalizer":null`, `"normalizer":"NFC"`, ErrJSON, "normalizer"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, tiny, c.old)
			_, err := FromJSON("some/tokenizer.json", []byte(strings.Replace(tiny, c.old, c.new, 1)))
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "some/tokenizer.json")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestFromFileNamesTheMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	_, err := FromFile(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(path, []byte(tiny), 0o600))
	_, err = FromFile(path)
	require.NoError(t, err)
}

func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(tiny), "abc<e> x")
	for _, seed := range []string{
		strings.Replace(tiny, `"normalizer":null`, `"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]}`, 1),
		strings.Replace(tiny, `"BPE"`, `"BPE","unk_token":"a","fuse_unk":true,"byte_fallback":true`, 1),
		strings.Replace(tiny, `"BPE"`, `"WordLevel","unk_token":"a"`, 1),
		strings.Replace(tiny, `{"type":"ByteLevel","add_prefix_space":false}`, `{"type":"Split","pattern":{"Regex":"\\s*\\w+"},"behavior":"Contiguous"}`, 1),
	} {
		f.Add([]byte(seed), "ab c 12\n")
	}
	kinds := []error{ErrJSON, ErrNoModel, ErrUnknownModel, ErrUnknownComponent, ErrPattern, ErrBadID, ErrDuplicateID,
		ErrDuplicateToken, ErrNotDense, ErrMerge, ErrMergeToken, ErrAddedToken}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if strings.Contains(string(data), "Regex") && len(text) > 30 {
			return // a pattern may backtrack exponentially
		}
		tok, err := FromJSON("fuzz", data)
		if err != nil {
			count := 0
			for _, kind := range kinds {
				if errors.Is(err, kind) {
					count++
				}
			}
			require.Equal(t, 1, count, "%v", err)
			return
		}
		for _, id := range tok.Encode(text) {
			require.True(t, id >= 0 && int(id) < tok.VocabSize())
		}
		tok.Decode([]int32{0, 1, 2, 3, 1 << 30}, true)
	})
}
