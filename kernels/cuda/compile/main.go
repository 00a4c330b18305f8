//go:build nvrtc

package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gorgonia.org/cu/nvrtc"

	"retort/kernels/cuda/compile/manifest"
)

func main() {
	sources := flag.String("src", "kernels/cuda/src", "folder of the .cu files")
	out := flag.String("out", "kernels/cuda/ptxfiles", "folder for the PTX and its manifest")
	include := flag.String("include", "", "folder of the CUDA headers")
	targets := flag.String("targets", strings.Join(manifest.Targets, ","), "what to compile for")
	flag.Parse()
	if err := run(*sources, *out, *include, strings.Split(*targets, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "compile:", err)
		os.Exit(1)
	}
}

// run compiles every source for its targets, removes PTX without a source, and writes
// the manifest last: a run that fails half-way leaves a stale one, which the test notices.
func run(sources, out, include string, targets []string) error {
	major, minor, err := nvrtc.Version()
	if err != nil {
		return err
	}
	if version := fmt.Sprintf("NVRTC %d.%d.", major, minor); !strings.HasPrefix(manifest.Compiler, version) {
		return fmt.Errorf("this is %s, but the kernels are pinned to %s", strings.TrimSuffix(version, "."), manifest.Compiler)
	}
	paths, err := manifest.Kernels(sources)
	if err != nil {
		return err
	}
	written := map[string]bool{}
	for _, path := range paths {
		for _, target := range targets {
			if !manifest.Fits(path, target) {
				continue
			}
			ptx, err := compile(path, target, sources, include)
			if err != nil {
				return err
			}
			name := strings.TrimSuffix(filepath.Base(path), ".cu") + "." + target + ".ptx"
			if err := os.WriteFile(filepath.Join(out, name), []byte(ptx), 0o644); err != nil {
				return err
			}
			written[name] = true
			fmt.Printf("%s: %d bytes\n", name, len(ptx))
		}
	}
	old, err := filepath.Glob(filepath.Join(out, "*.ptx"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if !written[filepath.Base(path)] {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	m, err := manifest.Of(sources, out)
	if err != nil {
		return err
	}
	return m.Write(out)
}

// compile returns the PTX of one source for one target; an error holds the compiler's log.
func compile(path, target, sources, include string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	program, err := nvrtc.CreateProgram(string(text), filepath.Base(path))
	if err != nil {
		return "", err
	}
	defer program.Destroy()
	options := append([]string{
		"--gpu-architecture=" + strings.Replace(target, "sm_", "compute_", 1),
		"--include-path=" + sources,
		"--include-path=" + include,
		"--device-as-default-execution-space", // also for generic lambdas, which cannot be marked otherwise
	}, manifest.Options...)
	if err := program.Compile(options...); err != nil {
		log, _ := program.GetLog()
		return "", fmt.Errorf("%s for %s: %w\n%s", path, target, err, strings.TrimRight(log, "\x00\n"))
	}
	ptx, err := program.GetPTX()
	if err != nil {
		return "", err
	}
	return withoutFolders(strings.TrimRight(ptx, "\x00")), nil
}

var fileLine = regexp.MustCompile(`(?m)^(\s*\.file\s+\d+\s+)"([^"]*)".*$`)

// withoutFolders leaves the bare names of source files, so that the PTX is the same
// wherever it was compiled.
func withoutFolders(ptx string) string {
	return fileLine.ReplaceAllStringFunc(ptx, func(line string) string {
		m := fileLine.FindStringSubmatch(line)
		return fmt.Sprintf("%s%q", m[1], filepath.Base(m[2]))
	})
}
