package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda"
)

// The whole command on the PTX machine at tiny shapes; build.sh's binaries are not here.
func TestEveryPartIsARowAndEveryCaseIsTimed(t *testing.T) {
	out := t.TempDir()
	o := options{device: "emu", suites: "all", parts: "all", bin: filepath.Join(out, "none"), output: out, command: "test", budget: time.Minute}
	require.NoError(t, run(o, io.Discard))

	raw, err := os.ReadFile(filepath.Join(out, "gpu.json"))
	require.NoError(t, err)
	var r Report
	require.NoError(t, json.Unmarshal(raw, &r))
	status := map[string]string{}
	for _, p := range r.Parts {
		status[p.Name] = p.Status
	}
	require.Equal(t, statusOK, status["kernels"])
	require.Equal(t, statusOK, status["students"])
	for _, part := range []string{"doctor", "conformance", "peer", "peer of students", "memcheck", "racecheck", "initcheck", "synccheck"} {
		require.Contains(t, status[part], "skipped: ", part)
	}
	require.Contains(t, r.Device, "PTX machine (A100)")
	require.Equal(t, "driver of CUDA 12.4", r.Driver)

	timed := map[string]bool{}
	for _, row := range r.Rows {
		if operations[operationOf(row)].owed(cuda.Owed) != "" {
			require.Contains(t, row.Status, "owed: ", row.Name)
			continue
		}
		require.Equal(t, statusOK, row.Status, row.Name)
		require.Positive(t, row.Ours, row.Name)
		require.Equal(t, row.Milliseconds > 0, row.Raw != "", row.Name)
		timed[row.Suite] = true
	}
	for _, name := range []string{"copy", "rowwise", "optimizer", "gemm", "attention", "loss", "train", "decode", "sft"} {
		require.True(t, timed[name], name)
	}

	table, err := os.ReadFile(filepath.Join(out, "gpu.md"))
	require.NoError(t, err)
	require.Contains(t, string(table), "| RMSNorm T=48 d=64 bfloat16 | ")
	require.Contains(t, string(table), "| memcheck | skipped: the PTX machine")
	require.Equal(t, []string{"gpu/doctor.log", "gpu/conformance.log", "gpu/gpu.json", "gpu/gpu.md"}, sorted(archived(t, out)))
}

// operationOf is the first word of a row's name.
func operationOf(r Row) string {
	for i, c := range r.Name {
		if c == ' ' {
			return r.Name[:i]
		}
	}
	return r.Name
}

// archived lists the files in the run's archive.
func archived(t *testing.T, dir string) map[string]bool {
	file, err := os.Open(filepath.Join(dir, "gpu.tar.gz"))
	require.NoError(t, err)
	defer file.Close()
	zip, err := gzip.NewReader(file)
	require.NoError(t, err)
	names := map[string]bool{}
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return names
		}
		require.NoError(t, err)
		names[header.Name] = true
	}
}

// sorted lists the expected files that are there, in the order of the expectation.
func sorted(names map[string]bool) (list []string) {
	for _, name := range []string{"gpu/doctor.log", "gpu/conformance.log", "gpu/gpu.json", "gpu/gpu.md"} {
		if names[name] {
			list = append(list, name)
		}
	}
	return list
}

func TestARunWithoutACardStillLeavesAReport(t *testing.T) {
	if cuda.Probe().Usable() {
		t.Skip("this machine has a card")
	}
	out := t.TempDir()
	o := options{device: "cuda", suites: "gemm", parts: "kernels", bin: out, output: out, budget: time.Minute}
	require.NoError(t, run(o, io.Discard))
	table, err := os.ReadFile(filepath.Join(out, "gpu.md"))
	require.NoError(t, err)
	require.Contains(t, string(table), "| kernels | skipped: no CUDA driver")
	require.ErrorContains(t, run(options{suites: "gem", parts: "kernels", output: out}, io.Discard), `suite "gem" is unknown`)
}

