package rowfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// seen is what a walk over a file gave.
type seen struct {
	lines  []int
	texts  []string
	faults []error
}

func walk(t *testing.T, content []byte) (seen, error) {
	path := filepath.Join(t.TempDir(), "rows")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	var s seen
	err := Each(path, func(line int, text []byte, fault error) error {
		s.lines, s.texts, s.faults = append(s.lines, line), append(s.texts, string(text)), append(s.faults, fault)
		return nil
	})
	return s, err
}

func gzipped(t *testing.T, text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func zstandard(t *testing.T, text string) []byte {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll([]byte(text), nil)
}

func TestContainersGiveTheSameRows(t *testing.T) {
	lines := "\ufeff{\"a\":1}\r\n\n  {\"b\":\"]},[\\\"\"}\n{\"c\":[1,{}]}"
	array := "\n[ {\"a\":1},\n{\"b\":\"]},[\\\"\"}, {\"c\":[1,{}]}\n]\n"
	want := []string{`{"a":1}`, `{"b":"]},[\""}`, `{"c":[1,{}]}`}
	for name, c := range map[string]struct {
		content []byte
		lines   []int
	}{
		"lines": {[]byte(lines), []int{1, 3, 4}}, "lines.gz": {gzipped(t, lines), []int{1, 3, 4}}, "lines.zst": {zstandard(t, lines), []int{1, 3, 4}},
		"array": {[]byte(array), []int{1, 2, 3}}, "array.gz": {gzipped(t, array), []int{1, 2, 3}},
	} {
		s, err := walk(t, c.content)
		require.NoError(t, err, name)
		require.Equal(t, want, s.texts, name)
		require.Equal(t, c.lines, s.lines, name)
	}
}

func TestFaultsOfOneRowDoNotEndTheWalk(t *testing.T) {
	long := strings.Repeat("x", MaxLineBytes+1)
	for name, c := range map[string]struct {
		text   string
		faults []error
	}{
		"long line":       {"{}\n" + long + "\n{}", []error{nil, ErrLineTooLong, nil}},
		"no text":         {"{}\n\xff\n{}", []error{nil, ErrUTF8, nil}},
		"long element":    {"[{},\"" + long + "\",{}]", []error{nil, ErrLineTooLong, nil}},
		"cut array":       {"[{},{", []error{nil, ErrOpenArray}},
		"text behind":     {"[{}] {}", []error{nil, ErrAfterArray}},
		"empty array":     {"[]", nil},
		"blank":           {" \n", nil},
		"brackets closed": {"[}}]]", []error{nil, nil}},
	} {
		s, err := walk(t, []byte(c.text))
		require.NoError(t, err, name)
		if name == "brackets closed" { // nonsense is somebody's to parse, it only must end
			continue
		}
		require.Equal(t, c.faults, s.faults, name)
	}
}

func TestDamagedFilesNameTheirPlace(t *testing.T) {
	zipped := gzipped(t, strings.Repeat("{\"a\":1}\n", 1000))
	for name, content := range map[string][]byte{
		"gzip cut": zipped[:len(zipped)/2], "zstd cut": zstandard(t, strings.Repeat("{}\n", 1000))[:12],
		"Parquet cut": []byte("PAR1 and nothing more"), "gzip head": {0x1f, 0x8b, 9, 9},
	} {
		_, err := walk(t, content)
		require.Error(t, err, name)
		require.Contains(t, err.Error(), "rows:", name)
	}
	_, err := walk(t, []byte("PAR1 and nothing more"))
	require.ErrorIs(t, err, ErrParquet)
}

func TestErrorsOfVisitEndTheWalk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	require.NoError(t, os.WriteFile(path, []byte("{}\n{}\n{}"), 0o600))
	stop, calls := errors.New("stop"), 0
	err := Each(path, func(line int, _ []byte, _ error) error {
		calls++
		if line == 2 {
			return stop
		}
		return nil
	})
	require.ErrorIs(t, err, stop)
	require.Equal(t, 2, calls)
	require.ErrorContains(t, err, "rows:2: ")
}

type turn struct {
	Role string `json:"role" parquet:"role"`
}

type record struct {
	Question string `json:"question" parquet:"question"`
	Turns    []turn `json:"turns" parquet:"turns,list"`
	Useful   *bool  `json:"useful,omitempty" parquet:"useful,optional"`
}

