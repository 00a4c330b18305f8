package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"retort/engine"
	"retort/kernels"
)

// cli is one command's view of the terminal.
type cli struct {
	command  command
	siblings []command // all commands, for completion
	common   common
	stdout   *output
	stderr   *os.File
	bar      *progressbar.ProgressBar
}

// output is standard output that remembers its first failure: a result that could not be
// written is no result.
type output struct {
	*os.File
	err error
}

// Write writes p and keeps the error.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// note shows a line that is not a result; with --json as an object, as all on standard error.
func (c *cli) note(line string) {
	if c.common.Quiet {
		return
	}
	c.endProgress()
	if c.common.JSON {
		writeJSONLine(c.stderr, map[string]string{"note": line})
		return
	}
	fmt.Fprintln(c.stderr, line)
}

// interactive tells whether a person watches.
func (c *cli) interactive() bool {
	return !c.common.Quiet && !c.common.JSON && term.IsTerminal(int(c.stderr.Fd()))
}

// progress shows how far a count has come: a bar on a terminal, nothing elsewhere (train
// prints lines of its own).
func (c *cli) progress(done, total int, text string) {
	if !c.interactive() {
		return
	}
	if c.bar == nil {
		c.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(c.stderr), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	c.bar.Describe(text)
	_ = c.bar.Set(done) // a bar that cannot be drawn is no reason to stop
}

// endProgress clears the bar so that other text can follow.
func (c *cli) endProgress() {
	if c.bar != nil {
		_ = c.bar.Clear()
		c.bar = nil
	}
}

// resolve turns hub ids into local paths; empty names stay empty.
func resolve(ctx context.Context, model, dataset *string) (err error) {
	if *model, err = engine.ResolveModel(ctx, *model); err != nil {
		return err
	}
	*dataset, err = engine.ResolveDataset(ctx, *dataset)
	return err
}

// openStudent opens a student with an adapter, if one is given, merged into it.
func openStudent(ctx context.Context, k kernels.Backend, model, adapter string) (*engine.Student, error) {
	adapter, err := engine.ResolveAdapter(ctx, adapter)
	if err != nil {
		return nil, err
	}
	return engine.OpenMerged(k, model, adapter)
}

// withDevice opens the device of --device for the time of the call.
func (c *cli) withDevice(use func(k kernels.Backend) error) error {
	k, err := engine.OpenDevice(engine.DeviceOptions{Device: c.common.Device, BF16: c.common.BF16})
	if err != nil {
		return err
	}
	defer k.Close()
	return use(k)
}

// printJSON writes one value to standard output.
func (c *cli) printJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// rowWriter writes rows as JSONL to --output, or to standard output where that is empty or
// "-". A regular file appears under its name once it is whole; a pipe or a device is
// written as it is.
type rowWriter struct {
	file *os.File // nil for standard output
	out  *bufio.Writer
	enc  *json.Encoder
	path string // the name that file gets when it is whole; empty where it has it
}

// partial is the name of the unfinished file of this process, which an interruption takes
// away; it holds the lock, so that no file is made of which it does not know.
var partial struct {
	sync.Mutex
	name string
}

func newRowWriter(c *cli, path string) (*rowWriter, error) {
	w := &rowWriter{}
	to := c.stdout.File
	if path != "" && path != "-" {
		var err error
		if to, w.path, err = createOutput(path); err != nil {
			return nil, fmt.Errorf("%w: output: %w", engine.ErrBadInput, err)
		}
		w.file = to
	}
	w.out = bufio.NewWriterSize(to, 1<<16)
	w.enc = json.NewEncoder(w.out)
	w.enc.SetEscapeHTML(false)
	return w, nil
}

// createOutput opens what path names. For a regular file, there already or not, that is a
// new file beside it, to be renamed to final.
func createOutput(path string) (f *os.File, final string, err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, "", fmt.Errorf("%s is a folder; name a file", path)
	} else if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return f, "", err
	}
	partial.Lock()
	defer partial.Unlock()
	if f, err = os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-*"); err != nil {
		return nil, "", err
	}
	partial.name = f.Name()
	return f, path, f.Chmod(0o644)
}

func (w *rowWriter) write(row any) error { return w.enc.Encode(row) }

// close finishes the file; with an error it takes the unfinished file away.
func (w *rowWriter) close(failed error) error {
	err := w.out.Flush()
	if w.file == nil {
		return firstError(failed, err)
	}
	err = firstError(failed, err, w.file.Close())
	switch {
	case w.path == "":
		return err
	case err != nil:
		os.Remove(w.file.Name())
		return err
	}
	return os.Rename(w.file.Name(), w.path)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
