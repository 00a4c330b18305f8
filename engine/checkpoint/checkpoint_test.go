package checkpoint

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func text(s string) FileWriter {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestWrittenCheckpointHoldsTheFilesAndVerifies(t *testing.T) {
	dir := Dir(t.TempDir(), 7)
	require.NoError(t, Write(dir, map[string]FileWriter{"b": text("bee"), "a": text(""), "c": content(1)["model.safetensors"]}))
	m, err := Verify(dir)
	require.NoError(t, err)
	require.Equal(t, "a", m.Files[0].Name)
	require.Equal(t, FileEntry{"b", 3, "62cb81b5904a262ffaeed02abef36bfc540b09f964b8b0b636662f77ffce6714"}, hashOf(t, m, "b"))
	raw, err := os.ReadFile(filepath.Join(dir, "b"))
	require.NoError(t, err)
	require.Equal(t, "bee", string(raw))
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "no temporary folder stays behind")
}

func hashOf(t *testing.T, m Manifest, name string) FileEntry {
	for _, e := range m.Files {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("%s is not in the manifest", name)
	return FileEntry{}
}

func TestEveryFlippedBitIsNoticedAndThePreviousCheckpointUsed(t *testing.T) {
	out := t.TempDir()
	small := map[string]FileWriter{"model.safetensors": text("\x08\x00\x00\x00\x00\x00\x00\x00{}      abc"), "rng_state.json": text(`{"seed":7}`)}
	require.NoError(t, Write(Dir(out, 1), small))
	require.NoError(t, Write(Dir(out, 2), small))
	flips := 0
	for _, name := range []string{"model.safetensors", "rng_state.json", manifestName} {
		path := filepath.Join(Dir(out, 2), name)
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := range raw {
			for bit := range 8 {
				raw[i] ^= 1 << bit
				require.NoError(t, os.WriteFile(path, raw, 0o644))
				_, err := Verify(Dir(out, 2))
				var v *VerifyError
				require.True(t, errors.As(err, &v), "%s byte %d bit %d: %v", name, i, bit, err)
				if name != manifestName {
					require.ErrorIs(t, err, ErrWrongHash)
					require.Equal(t, name, v.File)
				}
				raw[i] ^= 1 << bit
				flips++
			}
			raw[i]++ // the fall-back, once a byte
			require.NoError(t, os.WriteFile(path, raw, 0o644))
			_, step, skipped, err := Latest(out)
			require.NoError(t, err)
			require.Equal(t, 1, step)
			require.Len(t, skipped, 1)
			require.Contains(t, skipped[0].Error(), "checkpoint-2")
			raw[i]--
		}
		require.NoError(t, os.WriteFile(path, raw, 0o644))
	}
	require.Greater(t, flips, 1000)
	_, step, skipped, err := Latest(out)
	require.NoError(t, err)
	require.Empty(t, skipped)
	require.Equal(t, 2, step)
}

func TestDamageIsNamed(t *testing.T) {
	cases := []struct {
		name   string
		damage func(dir string) error
		want   error
		file   string
	}{
		{"missing", func(d string) error { return os.Remove(d + "/optimizer.bin") }, ErrMissingFile, "optimizer.bin"},
		{"extra", func(d string) error { return os.WriteFile(d+"/extra", nil, 0o644) }, ErrExtraFile, "extra"},
		{"extra folder", func(d string) error { return os.Mkdir(d+"/sub", 0o755) }, ErrExtraFile, "sub"},
		{"truncated", func(d string) error { return os.Truncate(d+"/model.safetensors", 5) }, ErrWrongSize, "model.safetensors"},
		{"emptied", func(d string) error { return os.Truncate(d+"/model.safetensors", 0) }, ErrWrongSize, "model.safetensors"},
		{"grown", func(d string) error { return os.Truncate(d+"/trainer_state.json", 99) }, ErrWrongSize, "trainer_state.json"},
		{"no manifest", func(d string) error { return os.Remove(d + "/manifest.json") }, ErrNoManifest, manifestName},
		{"empty manifest", func(d string) error { return os.Truncate(d+"/manifest.json", 0) }, ErrBadManifest, manifestName},
		{"manifest of nothing", func(d string) error { return os.WriteFile(d+"/manifest.json", []byte("{}"), 0o644) }, ErrBadManifest, manifestName},
		{"manifest leads out", func(d string) error {
			m := Manifest{manifestFormat, []FileEntry{{"../../secret", 0, strings.Repeat("0", 64)}}}
			return os.WriteFile(d+"/manifest.json", m.encode(), 0o644)
		}, ErrBadManifest, manifestName},
		{"manifest names a file twice", func(d string) error {
			m := Manifest{manifestFormat, []FileEntry{{"a", 0, ""}, {"a", 0, ""}}}
			return os.WriteFile(d+"/manifest.json", m.encode(), 0o644)
		}, ErrBadManifest, manifestName},
		{"manifest of another format", func(d string) error {
			m := Manifest{manifestFormat + 1, []FileEntry{{"a", 0, ""}}}
			return os.WriteFile(d+"/manifest.json", m.encode(), 0o644)
		}, ErrBadManifest, manifestName},
		{"folder gone", os.RemoveAll, ErrNoManifest, manifestName},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := Dir(t.TempDir(), 1)
			require.NoError(t, Write(dir, content(1)))
			require.NoError(t, c.damage(dir))
			_, err := Verify(dir)
			require.ErrorIs(t, err, c.want)
			var v *VerifyError
			require.ErrorAs(t, err, &v)
			require.Equal(t, c.file, v.File)
			require.Contains(t, err.Error(), dir)
		})
	}
}

