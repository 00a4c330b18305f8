package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"retort/data"
)

// gsm8kLengths are tokens of question and answer of 64 rows of GSM8K's training set (openai/
// grade-school-math), of SmolLM2's tokenizer: the rows at the middle of each 64th when sorted
// by their sum. All 7473 rows have 184.8 tokens on average and 538 at most, these 184.5 and 405.
var gsm8kLengths = [][2]int{
	{31, 50}, {33, 56}, {36, 58}, {44, 54}, {53, 49}, {38, 68}, {48, 61}, {49, 63}, {34, 81}, {53, 64}, {43, 77}, {41, 82},
	{35, 91}, {38, 90}, {49, 81}, {60, 72}, {67, 67}, {39, 98}, {52, 87}, {40, 102}, {57, 87}, {85, 61}, {39, 110}, {61, 90},
	{44, 110}, {48, 108}, {54, 104}, {70, 90}, {44, 119}, {73, 92}, {51, 117}, {94, 76}, {68, 105}, {61, 115}, {48, 131},
	{97, 84}, {59, 125}, {49, 138}, {73, 117}, {85, 108}, {62, 135}, {62, 138}, {59, 144}, {136, 70}, {81, 129}, {91, 122},
	{64, 153}, {52, 169}, {66, 159}, {83, 145}, {84, 149}, {70, 168}, {101, 142}, {92, 156}, {66, 189}, {138, 123}, {94, 176},
	{60, 219}, {104, 183}, {42, 257}, {87, 226}, {72, 257}, {158, 192}, {154, 251},
}

// sftCase is fine-tuning on questions and answers: ours packs whole rows into length tokens,
// the peer pads the rows of a micro-batch to its longest. Both see every row once.
type sftCase struct {
	namedConfig
	rows   int // examples in all
	length int // tokens of a pack
	packs  int // packs of our step
	batch  int // rows of the peer's step, about as many as our packs hold
	shrink int // divides the lengths
}

func sftCaseFor(emu bool) sftCase {
	c := sftCase{named("smollm2-135m"), 1280, 1024, 12, 64, 1}
	if emu {
		c = sftCase{miniature(c.namedConfig), 8, 24, 1, 2, 16}
	}
	return c
}

func (c sftCase) title() string {
	return fmt.Sprintf("%s, %d rows as long as GSM8K's: packs of %d against padding, bfloat16", c.name, c.rows, c.length)
}

// sftQuestion is the case as the peer gets it: the ids of all rows one after the other, and
// how many each has of prompt and completion.
type sftQuestion struct {
	Op        string    `json:"op"`
	Config    contender `json:"config"`
	Folder    string    `json:"folder"`
	Tokens    string    `json:"tokens"`
	Lengths   [][2]int  `json:"lengths"`
	Rows      int       `json:"rows"`
	Optimizer adamW     `json:"optimizer"`
}

// sftSuite measures tokens of content a second: of prompts and completions, padding not counted.
func (r *runner) sftSuite(s *studentBench) error {
	c := sftCaseFor(s.m.emu)
	if !strings.Contains(c.title(), r.only) {
		return nil
	}
	if time.Now().After(s.until) {
		r.skip("sft", c.title(), timeSpent)
		return nil
	}
	b, student, err := s.student(c.Config)
	if err != nil {
		return err
	}
	defer b.Close()
	defer student.Close()
	folder, err := s.folder(student, "sft")
	if err != nil {
		return err
	}
	examples, lengths := c.examples()
	tokens := filepath.Join(s.dir, "sft.tokens")
	if err := writeTokens(tokens, examples); err != nil {
		return err
	}
	content := 0
	for _, e := range examples {
		content += len(e.IDs)
	}
	// Two epochs: the first warms up. An epoch's time is that of its steps.
	o := trainCase{rows: c.packs, length: c.length}.options(1, 0)
	o.Packing, o.Shuffle, o.NumTrainEpochs, o.MaxSteps = true, true, 2, -1
	epoch := func() ([]float64, error) {
		steps, _, err := trainSteps(student, examples, o)
		return []float64{sum(steps[len(steps)/2:])}, err
	}
	first, err := epoch()
	if err != nil {
		return err
	}
	theirs, status := s.p.ask(sftQuestion{"sft", contenderOf(c.Config), folder, tokens, lengths, c.batch, recipe}, c.title(), peerTraining)
	again, err := epoch()
	if err != nil {
		return err
	}
	r.report.Rows = append(r.report.Rows, speedRow("sft", c.title(), float64(content), first, again, theirs.Milliseconds, theirs.Side, status))
	return nil
}

// examples are rows of random tokens in the lengths' proportions, in an order of no meaning;
// only completions are trained.
func (c sftCase) examples() (examples []data.Example, lengths [][2]int) {
	for i := range c.rows {
		pair := gsm8kLengths[i*37%len(gsm8kLengths)]
		prompt, n := max(1, pair[0]/c.shrink), max(2, (pair[0]+pair[1])/c.shrink)
		weights := make([]float32, n)
		for j := prompt; j < n; j++ {
			weights[j] = 1
		}
		examples = append(examples, data.Example{Index: i, IDs: drawTokens(n, c.Vocab, uint64(i)), Weights: weights})
		lengths = append(lengths, [2]int{prompt, n - prompt})
	}
	return examples, lengths
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
