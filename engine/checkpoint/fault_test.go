package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// content is a checkpoint whose bytes depend on step, with one file of more
// than a block.
func content(step int) map[string]FileWriter {
	text := func(s string) FileWriter {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	return map[string]FileWriter{
		"model.safetensors":  text(strings.Repeat(fmt.Sprintf("weights %d ", step), 900)),
		"optimizer.bin":      text(fmt.Sprintf("moments %d", step)),
		"trainer_state.json": text(fmt.Sprintf(`{"global_step": %d}`, step)),
	}
}

// whole fails unless every folder called checkpoint-N verifies, old ones too,
// and returns the newest step.
func whole(fs fileSystem) (newest int, err error) {
	s := store{fs}
	steps, err := s.steps(out)
	if err != nil {
		return 0, err
	}
	if len(steps) == 0 {
		return 0, ErrNotFound
	}
	for _, step := range steps {
		if _, err := s.verify(Dir(out, step)); err != nil {
			return 0, fmt.Errorf("half a checkpoint: %w", err)
		}
	}
	return steps[len(steps)-1], nil
}

func TestEveryFailingOperationOfWriteIsTypedAndSparesTheEarlierCheckpoint(t *testing.T) {
	for _, broken := range []bool{false, true} { // with a broken folder in the way, and without
		for _, fault := range faults {
			for k := 1; ; k++ {
				mem := newMemFS()
				plain := store{mem}
				require.NoError(t, plain.write(Dir(out, 10), content(10)))
				if broken {
					require.NoError(t, plain.write(Dir(out, 20), content(20)))
					require.NoError(t, mem.remove(filepath.Join(Dir(out, 20), "optimizer.bin")))
				}
				tap := &tap{fileSystem: mem, fault: fault, k: k}
				err := store{tap}.write(Dir(out, 20), content(20))
				if !tap.fired() {
					require.NoError(t, err)
					require.Greater(t, k, 15, "the write has more operations than that")
					break
				}
				where := fmt.Sprintf("%s at operation %d", fault.name, k)
				requireTyped(t, err, fault, where)
				if _, err := plain.verify(Dir(out, 10)); err != nil {
					t.Fatalf("%s: the earlier checkpoint is gone: %v", where, err)
				}
				path, step, skipped, err := plain.latest(out)
				require.NoError(t, err, where)
				require.Contains(t, []int{10, 20}, step, where)
				require.Equal(t, Dir(out, step), path, where)
				if !broken {
					require.Empty(t, skipped, where)
				}
				// The next attempt gets through.
				if err := plain.write(Dir(out, 20), content(20)); err != nil {
					require.ErrorIs(t, err, ErrExists, where)
				}
				_, err = plain.clean(out)
				require.NoError(t, err, where)
				names, err := mem.list(out)
				require.NoError(t, err)
				require.ElementsMatch(t, []string{"checkpoint-10", "checkpoint-20"}, names, where)
			}
		}
	}
}

func requireTyped(t *testing.T, err error, f fault, where string) {
	t.Helper()
	require.Error(t, err, where)
	var op *OpError
	var verify *VerifyError
	require.True(t, errors.As(err, &op) || errors.As(err, &verify), "%s: untyped error %v", where, err)
	require.NotContains(t, err.Error(), "\n", where)
	if f.err != nil {
		require.ErrorIs(t, err, f.err, where)
	}
}

func TestEveryFailingOperationOfPruneSparesWhatItKeeps(t *testing.T) {
	for _, fault := range faults {
		for k := 1; ; k++ {
			mem := newMemFS()
			plain := store{mem}
			for step := 10; step <= 40; step += 10 {
				require.NoError(t, plain.write(Dir(out, step), content(step)))
			}
			tap := &tap{fileSystem: mem, fault: fault, k: k}
			err := store{tap}.prune(out, 2)
			where := fmt.Sprintf("%s at operation %d", fault.name, k)
			if tap.fired() {
				requireTyped(t, err, fault, where)
			} else {
				require.NoError(t, err, where)
			}
			step, wholeErr := whole(mem)
			require.NoError(t, wholeErr, where)
			require.Equal(t, 40, step, where)
			_, verifyErr := plain.verify(Dir(out, 30))
			require.NoError(t, verifyErr, where)
			require.NoError(t, plain.prune(out, 2), where)
			_, err = plain.clean(out)
			require.NoError(t, err, where)
			names, err := mem.list(out)
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"checkpoint-30", "checkpoint-40"}, names, where)
			if !tap.fired() {
				break
			}
		}
	}
}

