package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"time"

	"retort/kernels/cpu/features"
	"retort/kernels/cpu/gemm"
	"retort/kernels/cpu/parallel"
)

// side is one process that multiplies: one of our kernel sets, or the peer. It
// reads lines "m n k transA transB repetitions" (booleans as 0 and 1) and
// answers each with the seconds that the repetitions took.
type side struct {
	name    string
	rates   map[string][]float64 // GFLOP/s of every round, by product
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  bytes.Buffer
}

func start(name string, process *exec.Cmd, environment ...string) (*side, error) {
	s := &side{name: name, rates: map[string][]float64{}, process: process}
	process.Env = append(os.Environ(), environment...)
	process.Stderr = &s.stderr
	var err error
	if s.in, err = process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return s, nil
}

// startOurs starts this program as a worker on the given kernel set.
func startOurs(variant string, threads int) (*side, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(variant, exec.Command(self, "-worker", "-threads", fmt.Sprint(threads)), features.Variable+"="+variant)
}

const peerName = "OpenBLAS"

// startPeer starts OpenBLAS through numpy.
func startPeer(python, script string, threads int) (*side, error) {
	return start(peerName, exec.Command(python, script), fmt.Sprintf("OPENBLAS_NUM_THREADS=%d", threads))
}

// ask has the side do the product and returns the seconds.
func (s *side) ask(p product, repetitions int) (seconds float64, err error) {
	flag := map[bool]int{true: 1}
	fmt.Fprintln(s.in, p.m, p.n, p.k, flag[p.transA], flag[p.transB], repetitions)
	line, err := s.out.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(line, &seconds)
	}
	if err != nil {
		return 0, fmt.Errorf("%s, product %s: answer %q: %w: %s", s.name, p.name, line, err, strings.TrimSpace(s.stderr.String()))
	}
	return seconds, nil
}

// close ends the process.
func (s *side) close() error {
	s.in.Close()
	return s.process.Wait()
}

// worker is our side's process.
func worker(threads int) {
	if _, err := features.Selected(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	pool := parallel.New(threads)
	defer pool.Close()
	g := gemm.New(pool)
	r := rand.New(rand.NewPCG(1, 2))
	for {
		var p product
		var transA, transB, repetitions int
		if _, err := fmt.Scan(&p.m, &p.n, &p.k, &transA, &transB, &repetitions); err != nil {
			return // the parent has no more products
		}
		a, b := matrix(r, p.m, p.k, transA == 1), matrix(r, p.k, p.n, transB == 1)
		c := make([]float32, p.m*p.n)
		multiply := func() { g.Mul(c, p.n, p.m, p.n, p.k, a, b, false) }
		multiply() // touch all memory
		began := time.Now()
		for range repetitions {
			multiply()
		}
		fmt.Println(time.Since(began).Seconds())
	}
}

// matrix returns a random (rows, cols) matrix, stored the other way round if transposed.
func matrix(r *rand.Rand, rows, cols int, transposed bool) gemm.Matrix {
	x := gemm.Matrix{Data: make([]float32, rows*cols), Stride: cols, Trans: transposed}
	if transposed {
		x.Stride = rows
	}
	for i := range x.Data {
		x.Data[i] = r.Float32() - 0.5
	}
	return x
}
