package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// peer is PyTorch doing the same operations: a process that answers a line for a line
// (bench/peers/gpu_kernels.py). Without one there are only our figures; status says why.
type peer struct {
	title   string
	status  string
	command *exec.Cmd
	to      io.WriteCloser
	answers chan []byte
}

// question is a case as the peer gets it.
type question struct {
	Op          string `json:"op"`
	Type        string `json:"type"`
	Sets        int    `json:"sets"`
	Repetitions int    `json:"repetitions"`
	dims
}

// answer is what it says of it; the figures after the first are those of students.
type answer struct {
	Milliseconds []float64 `json:"milliseconds"`
	Losses       []float64 `json:"losses"`
	PeakBytes    float64   `json:"peak_bytes"`
	Tokens       float64   `json:"tokens"`
	Side         string    `json:"side"` // what computed, where the peer has several
	Name         string    `json:"name"`
	Error        string    `json:"error"`
}

const (
	peerStart = 90 * time.Second // importing PyTorch from a cold disk
	peerCase  = 30 * time.Second
)

// startPeer starts the script; a peer that does not start is one without figures.
func startPeer(python, script, log string, flags ...string) *peer {
	p := &peer{}
	if python == "" {
		p.status = "skipped: no Python with PyTorch; name one with -python"
		return p
	}
	p.command = exec.Command(python, append([]string{script}, flags...)...)
	said, err := os.Create(log)
	if err != nil {
		p.status = err.Error()
		return p
	}
	defer said.Close()
	p.command.Stderr = said
	from, err := p.command.StdoutPipe()
	if err == nil {
		p.to, err = p.command.StdinPipe()
	}
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		p.status = err.Error()
		return p
	}
	p.answers = make(chan []byte)
	go func() {
		lines := bufio.NewScanner(from)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.answers <- append([]byte(nil), lines.Bytes()...)
		}
		close(p.answers)
	}()
	hello, err := p.receive(peerStart)
	if err == nil && hello.Error != "" {
		err = fmt.Errorf("%s", hello.Error)
	}
	if err != nil {
		p.stop()
		p.status = fmt.Sprintf("peer: %v", err)
		return p
	}
	p.title, p.status = hello.Name, statusOK
	return p
}

// name is the peer's, or why there is none.
func (p *peer) name() string {
	if p.title == "" {
		return p.status
	}
	return p.title
}

// receive waits for an answer.
func (p *peer) receive(within time.Duration) (a answer, err error) {
	select {
	case line, ok := <-p.answers:
		if !ok {
			return a, fmt.Errorf("the script ended; see peer.log")
		}
		return a, json.Unmarshal(line, &a)
	case <-time.After(within):
		return a, fmt.Errorf("no answer within %v", within)
	}
}

// time asks for the times of a case; status is empty where all is well, or nothing was asked.
func (p *peer) time(c benchCase, sets, repetitions int) (milliseconds []float64, status string) {
	a, status := p.ask(question{c.Op, c.Type.String(), sets, repetitions, c.Dims}, c.name(), peerCase)
	return a.Milliseconds, status
}

// ask sends a question, by name for the status, and waits for its answer; status is empty
// where all is well, or nothing was asked.
func (p *peer) ask(q any, name string, within time.Duration) (a answer, status string) {
	if p.status != statusOK {
		return a, ""
	}
	raw, err := json.Marshal(q)
	if err == nil {
		_, err = p.to.Write(append(raw, '\n'))
	}
	if err == nil {
		a, err = p.receive(within)
	}
	if err != nil {
		p.stop()
		p.status = "stopped at " + name + ": " + err.Error()
		return answer{}, "peer " + p.status
	}
	if a.Error != "" {
		return answer{}, "peer: " + a.Error
	}
	return a, ""
}

// stop ends the process.
func (p *peer) stop() {
	if p.command == nil || p.command.Process == nil {
		return
	}
	_ = p.to.Close()
	ended := make(chan struct{})
	go func() {
		for range p.answers {
		}
		_ = p.command.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		_ = p.command.Process.Kill()
		<-ended
	}
	p.command = nil
}
