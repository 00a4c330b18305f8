package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"retort/kernels/cuda/driver"
)

// statusOK marks what succeeded; anything else says why not.
const statusOK = "ok"

// Part is one part of a run: what was started, how it ended, and how long it took.
type Part struct {
	Name    string  `json:"name"`
	Status  string  `json:"status"`
	Seconds float64 `json:"seconds"`
	Command string  `json:"command,omitempty"`
	Log     string  `json:"log,omitempty"` // file beside the report
}

// Row is one timed case. Ours and peer have the unit; a ratio above 1 is better than the peer.
type Row struct {
	Suite      string  `json:"suite"`
	Name       string  `json:"name"`
	Ours       float64 `json:"ours"`
	Unit       string  `json:"unit"`
	Peer       float64 `json:"peer,omitempty"`
	PeerName   string  `json:"peer_name,omitempty"`
	Ratio      float64 `json:"ratio,omitempty"`
	Status     string  `json:"status"`
	PeerStatus string  `json:"peer_status,omitempty"`
	// The median times of ours, measured before and after the peer, and of the peer's.
	Milliseconds      float64 `json:"milliseconds"`
	MillisecondsAgain float64 `json:"milliseconds_again"`
	PeerMilliseconds  float64 `json:"peer_milliseconds,omitempty"`
	Noise             float64 `json:"noise"` // difference of the two medians, of the smaller
	GBs               float64 `json:"gigabytes_per_second"`
	TFLOPs            float64 `json:"teraflops,omitempty"`
	OfCopy            float64 `json:"of_copy_bandwidth,omitempty"`
	Seconds           float64 `json:"seconds"` // that the measurement took
	Raw               string  `json:"raw"`     // every repetition
	// The losses of the first steps of a training.
	Curve     []float64 `json:"curve,omitempty"`
	PeerCurve []float64 `json:"peer_curve,omitempty"`
}

// fill computes the figures of a case from the milliseconds of its repetitions.
func (r *Row) fill(c benchCase, first, second, peer []float64, peerName string, copyGBs float64) {
	op := operations[c.Op]
	r.Milliseconds, r.MillisecondsAgain = median(first), median(second)
	best := min(r.Milliseconds, r.MillisecondsAgain)
	r.Noise = max(r.Milliseconds, r.MillisecondsAgain)/best - 1
	bytes := op.bytes(c.Dims, sizeOf(c.Type))
	r.GBs = bytes / best / 1e6
	r.Ours, r.Unit = r.GBs, "GB/s"
	work := bytes / 1e6
	if op.flops != nil {
		r.TFLOPs = op.flops(c.Dims) / best / 1e9
		r.Ours, r.Unit = r.TFLOPs, "TFLOP/s"
		work = op.flops(c.Dims) / 1e9
	} else if copyGBs > 0 {
		r.OfCopy = r.GBs / copyGBs
	}
	if len(peer) > 0 {
		r.PeerMilliseconds = median(peer)
		r.Peer, r.PeerName, r.Ratio = work/r.PeerMilliseconds, peerName, r.PeerMilliseconds/best
	}
	r.Raw = fmt.Sprintf("ours %.4g; peer %.4g; again %.4g", first, peer, second)
}

// Report is everything a run found.
type Report struct {
	Device  string  `json:"device"`
	Driver  string  `json:"driver"`
	Peer    string  `json:"peer"`
	Date    string  `json:"date"`
	Commit  string  `json:"commit"`
	Command string  `json:"command"`
	CopyGBs float64 `json:"copy_gigabytes_per_second"`
	Parts   []Part  `json:"parts"`
	Rows    []Row   `json:"rows"`
}

// describe says what the device is, with the peaks that its clocks promise.
func describe(a driver.Attributes) string {
	return fmt.Sprintf("%s, sm_%d%d, %d SMs at %d MHz, %.0f GiB, L2 %d MiB", a.Name, a.Major, a.Minor,
		a.Multiprocessors, a.ClockKHz/1000, float64(a.MemoryBytes)/(1<<30), a.L2Bytes>>20)
}

// write keeps the report as gpu.json and, made from it, gpu.md.
func (r *Report) write(dir string) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "gpu.json"), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "gpu.md"), []byte(r.markdown()), 0o644)
}

// markdown is the report as tables: the parts, then a table a suite.
func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# gpu\n\n%s; %s; peer: %s. %s, commit %s. `%s`\n\n", r.Device, r.Driver, r.Peer, r.Date, r.Commit, r.Command)
	if strings.HasPrefix(r.Device, "PTX machine") {
		b.WriteString("These are times of the PTX machine, which say nothing about a card: they show that all parts run.\n\n")
	}
	b.WriteString("| part | status | seconds |\n|---|---|--:|\n")
	for _, p := range r.Parts {
		fmt.Fprintf(&b, "| %s | %s | %.1f |\n", p.Name, cell(p.Status), p.Seconds)
	}
	suite := ""
	for _, row := range r.Rows {
		if row.Suite != suite {
			suite = row.Suite
			fmt.Fprintf(&b, "\n## %s\n\n| what | ms | ours | unit | of copy | noise | peer | ratio | |\n|---|--:|--:|---|--:|--:|--:|--:|---|\n", suite)
		}
		if row.Status != statusOK {
			fmt.Fprintf(&b, "| %s | | | | | | | | %s |\n", row.Name, cell(row.Status))
			continue
		}
		peer, ratio, ofCopy, ms, noise := "", "", "", "", ""
		if row.Milliseconds > 0 {
			ms, noise = fmt.Sprintf("%.4g", min(row.Milliseconds, row.MillisecondsAgain)), fmt.Sprintf("%.1f %%", 100*row.Noise)
		}
		if row.Peer > 0 {
			peer = fmt.Sprintf("%.4g", row.Peer)
		}
		if row.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", row.Ratio)
		}
		if row.OfCopy > 0 {
			ofCopy = fmt.Sprintf("%.0f %%", 100*row.OfCopy)
		}
		fmt.Fprintf(&b, "| %s | %s | %.4g | %s | %s | %s | %s | %s | %s |\n", row.Name,
			ms, row.Ours, row.Unit, ofCopy, noise, peer, ratio, cell(row.PeerStatus))
	}
	return b.String()
}

// cell fits text into one cell of a table.
func cell(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return strings.ReplaceAll(first, "|", "/")
}
