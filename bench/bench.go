// Package bench measures retort against its peers: PyTorch, transformers, tokenizers and
// OpenBLAS, side by side in one run on one machine. Figures are ratios, more than 1 meaning
// better than the peer; they are kept as rows in bench/results with the command that made
// them. A peer is a short script in bench/peers, run by the Python of --python; without it
// only our own side is measured.
//
// Each side of a measurement is a process of its own (ours is this program again, as a
// worker), so that peak memory is that of one run and nothing is warm from another.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"retort/engine"
	"retort/engine/checkpoint"
)

// Row is one figure beside its peer's.
type Row struct {
	Name     string  `json:"name"`
	Ours     float64 `json:"ours"`
	Unit     string  `json:"unit"`
	Peer     float64 `json:"peer,omitempty"`
	PeerName string  `json:"peer_name,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"` // above 1 is better than the peer, whatever the unit
	Machine  string  `json:"machine"`
	Date     string  `json:"date"`
	Command  string  `json:"command"`
}

// Options say what to measure and with which peers.
type Options struct {
	Suite  string `key:"suite" help:"step, profile, variants, decode, tokenize, load or all"`
	Python string `key:"python" help:"Python interpreter with the peers (torch, transformers, tokenizers); none when empty"`
	Model  string `key:"model_name_or_path" help:"the pretrained student of decode and load: SmolLM2's folder or .gguf"`
	Text   string `key:"dataset" help:"text file of tokenize"`
	Rounds int    `key:"rounds" help:"how often each side is measured, in turns; the best counts"`
	Output string `key:"output" help:"folder for <suite>.json and <suite>.md; none when empty"`

	Worker string `key:"worker" help:"internal: one side of one measurement"`
	// Command is how the run was started; Log receives progress.
	Command string
	Log     func(line string)
}

// suite is one group of figures.
type suite struct {
	name string
	run  func(ctx context.Context, o Options) ([]Row, error)
}

var suites = []suite{{"step", stepSuite}, {"profile", profileSuite}, {"variants", variantSuite}, {"decode", decodeSuite}, {"tokenize", tokenizeSuite}, {"load", loadSuite}}

// Run measures the suites asked for and returns their rows.
func Run(ctx context.Context, o Options) ([]Row, error) {
	var all []Row
	known := o.Suite == "all"
	for _, s := range suites {
		if o.Suite != "all" && o.Suite != s.name {
			continue
		}
		known = true
		rows, err := s.run(ctx, o)
		if err != nil {
			return all, fmt.Errorf("bench %s: %w", s.name, err)
		}
		for i := range rows {
			rows[i].Machine, rows[i].Command, rows[i].Date = Machine(), o.Command, time.Now().UTC().Format("2006-01-02")
		}
		all = append(all, rows...)
		if o.Output != "" {
			if err := Write(o.Output, s.name, rows); err != nil {
				return all, err
			}
		}
	}
	if !known {
		return nil, fmt.Errorf("%w: suite %q is unknown", engine.ErrUsage, o.Suite)
	}
	return all, nil
}

// Write keeps rows as <name>.json and, made from it, <name>.md.
func Write(dir, name string, rows []Row) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := checkpoint.WriteFile(filepath.Join(dir, name+".json"), func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(rows)
	})
	if err != nil {
		return err
	}
	return checkpoint.WriteFile(filepath.Join(dir, name+".md"), func(w io.Writer) error {
		_, err := io.WriteString(w, Table(name, rows))
		return err
	})
}

// Table is the rows as Markdown.
func Table(title string, rows []Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", title)
	if len(rows) > 0 {
		fmt.Fprintf(&b, "%s, %s. `%s`\n\n", rows[0].Machine, rows[0].Date, rows[0].Command)
	}
	b.WriteString("| what | ours | unit | peer | | ratio |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		peer, ratio := "", ""
		if r.Peer != 0 {
			peer, ratio = fmt.Sprintf("%.4g", r.Peer), fmt.Sprintf("%.2f", r.Ratio)
		}
		fmt.Fprintf(&b, "| %s | %.4g | %s | %s | %s | %s |\n", r.Name, r.Ours, r.Unit, peer, r.PeerName, ratio)
	}
	return b.String()
}

// Machine names the processor, its threads and the system.
func Machine() string {
	name := runtime.GOARCH
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if value, found := strings.CutPrefix(line, "model name"); found {
				name = strings.TrimSpace(strings.TrimLeft(value, "\t :"))
				break
			}
		}
		for _, feature := range []string{"avx512_bf16", "avx512f", "avx2"} {
			if bytes.Contains(raw, []byte(feature)) {
				name += " " + feature
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d threads, %s", name, runtime.GOMAXPROCS(0), runtime.GOOS)
}

// sides measures ours and the peer's in turns and returns the results of every round.
func sides[T any](ctx context.Context, o Options, ours []string, peer []string) (us, them []T, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	for round := range max(1, o.Rounds) {
		o.Log(fmt.Sprintf("round %d: %s", round+1, strings.Join(ours, " ")))
		r, err := worker[T](ctx, self, append([]string{"bench", "--worker"}, ours...))
		if err != nil {
			return nil, nil, err
		}
		us = append(us, r)
		if o.Python == "" {
			continue
		}
		o.Log(fmt.Sprintf("round %d: peer %s", round+1, filepath.Base(peer[0])))
		if r, err = worker[T](ctx, o.Python, peer); err != nil {
			return nil, nil, err
		}
		them = append(them, r)
	}
	return us, them, nil
}

// worker runs a process, with these variables more in its environment, whose last line of
// output is a JSON result.
func worker[T any](ctx context.Context, name string, args []string, environment ...string) (T, error) {
	var out T
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), environment...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, lastLine(stderr.Bytes()))
	}
	if err := json.Unmarshal(lastLine(raw), &out); err != nil {
		return out, fmt.Errorf("%s: %w in %q", filepath.Base(name), err, lastLine(raw))
	}
	return out, nil
}

func lastLine(raw []byte) []byte {
	raw = bytes.TrimSpace(raw)
	return raw[bytes.LastIndexByte(raw, '\n')+1:]
}

// best is the largest of a figure over the rounds.
func best[T any](results []T, figure func(T) float64) float64 {
	if len(results) == 0 {
		return 0
	}
	return figure(slices.MaxFunc(results, func(a, b T) int {
		if figure(a) < figure(b) {
			return -1
		}
		return 1
	}))
}

// versus makes a row of the best round of each side; smallerIsBetter turns the ratio round.
func versus[T any](name, unit, peerName string, us, them []T, smallerIsBetter bool, figure func(T) float64) Row {
	sign := 1.0
	if smallerIsBetter {
		sign = -1
	}
	signed := func(v T) float64 { return sign * figure(v) }
	r := Row{Name: name, Unit: unit, Ours: sign * best(us, signed)}
	if len(them) > 0 {
		r.Peer, r.PeerName = sign*best(them, signed), peerName
		if r.Ratio = r.Ours / r.Peer; smallerIsBetter {
			r.Ratio = r.Peer / r.Ours
		}
	}
	return r
}

// peerScript is the path of a script of bench/peers, from the repository's root.
func peerScript(name string) string { return filepath.Join("bench", "peers", name) }
