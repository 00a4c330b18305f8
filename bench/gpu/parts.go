package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// command is a part that is a program: its output becomes a log beside the report, and its
// end a status.
type command struct {
	name   string
	args   []string
	within time.Duration
	// refused are words of output by which the program says that it cannot work here at
	// all; the part is then skipped, not failed.
	refused []string
	// proof is a word without which a success is none: "--- PASS" of a test that may skip.
	proof string
}

// run runs the program and describes its end.
func (c command) run(out string) Part {
	p := Part{Name: c.name, Command: strings.Join(withoutFolders(c.args), " "), Log: c.name + ".log"}
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), c.within)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.WaitDelay = 2 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	p.Seconds = time.Since(began).Seconds()
	if e := os.WriteFile(filepath.Join(out, p.Log), shorten(said.Bytes()), 0o644); e != nil {
		err = errors.Join(err, e)
	}
	text := said.String()
	switch {
	case ctx.Err() != nil:
		p.Status = fmt.Sprintf("stopped after %v", c.within)
	case c.refusal(text) != "":
		p.Status = "skipped: " + c.refusal(text)
	case errors.Is(err, os.ErrNotExist):
		p.Status = "skipped: there is no " + c.args[0]
	case err != nil:
		p.Status = "failed: " + err.Error() + lastWords(text)
	case !strings.Contains(text, c.proof):
		p.Status = "skipped" + lastWords(text)
	default:
		p.Status = statusOK
	}
	return p
}

// withoutFolders is a command line that says nothing about the machine's folders.
func withoutFolders(args []string) []string {
	short := slices.Clone(args)
	for i, arg := range short {
		if filepath.IsAbs(arg) {
			short[i] = filepath.Base(arg)
		}
	}
	return short
}

// refusal is the line of text that has one of the words of refusal.
func (c command) refusal(text string) string {
	for line := range strings.Lines(text) {
		for _, word := range c.refused {
			if strings.Contains(line, word) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

// lastWords is the last line that says something, for a status.
func lastWords(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if line != "" && line != "FAIL" && line != "PASS" && !strings.HasPrefix(line, "---") {
			return ": " + line
		}
	}
	return ""
}

// shorten keeps both ends of a log of more than 256 KiB.
func shorten(log []byte) []byte {
	const most = 256 << 10
	if len(log) <= most {
		return log
	}
	cut := fmt.Sprintf("\n… %d bytes left out …\n", len(log)-most)
	return append(append(append([]byte(nil), log[:most/2]...), cut...), log[len(log)-most/2:]...)
}

// sanitizers are the tools of NVIDIA's compute-sanitizer.
var sanitizers = []string{"memcheck", "racecheck", "initcheck", "synccheck"}

// findSanitizer looks for compute-sanitizer on PATH, in CUDA_HOME, in the usual place, and
// in the PyPI packages of the peer's Python.
func findSanitizer(python string) string {
	if path, err := exec.LookPath("compute-sanitizer"); err == nil {
		return path
	}
	var patterns []string
	for _, home := range []string{os.Getenv("CUDA_HOME"), "/usr/local/cuda", "/opt/cuda"} {
		if home != "" {
			patterns = append(patterns, home+"/bin/compute-sanitizer", home+"/compute-sanitizer/compute-sanitizer")
		}
	}
	if python != "" {
		raw, err := exec.Command(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").Output()
		if err == nil {
			packages := strings.TrimSpace(string(raw)) + "/nvidia/*"
			patterns = append(patterns, packages+"/bin/compute-sanitizer", packages+"/compute-sanitizer/compute-sanitizer")
		}
	}
	for _, pattern := range patterns {
		if paths, _ := filepath.Glob(pattern); len(paths) > 0 {
			return paths[0]
		}
	}
	return ""
}
