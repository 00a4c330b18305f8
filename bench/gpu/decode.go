package main

import (
	"fmt"
	"strings"
	"time"

	"retort/model"
)

// decodeCase is greedy decoding, every sequence to its last token.
type decodeCase struct {
	namedConfig
	sequences, prompt, new int
}

func decodeCases(emu bool) (list []decodeCase) {
	for _, n := range []int{1, 32, 256} {
		c := decodeCase{named("smollm2-135m"), n, 128, 256}
		if emu {
			c = decodeCase{miniature(c.namedConfig), min(n, 3), 8, 4}
		}
		list = append(list, c)
	}
	if emu {
		list = list[:2]
	}
	return list
}

func (c decodeCase) title() string {
	return fmt.Sprintf("%s greedy, %d sequences, %d+%d tokens, bfloat16", c.name, c.sequences, c.prompt, c.new)
}

// decodeQuestion is a decodeCase as the peer gets it.
type decodeQuestion struct {
	Op          string    `json:"op"`
	Config      contender `json:"config"`
	Folder      string    `json:"folder"`
	Sequences   int       `json:"sequences"`
	Prompt      int       `json:"prompt"`
	New         int       `json:"new"`
	Repetitions int       `json:"repetitions"`
}

const (
	decodeRepetitions = 3
	peerDecoding      = 3 * time.Minute
)

// decodeSuite measures whole calls of Generate: prompts, tokens, and the setting-up of both.
func (r *runner) decodeSuite(s *studentBench) error {
	cases := decodeCases(s.m.emu)
	b, student, err := s.student(cases[0].Config)
	if err != nil {
		return err
	}
	defer b.Close()
	defer student.Close()
	folder, err := s.folder(student, "decode")
	if err != nil {
		return err
	}
	for _, c := range cases {
		if !strings.Contains(c.title(), r.only) {
			continue
		}
		if time.Now().After(s.until) {
			r.skip("decode", c.title(), timeSpent)
			continue
		}
		repetitions := decodeRepetitions
		if s.m.emu {
			repetitions = 1
		}
		first, err := decodeTimes(student, c, repetitions+1) // the first warms up
		if err != nil {
			return err
		}
		theirs, status := s.p.ask(decodeQuestion{"decode", contenderOf(c.Config), folder, c.sequences, c.prompt, c.new, repetitions}, c.title(), peerDecoding)
		again, err := decodeTimes(student, c, repetitions)
		if err != nil {
			return err
		}
		r.report.Rows = append(r.report.Rows, speedRow("decode", c.title(), float64(c.sequences*c.new), first[1:], again, theirs.Milliseconds, theirs.Side, status))
	}
	return nil
}

// decodeTimes returns the milliseconds of each of n calls.
func decodeTimes(student *model.Student, c decodeCase, n int) (milliseconds []float64, err error) {
	requests := make([]model.Request, c.sequences)
	ids := drawTokens(c.sequences*c.prompt, c.Vocab, 2)
	for i := range requests {
		requests[i] = model.Request{Prompt: ids[i*c.prompt : (i+1)*c.prompt], MaxNew: c.new}
	}
	for range n {
		began := time.Now()
		if err := student.Generate(requests, model.GenerateOptions{Slots: c.sequences}); err != nil {
			return nil, err
		}
		milliseconds = append(milliseconds, 1e3*time.Since(began).Seconds())
	}
	return milliseconds, nil
}

// named is the pretrained shape of that name.
func named(name string) namedConfig {
	for _, c := range pretrained {
		if c.name == name {
			return c
		}
	}
	panic("no shape " + name)
}
