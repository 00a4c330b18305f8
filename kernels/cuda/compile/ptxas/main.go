// Command ptxas assembles the embedded PTX with NVIDIA's assembler for every generation of
// cards and writes a table of registers, shared memory and spills. 'make ptxas' runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// cards are the targets that the sm_80 text is assembled for; the sm_90a text is
// assembled for sm_90a alone, since its instructions exist nowhere else.
var cards = []string{"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120"}

// usage is what the assembler says of one kernel on one target.
type usage struct {
	registers, sharedBytes, spillBytes int
	serial                             bool // the assembler could not let wgmma run asynchronously
}

// column is one pair of text and target.
type column struct{ text, target string }

// title heads the column in the table.
func (c column) title() string {
	if c.text == "sm_90a" {
		return "sm_90a, own text"
	}
	return c.target
}

func main() {
	ptxas := flag.String("ptxas", "ptxas", "NVIDIA's assembler")
	folder := flag.String("ptx", "kernels/cuda/ptxfiles", "folder of the PTX")
	out := flag.String("out", "docs/kernels-ptxas.md", "the table")
	flag.Parse()
	if err := run(*ptxas, *folder, *out); err != nil {
		fmt.Fprintln(os.Stderr, "ptxas:", err)
		os.Exit(1)
	}
}

func run(ptxas, folder, out string) error {
	version, err := exec.Command(ptxas, "--version").Output()
	if err != nil {
		return err
	}
	columns := []column{}
	for _, card := range cards {
		columns = append(columns, column{"sm_80", card})
	}
	columns = append(columns, column{"sm_90a", "sm_90a"})
	found := map[string]map[column]usage{} // by file and kernel
	for _, c := range columns {
		paths, err := filepath.Glob(filepath.Join(folder, "*."+c.text+".ptx"))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := assemble(ptxas, path, c, found); err != nil {
				return err
			}
		}
	}
	var complaints []string
	for kernel, all := range found {
		for c, u := range all {
			if u.spillBytes > 0 {
				complaints = append(complaints, fmt.Sprintf("%s on %s spills %d bytes of registers", kernel, c.title(), u.spillBytes))
			}
			if u.serial {
				complaints = append(complaints, fmt.Sprintf("%s on %s waits for each wgmma", kernel, c.title()))
			}
		}
	}
	if err := os.WriteFile(out, []byte(table(release(string(version)), columns, found)), 0o644); err != nil {
		return err
	}
	fmt.Printf("%d kernels on %d targets: %s\n", len(found), len(columns), out)
	if len(complaints) > 0 {
		slices.Sort(complaints)
		return errors.New(strings.Join(complaints, "; "))
	}
	return nil
}

var (
	entryLine = regexp.MustCompile(`Compiling entry function '([^']+)'`)
	spillLine = regexp.MustCompile(`(\d+) bytes spill stores, (\d+) bytes spill loads`)
	usedLine  = regexp.MustCompile(`Used (\d+) registers`)
	// serialLine is an advice that comes before all kernels.
	serialLine = regexp.MustCompile(`wgmma\.mma_async instructions are serialized .* in the function '([^']+)'`)
	smemLine   = regexp.MustCompile(`(\d+) bytes smem`)
)

// assemble runs the assembler over one text and collects what it says of each kernel.
func assemble(ptxas, path string, c column, found map[string]map[column]usage) error {
	said, err := exec.Command(ptxas, "-v", "-arch="+c.target, "-o", os.DevNull, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s for %s: %w\n%s", path, c.target, err, said)
	}
	file, _, _ := strings.Cut(filepath.Base(path), ".")
	serial := map[string]bool{}
	kernel := ""
	var u usage
	for line := range strings.Lines(string(said)) {
		if m := entryLine.FindStringSubmatch(line); m != nil {
			kernel, u = file+" | "+m[1], usage{serial: serial[m[1]]}
		}
		if m := serialLine.FindStringSubmatch(line); m != nil {
			serial[m[1]] = true
		}
		if m := spillLine.FindStringSubmatch(line); m != nil {
			u.spillBytes = number(m[1]) + number(m[2])
		}
		if m := usedLine.FindStringSubmatch(line); m != nil {
			u.registers = number(m[1])
			if m := smemLine.FindStringSubmatch(line); m != nil {
				u.sharedBytes = number(m[1])
			}
			if found[kernel] == nil {
				found[kernel] = map[column]usage{}
			}
			found[kernel][c] = u
		}
	}
	if kernel == "" {
		return fmt.Errorf("%s for %s: the assembler named no kernel:\n%s", path, c.target, said)
	}
	return nil
}

// number reads digits that a pattern matched.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

var releaseLine = regexp.MustCompile(`release ([\d.]+), V([\d.]+)`)

// release is the assembler's version.
func release(version string) string {
	if m := releaseLine.FindStringSubmatch(version); m != nil {
		return m[2]
	}
	return "of unknown version"
}

// table is the Markdown of all kernels.
func table(version string, columns []column, found map[string]map[column]usage) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Kernels as NVIDIA's assembler sees them\n\n"+
		"Registers a thread on each target, and static shared memory a block (dynamic shared memory stands\n"+
		"beside each kernel in kernels/cuda/src). Sources that end in _sm90 are for Hopper alone. Written by\n"+
		"`make ptxas` with ptxas %s; no kernel spills registers and no wgmma waits for the one before, or the\n"+
		"command fails.\n\n| file | kernel | shared bytes |", version)
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.title())
	}
	b.WriteString("\n|---|---|--:|" + strings.Repeat("--:|", len(columns)) + "\n")
	var kernels []string
	for kernel := range found {
		kernels = append(kernels, kernel)
	}
	slices.Sort(kernels)
	for _, kernel := range kernels {
		all := found[kernel]
		fmt.Fprintf(&b, "| %s | %d |", kernel, all[columns[len(columns)-1]].sharedBytes)
		for _, c := range columns {
			if u, ok := all[c]; ok {
				fmt.Fprintf(&b, " %d |", u.registers)
			} else {
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