func TestWritersAndReaderAgree(t *testing.T) {
	yes := true
	rows := []record{{"1 < 2?", []turn{{"user"}, {"tool"}}, &yes}, {"ö", []turn{}, nil}}
	want := []string{`{"question":"1 < 2?","turns":[{"role":"user"},{"role":"tool"}],"useful":true}`, `{"question":"ö","turns":[]}`}
	for _, name := range []string{"x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "x.parquet", "x.JSON"} {
		var out bytes.Buffer
		w, err := NewWriter(&out, name, record{})
		require.NoError(t, err, name)
		for _, r := range rows {
			require.NoError(t, w.Write(r), name)
		}
		require.NoError(t, w.Close(), name)
		s, err := walk(t, out.Bytes())
		require.NoError(t, err, name)
		require.Len(t, s.texts, 2, name)
		for i := range want {
			require.JSONEq(t, want[i], s.texts[i], name)
		}
	}
	for _, name := range []string{"x", "x.csv", "x.parquet.gz", ""} {
		_, err := NewWriter(&bytes.Buffer{}, name, record{})
		require.ErrorIs(t, err, ErrContainer, name)
	}
}

func TestParquetOfSeveralRowGroupsKeepsItsOrder(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, "x.parquet", record{})
	require.NoError(t, err)
	for i := range rowsPerGroup + 2 {
		require.NoError(t, w.Write(record{Question: strconv.Itoa(i)}))
	}
	require.NoError(t, w.Close())
	s, err := walk(t, out.Bytes())
	require.NoError(t, err)
	require.Len(t, s.texts, rowsPerGroup+2)
	for i, text := range s.texts {
		require.Contains(t, text, `"question":"`+strconv.Itoa(i)+`"`)
	}
}

// TestForeignParquetIsRead: testdata/make.py wrote the files with pyarrow, as the hub has them.
func TestForeignParquetIsRead(t *testing.T) {
	for _, codec := range []string{"snappy", "zstd"} {
		content, err := os.ReadFile(filepath.Join("testdata", codec+".parquet"))
		require.NoError(t, err)
		s, err := walk(t, content)
		require.NoError(t, err)
		require.Len(t, s.texts, 3)
		require.JSONEq(t, `{"question":"Wie viele?","answer":"1+1=2\n#### 2","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"labels":[true,false],"completions":[],"score":0.5}`, s.texts[0])
		require.JSONEq(t, `{"question":"q1","answer":"#### 1","messages":[],"labels":[],"completions":["a","b"],"n":7}`, s.texts[1])
		require.JSONEq(t, `{"question":"q2"}`, s.texts[2], "null columns are no keys")
		for cut := 4; cut < len(content); cut += 41 { // damaged; none ends the process
			_, err := walk(t, content[:cut])
			require.ErrorIs(t, err, ErrParquet)
		}
	}
}

// TestDamagedParquetEndsInAnError: a byte changed gives rows or an error, never a panic.
func TestDamagedParquetEndsInAnError(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("testdata", "snappy.parquet"))
	require.NoError(t, err)
	for at := 4; at < len(content); at += 17 {
		broken := bytes.Clone(content)
		broken[at] ^= 0x55
		require.NotPanics(t, func() { _, _ = walk(t, broken) }, at)
	}
}

func TestRejectsLieBesideTheOutput(t *testing.T) {
	for name, want := range map[string]string{
		"a/b.jsonl": "a/b.rejects.jsonl", "b.jsonl.gz": "b.rejects.jsonl.gz", "b.v1.jsonl.zst": "b.v1.rejects.jsonl.zst", "b.parquet": "b.rejects.jsonl",
	} {
		require.Equal(t, want, RejectsName(name))
	}
}

func FuzzEach(f *testing.F) {
	for _, seed := range []string{"{}\n{}", "[{},{}]", "PAR1", "\x1f\x8b", "\x28\xb5\x2f\xfd", "[\"]\\\"\",{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		last := 0
		path := filepath.Join(t.TempDir(), "rows")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_ = Each(path, func(line int, text []byte, fault error) error {
			require.Greater(t, line, last)
			require.True(t, fault != nil || len(text) > 0)
			last = line
			return nil
		})
	})
}
