package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const dirPrefix = "checkpoint-"

// Dir returns the folder of the checkpoint after step optimizer steps.
func Dir(outputDir string, step int) string {
	return filepath.Join(outputDir, dirPrefix+strconv.Itoa(step))
}

// Step returns the step in a checkpoint folder's name, and whether the name
// is one that Dir gives.
func Step(dir string) (int, bool) {
	digits, found := strings.CutPrefix(filepath.Base(dir), dirPrefix)
	step, err := strconv.Atoi(digits)
	if !found || err != nil || step < 0 || strconv.Itoa(step) != digits {
		return 0, false
	}
	return step, true
}

// Latest finds the newest checkpoint of outputDir that verifies. Newer ones
// that do not are in skipped, newest first, one *VerifyError each: the caller
// owes the user a loud line for every one. err wraps ErrNotFound when none
// verifies, also when outputDir does not exist.
func Latest(outputDir string) (path string, step int, skipped []error, err error) {
	return disk.latest(outputDir)
}

func (s store) latest(outputDir string) (path string, step int, skipped []error, err error) {
	steps, err := s.steps(outputDir)
	if err != nil {
		return "", 0, nil, err
	}
	for _, step := range slices.Backward(steps) {
		dir := Dir(outputDir, step)
		if _, err := s.verify(dir); err != nil {
			skipped = append(skipped, err)
			continue
		}
		return dir, step, skipped, nil
	}
	return "", 0, skipped, fmt.Errorf("%w in %s (%d broken)", ErrNotFound, outputDir, len(skipped))
}

// Steps returns the steps of the checkpoints in outputDir, in rising order,
// whether they verify or not.
func Steps(outputDir string) ([]int, error) { return disk.steps(outputDir) }

func (s store) steps(outputDir string) ([]int, error) {
	names, err := s.fs.list(outputDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, s.do("list", outputDir, err)
	}
	var steps []int
	for _, name := range names {
		if step, ok := Step(name); ok {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// Prune removes all but the newest keep checkpoints (save_total_limit), and
// removes nothing unless the newest one verifies. keep <= 0 keeps all.
func Prune(outputDir string, keep int) error { return disk.prune(outputDir, keep) }

func (s store) prune(outputDir string, keep int) error {
	steps, err := s.steps(outputDir)
	if err != nil || keep <= 0 || len(steps) <= keep {
		return err
	}
	newest := Dir(outputDir, steps[len(steps)-1])
	if _, err := s.verify(newest); err != nil {
		return fmt.Errorf("no old checkpoint removed, the newest one is broken: %w", err)
	}
	for _, step := range steps[:len(steps)-keep] {
		if err := s.removeCheckpoint(Dir(outputDir, step)); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes one checkpoint folder, name first: at no moment, and after
// no crash, is there a folder of that name with some of its files gone.
func Remove(dir string) error { return disk.removeCheckpoint(dir) }

func (s store) removeCheckpoint(dir string) error {
	parent, base := filepath.Split(filepath.Clean(dir))
	parent = filepath.Clean(parent)
	gone := filepath.Join(parent, removedPrefix+base)
	if err := s.do("remove", gone, s.fs.removeAll(gone)); err != nil {
		return err
	}
	if err := s.do("rename", dir, s.fs.rename(dir, gone)); err != nil {
		return err
	}
	if err := s.do("fsync", parent, s.fs.syncDir(parent)); err != nil {
		return err
	}
	return s.do("remove", gone, s.fs.removeAll(gone))
}

// Clean removes what interrupted writes and removals left in outputDir, and
// returns the names it removed. Call it under Lock: a leftover looks like
// another process's work in progress.
func Clean(outputDir string) ([]string, error) { return disk.clean(outputDir) }

func (s store) clean(outputDir string) ([]string, error) {
	names, err := s.fs.list(outputDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, s.do("list", outputDir, err)
	}
	var removed []string
	for _, name := range names {
		if !strings.HasPrefix(name, tmpPrefix) && !strings.HasPrefix(name, removedPrefix) {
			continue
		}
		path := filepath.Join(outputDir, name)
		if err := s.do("remove", path, s.fs.removeAll(path)); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}