func TestReadErrorNeverMakesAWholeCheckpointReplaceable(t *testing.T) {
	mem := newMemFS()
	plain := store{mem}
	require.NoError(t, plain.write(Dir(out, 10), content(10)))
	for k := 1; ; k++ {
		tap := &tap{fileSystem: mem, fault: faults[0], k: k}
		err := store{tap}.write(Dir(out, 10), content(11))
		require.Error(t, err)
		_, verifyErr := plain.verify(Dir(out, 10))
		require.NoError(t, verifyErr)
		if !tap.fired() {
			require.ErrorIs(t, err, ErrExists)
			break
		}
	}
}

// mutant drops one kind of fsync.
type mutant struct {
	fileSystem
	loses   string
	renamed string // the last rename's target
}

// mutants are the fsyncs whose absence a power cut shows. That of the output
// folder in a removal is not among them: the simulation never loses a file
// that was synced and then deleted.
var mutants = []string{"checkpoint's files", "checkpoint's folder", "checkpoint's name", "report's file", "report's name"}

func (m *mutant) create(name string) (file, error) {
	f, err := m.fileSystem.create(name)
	isReport := strings.Contains(name, "report.json")
	if m.loses == "report's file" && isReport || m.loses == "checkpoint's files" && !isReport {
		return unsynced{f}, err
	}
	return f, err
}

func (m *mutant) rename(from, to string) error {
	m.renamed = filepath.Base(to)
	return m.fileSystem.rename(from, to)
}

func (m *mutant) syncDir(dir string) error {
	isTmp := strings.HasPrefix(filepath.Base(dir), tmpPrefix)
	switch {
	case m.loses == "checkpoint's folder" && isTmp,
		m.loses == "checkpoint's name" && !isTmp && strings.HasPrefix(m.renamed, dirPrefix),
		m.loses == "report's name" && !isTmp && m.renamed == "report.json":
		return nil
	}
	return m.fileSystem.syncDir(dir)
}

type unsynced struct{ file }

func (unsynced) Sync() error { return nil }

// powerCuts runs a training run's worth of writes and prunes, cuts the power
// before every file operation, and returns the first promise that a disk
// after such a cut does not keep. wrap puts a mutant around the file system.
func powerCuts(wrap func(fileSystem) fileSystem) (cuts int, broken error) {
	mem := newMemFS()
	promised, writing := 0, 0 // newest step whose Write returned; step being written
	report := ""              // content that WriteFile promised
	check := func() {
		for seed := range uint64(4) {
			cfg := vfs.CrashCloneCfg{}
			if seed > 0 { // part of what was not synced reached the disk all the same
				cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, uint64(cuts)))}
			}
			after := memFS{mem.mem.CrashClone(cfg)}
			cuts++
			step, err := whole(after)
			if promised == 0 && errors.Is(err, ErrNotFound) {
				err = nil
			}
			if err == nil && step < promised {
				err = fmt.Errorf("checkpoint-%d was promised, found %d", promised, step)
			}
			if err == nil && step != promised && step != writing {
				err = fmt.Errorf("found checkpoint-%d of nowhere", step)
			}
			if err == nil {
				err = reportIs(after, report, fmt.Sprint("report ", writing))
			}
			if err != nil && broken == nil {
				broken = fmt.Errorf("cut %d while writing %d: %w", cuts, writing, err)
			}
		}
	}
	s := store{&tap{fileSystem: wrap(mem), before: check}}
	for step := 1; step <= 4; step++ {
		writing = step
		must(s.write(Dir(out, step), content(step)))
		promised = step
		must(s.prune(out, 2))
		next := fmt.Sprint("report ", step)
		must(s.writeFile(out+"/report.json", func(w io.Writer) error { _, err := io.WriteString(w, next); return err }))
		report = next
	}
	check()
	return cuts, broken
}

// reportIs fails unless report.json holds one of two contents ("": absent).
func reportIs(fs fileSystem, promised, writing string) error {
	f, err := fs.open(out + "/report.json")
	if err != nil && promised == "" {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err == nil && string(raw) != promised && string(raw) != writing {
		err = fmt.Errorf("report.json holds %q, promised %q", raw, promised)
	}
	return err
}

func TestNoPowerCutLosesOrHalvesACheckpoint(t *testing.T) {
	cuts, broken := powerCuts(func(fs fileSystem) fileSystem { return fs })
	require.NoError(t, broken)
	require.Greater(t, cuts, 500)
}

func TestPowerCutsNoticeEveryRemovedFsync(t *testing.T) {
	for _, loses := range mutants {
		_, broken := powerCuts(func(fs fileSystem) fileSystem { return &mutant{fileSystem: fs, loses: loses} })
		require.Error(t, broken, "fsync of %s was removed and no power cut showed it", loses)
		t.Logf("without fsync of %s: %v", loses, broken)
	}
}