func TestLatestCountsNumbersAndIgnoresOtherNames(t *testing.T) {
	out := t.TempDir()
	for _, step := range []int{9, 100, 20} {
		require.NoError(t, Write(Dir(out, step), content(step)))
	}
	for _, other := range []string{"checkpoint-", "checkpoint-0200", "checkpoint--5", "checkpoint-1e3", "checkpoint-x", ".retort-tmp-checkpoint-300", ".retort-removed-checkpoint-400"} {
		require.NoError(t, os.Mkdir(filepath.Join(out, other), 0o755))
	}
	path, step, skipped, err := Latest(out)
	require.NoError(t, err)
	require.Equal(t, 100, step)
	require.Equal(t, Dir(out, 100), path)
	require.Empty(t, skipped)
	removed, err := Clean(out)
	require.NoError(t, err)
	require.Equal(t, []string{".retort-removed-checkpoint-400", ".retort-tmp-checkpoint-300"}, removed)
}

func TestLatestOfNothingSaysSo(t *testing.T) {
	out := t.TempDir()
	for _, dir := range []string{out, filepath.Join(out, "absent")} {
		_, _, _, err := Latest(dir)
		require.ErrorIs(t, err, ErrNotFound)
	}
	require.NoError(t, os.Mkdir(Dir(out, 3), 0o755))
	_, _, skipped, err := Latest(out)
	require.ErrorIs(t, err, ErrNotFound)
	require.Len(t, skipped, 1)
	require.ErrorIs(t, skipped[0], ErrNoManifest)
}

func TestPruneKeepsTheNewestAndNeedsItWhole(t *testing.T) {
	out := t.TempDir()
	for step := 1; step <= 12; step++ {
		require.NoError(t, Write(Dir(out, step), content(step)))
	}
	require.NoError(t, Prune(out, 0))
	require.NoError(t, Prune(out, 99))
	require.NoError(t, Prune(out, 3))
	steps, err := Steps(out)
	require.NoError(t, err)
	require.Equal(t, []int{10, 11, 12}, steps)

	require.NoError(t, os.Truncate(filepath.Join(Dir(out, 12), "optimizer.bin"), 1))
	require.ErrorIs(t, Prune(out, 1), ErrWrongSize)
	steps, err = Steps(out)
	require.NoError(t, err)
	require.Equal(t, []int{10, 11, 12}, steps, "nothing goes while the newest is broken")

	require.NoError(t, Remove(Dir(out, 12)))
	require.NoError(t, Prune(out, 1))
	_, step, skipped, err := Latest(out)
	require.NoError(t, err)
	require.Empty(t, skipped)
	require.Equal(t, 11, step)
}

