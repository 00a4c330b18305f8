// Command cpu measures the matrix products of a student's training step on the
// CPU, every kernel set of RETORT_CPU beside OpenBLAS (through numpy), and keeps
// the figures in bench/results:
//
//	go run ./bench/cpu -python .venv/bin/python -output bench/results
//
// Every side is a process that waits for products to do, because kernel sets
// and thread counts are chosen at a process's start. The sides are asked in
// turns, product by product, so that they share whatever else the machine does;
// the best round counts. Without -python only our own sides are measured.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"retort/bench"
	"retort/kernels/cpu/features"
)

func main() {
	var o options
	flag.StringVar(&o.python, "python", os.Getenv("PYTHON"), "Python interpreter with numpy; no peer when empty")
	flag.StringVar(&o.peer, "peer", "bench/peers/sgemm.py", "the peer's script")
	flag.StringVar(&o.variants, "variants", strings.Join(features.Available(), ","), "kernel sets to measure")
	flag.StringVar(&o.only, "only", "", "measure only products whose name contains this")
	flag.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "threads of every side")
	flag.IntVar(&o.rounds, "rounds", 5, "how often every product is measured; portable Go once")
	flag.StringVar(&o.output, "output", "", "folder for sgemm.json and sgemm.md; none when empty")
	work := flag.Bool("worker", false, "internal: be one side")
	flag.Parse()
	if *work {
		worker(o.threads)
		return
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/cpu:", err)
		os.Exit(1)
	}
}

type options struct {
	python, peer, variants, only, output string
	threads, rounds                      int
}

// run measures all products and writes the results.
func run(o options) (err error) {
	var sides []*side
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close())
		}
	}()
	for name := range strings.SplitSeq(o.variants, ",") {
		s, err := startOurs(name, o.threads)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	var peer *side
	if o.python == "" {
		fmt.Println("no peer: name a Python with numpy by -python or PYTHON")
	} else {
		if peer, err = startPeer(o.python, o.peer, o.threads); err != nil {
			return err
		}
		sides = append(sides, peer)
	}
	var measured []product
	for _, p := range products() {
		if strings.Contains(p.name, o.only) {
			measured = append(measured, p)
		}
	}
	for _, p := range measured {
		if err := measure(p, sides, o.rounds); err != nil {
			return err
		}
	}
	rows := table(measured, sides, peer)
	for i := range rows {
		rows[i].Machine, rows[i].Date = bench.Machine(), time.Now().UTC().Format("2006-01-02")
		rows[i].Command = "go run ./bench/cpu " + strings.Join(hidePaths(os.Args[1:]), " ")
	}
	if o.output == "" || len(rows) == 0 {
		return nil
	}
	return bench.Write(o.output, "sgemm", rows)
}

// measure times the product on every side in turns.
func measure(p product, sides []*side, rounds int) error {
	const (
		least = 6e9                    // floating-point operations of a timed batch: some 30 ms
		pause = 200 * time.Millisecond // OpenBLAS's threads keep a core busy that long after their work
	)
	reps := max(1, int(least/p.flops()))
	for round := range rounds {
		for _, s := range sides {
			if s.name == features.Generic && round > 0 {
				continue
			}
			n := reps
			if s.name == features.Generic {
				n = 1
			}
			seconds, err := s.ask(p, n)
			if err != nil {
				return err
			}
			if s.name == peerName {
				time.Sleep(pause)
			}
			s.rates[p.name] = append(s.rates[p.name], p.flops()*float64(n)/seconds/1e9)
		}
	}
	return nil
}

// table prints every product and the geometric means, and returns them as rows.
func table(measured []product, sides []*side, peer *side) (rows []bench.Row) {
	for _, s := range sides {
		if s == peer || len(measured) == 0 {
			continue
		}
		var ours, theirs, medians float64 // sums of logarithms
		for _, p := range measured {
			row := bench.Row{Name: "sgemm " + s.name + " " + p.name, Ours: slices.Max(s.rates[p.name]), Unit: "GFLOP/s"}
			ours += math.Log(row.Ours)
			line := fmt.Sprintf("%-52s %7.1f GFLOP/s", row.Name, row.Ours)
			if peer != nil {
				row.Peer, row.PeerName = slices.Max(peer.rates[p.name]), peer.name
				row.Ratio = row.Ours / row.Peer
				theirs += math.Log(row.Peer)
				middle := median(s.rates[p.name]) / median(peer.rates[p.name])
				medians += math.Log(middle)
				line += fmt.Sprintf(", %s %7.1f: %.2f (median %.2f)", peer.name, row.Peer, row.Ratio, middle)
			}
			fmt.Println(line)
			rows = append(rows, row)
		}
		n := float64(len(measured))
		mean := bench.Row{Name: "sgemm " + s.name + " geometric mean", Ours: math.Exp(ours / n), Unit: "GFLOP/s"}
		line := fmt.Sprintf("%-52s %7.1f GFLOP/s", mean.Name, mean.Ours)
		if peer != nil {
			mean.Peer, mean.PeerName, mean.Ratio = math.Exp(theirs/n), peer.name, math.Exp((ours-theirs)/n)
			line += fmt.Sprintf(", %s %7.1f: %.2f (median %.2f)", peer.name, mean.Peer, mean.Ratio, math.Exp(medians/n))
		}
		fmt.Println(line)
		rows = append(rows, mean)
	}
	return rows
}

func median(x []float64) float64 {
	x = slices.SortedFunc(slices.Values(x), cmp.Compare[float64])
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// hidePaths shortens absolute paths to their last element: a row's command must
// not name folders of one machine.
func hidePaths(arguments []string) []string {
	out := slices.Clone(arguments)
	for i, a := range out {
		if strings.HasPrefix(a, "/") {
			out[i] = a[strings.LastIndexByte(a, '/')+1:]
		}
	}
	return out
}
