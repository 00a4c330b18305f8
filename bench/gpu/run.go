package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/emu"
)

// options say what to run and where.
type options struct {
	device, suites, parts, only string
	python, bin, output         string
	commit, command             string
	peerFlags                   []string // of gpu_train.py
	budget                      time.Duration
}

// runner is a run in progress.
type runner struct {
	options
	report   Report
	began    time.Time
	progress io.Writer
}

// run runs every part and writes the report. Parts that fail are rows of it; only a report
// that cannot be written, or a suite that does not exist, is an error.
func run(o options, progress io.Writer) error {
	if err := os.MkdirAll(o.output, 0o755); err != nil {
		return err
	}
	for name := range strings.SplitSeq(o.suites, ",") {
		if name != "all" && !slices.ContainsFunc(suites, func(s suite) bool { return s.name == name }) &&
			!slices.ContainsFunc(studentSuites, func(s studentSuite) bool { return s.name == name }) {
			return fmt.Errorf("suite %q is unknown", name)
		}
	}
	r := &runner{options: o, began: time.Now(), progress: progress}
	r.report = Report{Command: o.command, Date: time.Now().UTC().Format("2006-01-02"), Commit: cmp.Or(o.commit, "unknown"),
		Device: "none", Driver: "none", Peer: "none"}
	for _, part := range []struct {
		name string
		run  func() error
	}{{"doctor", r.doctor}, {"conformance", r.conformance}, {"kernels", r.kernels}, {"students", r.students}, {"sanitizers", r.sanitize}} {
		if !listed(o.parts, part.name) {
			continue
		}
		if err := part.run(); err != nil {
			return err
		}
	}
	return pack(o.output)
}

// listed tells whether a list by comma, or "all", has the name.
func listed(list, name string) bool {
	return list == "all" || slices.Contains(strings.Split(list, ","), name)
}

// add keeps a part in the report.
func (r *runner) add(p Part) error {
	fmt.Fprintf(r.progress, "%-12s %6.1f s  %s\n", p.Name, p.Seconds, cell(p.Status))
	r.report.Parts = append(r.report.Parts, p)
	return r.report.write(r.output)
}

// left is the time that remains, at least a second.
func (r *runner) left() time.Duration { return max(time.Second, r.budget-time.Since(r.began)) }

// tool is the path of a program in the folder of binaries.
func (r *runner) tool(name string) string { return filepath.Join(r.bin, name) }

func (r *runner) doctor() error {
	return r.add(command{name: "doctor", args: []string{r.tool("retort"), "doctor"}, within: min(r.left(), 30*time.Second)}.run(r.output))
}

// conformance holds the backend to the table on the card, at the large shapes too. The PTX
// machine runs only its smallest part here: the default tests run it whole.
func (r *runner) conformance() error {
	tests := []string{"-test.run", "^TestCardConformance"}
	if r.device == "emu" {
		tests = []string{"-test.run", "^TestConformance(Float32|BF16)$/^(Norm|SwiGLU|AdamW)$"}
	}
	args := append([]string{r.tool("cuda.test"), "-test.v"}, tests...)
	return r.add(command{name: "conformance", args: args, within: min(r.left(), 3*time.Minute), proof: "--- PASS"}.run(r.output))
}

// sanitize runs the small shapes of the table under each of NVIDIA's checkers.
func (r *runner) sanitize() error {
	tool := findSanitizer(r.python)
	for i, check := range sanitizers {
		p := Part{Name: check, Status: "skipped: there is no compute-sanitizer on PATH, in CUDA_HOME or beside Python"}
		switch {
		case r.device == "emu":
			p.Status = "skipped: the PTX machine makes these checks itself, in conformance"
		case tool != "":
			share := r.left() / time.Duration(len(sanitizers)-i)
			p = command{name: check, within: share, proof: "--- PASS",
				refused: []string{"Device not supported", "not supported on this", "Failed to initialize"},
				args: []string{tool, "--tool", check, "--error-exitcode", "9", r.tool("cuda.test"),
					"-test.v", "-test.short", "-test.run", "^TestCardConformance"}}.run(r.output)
		}
		if err := r.add(p); err != nil {
			return err
		}
	}
	return nil
}

// kernels times the suites.
func (r *runner) kernels() error {
	began := time.Now()
	part := func(name, status string) error {
		return r.add(Part{Name: name, Status: status, Seconds: time.Since(began).Seconds()})
	}
	m, err := r.open()
	if err != nil {
		return part("kernels", "skipped: "+err.Error())
	}
	r.describe(m)
	p := startPeer(r.python, filepath.Join("bench", "peers", "gpu_kernels.py"), filepath.Join(r.output, "peer.log"))
	defer p.stop()
	r.report.Peer = p.name()
	if err := part("peer", p.status); err != nil {
		return err
	}
	err = r.measureAll(m, p)
	status := statusOK
	if err != nil {
		status = "failed: " + err.Error()
	}
	if err := m.close(); err != nil && status == statusOK {
		status = "failed: " + err.Error()
	}
	return part("kernels", status)
}

// describe says in the report what the device is.
func (r *runner) describe(m *bencher) {
	r.report.Device = describe(m.device)
	r.report.Driver = fmt.Sprintf("driver of CUDA %d.%d", m.driver.Version()/1000, m.driver.Version()%1000/10)
}

// until is when a part must begin nothing more: later parts keep their shares of the budget.
func (r *runner) until(part string) time.Time {
	shares := []struct {
		part  string
		share float64
	}{{"sanitizers", 0.25}, {"students", 0.5}} // from the last
	until := r.began.Add(r.budget)
	for _, s := range shares {
		if s.part == part || r.device == "emu" {
			break
		}
		if listed(r.parts, s.part) {
			until = until.Add(-time.Duration(s.share * float64(r.budget)))
		}
	}
	return until
}

// open finds the device.
func (r *runner) open() (*bencher, error) {
	m := &bencher{emu: r.device == "emu", repeats: 50}
	var err error
	if m.emu {
		m.driver, m.repeats = emu.New(emu.Options{}), 1
	} else if m.driver, err = card(); err != nil {
		return nil, err
	}
	devices, err := m.driver.Devices()
	if err != nil {
		return nil, err
	}
	if len(devices) == 0 {
		return nil, driver.ErrNoDevice
	}
	m.device = devices[0]
	return m, nil
}

// measureAll times the cases, a suite after the other, until the time is spent.
func (r *runner) measureAll(m *bencher, p *peer) error {
	until := r.until("kernels")
	size := full
	if m.emu {
		size = tiny
	}
	row, err := m.measure(m.copyCase(), p)
	r.report.Rows, r.report.CopyGBs = append(r.report.Rows, row), m.copy
	for _, s := range suites {
		if !listed(r.suites, s.name) || err != nil {
			continue
		}
		for _, c := range s.cases(size) {
			if !strings.Contains(c.name(), r.only) {
				continue
			}
			row := Row{Suite: c.Suite, Name: c.name(), Status: timeSpent}
			if time.Now().Before(until) {
				row, err = m.measure(c, p)
			}
			r.report.Rows = append(r.report.Rows, row)
			if err != nil {
				break
			}
		}
		if err := r.report.write(r.output); err != nil {
			return err
		}
	}
	return err
}

// pack puts the report and the logs into one small archive beside them.
func pack(dir string) (err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "gpu.tar.gz"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	zip := gzip.NewWriter(file)
	archive := tar.NewWriter(zip)
	for _, path := range paths {
		name := filepath.Base(path)
		if ext := filepath.Ext(name); ext != ".log" && ext != ".json" && ext != ".md" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: "gpu/" + name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zip.Close())
}