func TestWriteKeepsAWholeCheckpointAndReplacesABrokenOne(t *testing.T) {
	dir := Dir(t.TempDir(), 5)
	require.NoError(t, Write(dir, content(1)))
	err := Write(dir, content(2))
	require.ErrorIs(t, err, ErrExists)
	require.ErrorIs(t, err, fs.ErrExist)
	require.NoError(t, os.Truncate(filepath.Join(dir, "optimizer.bin"), 1))
	require.NoError(t, Write(dir, content(2)))
	raw, err := os.ReadFile(filepath.Join(dir, "trainer_state.json"))
	require.NoError(t, err)
	require.Equal(t, `{"global_step": 2}`, string(raw))
}

func TestWriteRefusesNamesThatLeaveTheFolder(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc/x", manifestName, "bad\xffutf8"} {
		out := t.TempDir()
		require.Error(t, Write(Dir(out, 1), map[string]FileWriter{name: text("x")}), "%q", name)
		names, err := os.ReadDir(out)
		require.NoError(t, err)
		require.Empty(t, names)
	}
	require.Error(t, Write(Dir(t.TempDir(), 1), nil))
}

func TestContentErrorLeavesNothing(t *testing.T) {
	out := t.TempDir()
	bad := errors.New("tensor wte holds NaN")
	fails := func(io.Writer) error { return bad }
	require.ErrorIs(t, Write(Dir(out, 1), map[string]FileWriter{"a": text("x"), "b": fails}), bad)
	require.ErrorIs(t, WriteFile(filepath.Join(out, "report.json"), fails), bad)
	names, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestWriteFileReplacesTheWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all_results.json")
	for _, s := range []string{"first and long", "second", ""} {
		require.NoError(t, WriteFile(path, text(s)))
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, s, string(raw))
	}
	var op *OpError
	require.ErrorAs(t, WriteFile(filepath.Join(t.TempDir(), "absent", "x"), text("")), &op)
	require.ErrorIs(t, op, fs.ErrNotExist)
}

func TestLockKeepsTwoRunsApartAndNamesTheHolder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new", "run")
	release, err := Lock(out)
	require.NoError(t, err)
	_, err = Lock(out)
	require.ErrorIs(t, err, ErrLocked)
	require.Contains(t, err.Error(), "process "+strconv.Itoa(os.Getpid()))
	require.Contains(t, err.Error(), out)
	release()
	release, err = Lock(out)
	require.NoError(t, err)
	release()
	require.NoError(t, os.WriteFile(filepath.Join(out, "file"), nil, 0o644))
	_, err = Lock(filepath.Join(out, "file"))
	require.Error(t, err)
}

// childEnv makes TestKilledWritersLeaveWholeCheckpoints' copy of this binary
// the writer that gets killed.
const childEnv = "RETORT_CHECKPOINT_CHILD"

func TestMain(m *testing.M) {
	out := os.Getenv(childEnv)
	if out == "" {
		os.Exit(m.Run())
	}
	_, err := Lock(out)
	must(err)
	_, err = Clean(out)
	must(err)
	_, step, _, err := Latest(out)
	if !errors.Is(err, ErrNotFound) {
		must(err)
	}
	for {
		step++
		must(Write(Dir(out, step), content(step)))
		must(Prune(out, 2))
		fmt.Println(step)
	}
}

func TestKilledWritersLeaveWholeCheckpoints(t *testing.T) {
	out := t.TempDir()
	promised := 0
	for round := range 6 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+out)
		pipe, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(pipe)
		require.True(t, lines.Scan(), "the writer wrote something")
		time.AfterFunc(time.Duration(round*3+1)*time.Millisecond, func() { _ = child.Process.Kill() })
		for more := true; more; more = lines.Scan() {
			promised, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
		}
		require.Error(t, child.Wait(), "it was killed")
		_, step, skipped, err := Latest(out)
		require.NoError(t, err)
		require.Empty(t, skipped, "round %d", round)
		require.GreaterOrEqual(t, step, promised)
	}
}