func TestAPartsStatusSaysHowItEnded(t *testing.T) {
	out := t.TempDir()
	for _, test := range []struct {
		name, script, status string
		within               time.Duration
	}{
		{"ok", "echo fine; echo '--- PASS: x'", statusOK, time.Minute},
		{"failed", "echo '--- PASS: x'; echo the reason; echo FAIL; exit 3", "failed: exit status 3: the reason", time.Minute},
		{"skipped test", "echo '    no card to test on'; echo '--- SKIP'", "skipped: no card to test on", time.Minute},
		{"refused", "echo '========= Error: Device not supported'; exit 9", "skipped: ========= Error: Device not supported", time.Minute},
		{"late", "exec sleep 60", "stopped after 10ms", 10 * time.Millisecond},
	} {
		p := command{name: test.name, args: []string{"sh", "-c", test.script}, within: test.within,
			proof: "--- PASS", refused: []string{"Device not supported"}}.run(out)
		require.Equal(t, test.status, p.Status, test.name)
		require.FileExists(t, filepath.Join(out, p.Log))
	}
	p := command{name: "absent", args: []string{filepath.Join(out, "nothing")}, within: time.Second}.run(out)
	require.Contains(t, p.Status, "skipped: there is no ")
}

// A peer that answers like gpu_kernels.py, and ones that do not.
func TestAPeerThatFailsCostsOnlyItsFigures(t *testing.T) {
	out := t.TempDir()
	script := func(text string) string {
		path := filepath.Join(out, "peer.sh")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	start := func(text string) *peer { return startPeer("sh", script(text), filepath.Join(out, "peer.log")) }
	c := benchCase{"rowwise", "RMSNorm", dims{T: 2, D: 4}, kernels.BFloat16}

	p := start(`echo '{"name":"stand-in 1"}'
read line; case $line in *'"op":"RMSNorm","type":"bfloat16","sets":2,"repetitions":3,"T":2,"d":4'*) echo '{"milliseconds":[3,1,2]}';; esac
read line; echo '{"error":"out of memory"}'
read line; exit 1`)
	require.Equal(t, "stand-in 1", p.name())
	times, status := p.time(c, 2, 3)
	require.Equal(t, []float64{3, 1, 2}, times)
	require.Empty(t, status)
	times, status = p.time(c, 2, 3)
	require.Empty(t, times)
	require.Equal(t, "peer: out of memory", status)
	_, status = p.time(c, 2, 3)
	require.Contains(t, status, "the script ended")
	times, status = p.time(c, 2, 3)
	require.Empty(t, times)
	require.Empty(t, status, "said once is enough")
	p.stop()

	p = start(`echo '{"error":"PyTorch sees no card"}'`)
	require.Equal(t, "peer: PyTorch sees no card", p.name())
	require.Contains(t, startPeer("/nothing/python", "x", filepath.Join(out, "peer.log")).name(), "no such file")
}

func TestFiguresOfARow(t *testing.T) {
	r := Row{}
	r.fill(benchCase{"rowwise", "Copy", dims{T: 1000, D: 1000}, kernels.BFloat16}, []float64{5, 2, 4}, []float64{4, 4.4, 9}, []float64{8, 2, 3}, "peer", 4)
	require.InDelta(t, 1, r.GBs, 1e-9, "4 MB in the better median, 4 ms")
	require.InDelta(t, 0.1, r.Noise, 1e-9)
	require.InDelta(t, 0.25, r.OfCopy, 1e-9)
	require.InDelta(t, 0.75, r.Ratio, 1e-9)
	require.InDelta(t, 4.0/3, r.Peer, 1e-9)

	r = Row{}
	r.fill(benchCase{"gemm", "Linear", dims{T: 1000, D: 1000, Out: 500}, kernels.BFloat16}, []float64{1}, []float64{1}, nil, "", 4)
	require.Equal(t, "TFLOP/s", r.Unit)
	require.InDelta(t, 1, r.Ours, 1e-9)
	require.Zero(t, r.OfCopy)
}
