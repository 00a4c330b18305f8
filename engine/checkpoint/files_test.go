package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// studentFiles is a set whose files all hold its number; odd ones have a file more.
func studentFiles(number int) map[string]FileWriter {
	files := map[string]FileWriter{}
	for _, name := range []string{"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} {
		if name == "chat_template.jinja" && number%2 == 0 {
			continue
		}
		files[name] = func(w io.Writer) error {
			_, err := fmt.Fprint(w, name, " ", number)
			return err
		}
	}
	return files
}

// setOf tells which set is in out: 0 when there is no config.json, an error for a mixture.
func setOf(fs fileSystem) (int, error) {
	names, err := fs.list(out)
	if err != nil || !slices.Contains(names, "config.json") {
		return 0, err
	}
	read := func(name string) (string, error) {
		f, err := fs.open(filepath.Join(out, name))
		if err != nil {
			return "", err
		}
		raw, err := io.ReadAll(f)
		return string(raw), errors.Join(err, f.Close())
	}
	number := 0
	text, err := read("config.json")
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(text, "config.json %d", &number); err != nil {
		return 0, err
	}
	for name := range studentFiles(number) {
		text, err := read(name)
		if err != nil {
			return 0, err
		}
		if want := fmt.Sprint(name, " ", number); text != want {
			return 0, fmt.Errorf("%q beside a config.json of set %d", text, number)
		}
	}
	if number%2 == 0 && slices.Contains(names, "chat_template.jinja") {
		return 0, fmt.Errorf("set %d has the template of another", number)
	}
	return number, nil
}

func writeSet(fs fileSystem, number int) error {
	return store{fs}.writeFiles(out, studentFiles(number), "config.json", []string{"chat_template.jinja", "vocab.json"})
}

func TestEveryFailingOperationOfWriteFilesLeavesOneSetOrNone(t *testing.T) {
	for _, earlier := range []int{0, 1} { // without and with an earlier set
		for _, fault := range faults {
			for k := 1; ; k++ {
				mem := newMemFS()
				if earlier != 0 {
					require.NoError(t, writeSet(mem, earlier))
				}
				tap := &tap{fileSystem: mem, fault: fault, k: k}
				err := writeSet(tap, 2)
				if !tap.fired() {
					require.NoError(t, err)
					require.Greater(t, k, 15, "the write has more operations than that")
					break
				}
				where := fmt.Sprintf("%s at operation %d, earlier set %d", fault.name, k, earlier)
				requireTyped(t, err, fault, where)
				number, err := setOf(mem)
				require.NoError(t, err, where)
				require.Contains(t, []int{0, earlier, 2}, number, where)
				// The next attempt gets through, and nothing is left over.
				require.NoError(t, writeSet(mem, 4), where)
				number, err = setOf(mem)
				require.NoError(t, err, where)
				require.Equal(t, 4, number, where)
				names, err := mem.list(out)
				require.NoError(t, err)
				require.ElementsMatch(t, []string{"model.safetensors", "config.json", "tokenizer.json"}, names, where)
			}
		}
	}
}

func TestFullDiskWhileStagingLeavesTheEarlierSet(t *testing.T) {
	mem := newMemFS()
	require.NoError(t, writeSet(mem, 1))
	files := studentFiles(2)
	files["model.safetensors"] = func(io.Writer) error { return errKilled }
	require.ErrorIs(t, store{mem}.writeFiles(out, files, "config.json", nil), errKilled)
	number, err := setOf(mem)
	require.NoError(t, err)
	require.Equal(t, 1, number)
}

// setsUnderPowerCuts writes sets and cuts the power before every file operation.
func setsUnderPowerCuts(wrap func(fileSystem) fileSystem) (cuts int, broken error) {
	mem := newMemFS()
	promised, writing := 0, 0
	check := func() {
		for seed := range uint64(4) {
			cfg := vfs.CrashCloneCfg{}
			if seed > 0 {
				cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, uint64(cuts)))}
			}
			cuts++
			number, err := setOf(memFS{mem.mem.CrashClone(cfg)})
			between := number == 0 && promised != writing // the old one is gone, the new not there
			if err == nil && number != promised && number != writing && !between {
				err = fmt.Errorf("set %d, promised %d", number, promised)
			}
			if err != nil && broken == nil {
				broken = fmt.Errorf("cut %d while writing %d: %w", cuts, writing, err)
			}
		}
	}
	tap := &tap{fileSystem: wrap(mem), before: check}
	for number := 1; number <= 4; number++ {
		writing = number
		must(writeSet(tap, number))
		promised = number
	}
	check()
	return cuts, broken
}

func TestNoPowerCutMixesTwoSets(t *testing.T) {
	cuts, broken := setsUnderPowerCuts(func(fs fileSystem) fileSystem { return fs })
	require.NoError(t, broken)
	require.Greater(t, cuts, 200)
}

// lossySet drops one kind of fsync of WriteFiles.
type lossySet struct {
	fileSystem
	files bool // those of the files, else those of out
}

func (l lossySet) create(name string) (file, error) {
	f, err := l.fileSystem.create(name)
	if l.files {
		return unsynced{f}, err
	}
	return f, err
}

func (l lossySet) syncDir(dir string) error {
	if !l.files && dir == out {
		return nil
	}
	return l.fileSystem.syncDir(dir)
}

func TestPowerCutsNoticeTheFsyncsThatASetNeeds(t *testing.T) {
	for _, files := range []bool{true, false} {
		_, broken := setsUnderPowerCuts(func(fs fileSystem) fileSystem { return lossySet{fs, files} })
		require.Error(t, broken)
		t.Log(broken)
	}
}
