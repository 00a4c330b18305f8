// Command vocab makes the generator's tokenizer.json: it trains a small
// byte-level BPE on text that the generator writes. Run it by `go generate` in
// data/problems after the wordings have changed; a test says when it is due.
package main

import (
	"flag"
	"fmt"
	"os"

	"retort/data/problems"
)

// vocabSize is the number of tokens: few, since a small student's head costs
// time in proportion, but enough for most words of all kinds of stories to be
// one token.
const vocabSize = 1024

// rows is the number of problems of each configuration to train on; demoWeight
// is how often each of the demo's counts, so that all its words become tokens.
const (
	rows       = 3000
	demoWeight = 8
)

func main() {
	out := flag.String("out", "tokenizer.json", "file to write")
	flag.Parse()
	v, err := learn()
	if err == nil {
		err = os.WriteFile(*out, tokenizerJSON(v), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vocab:", err)
		os.Exit(1)
	}
}

// learn trains the vocabulary on problems and their solutions: those of the
// demo, and those of all kinds.
func learn() (vocabulary, error) {
	broad := problems.Default()
	broad.Distractors = 1
	counts := map[string]int{}
	for _, part := range []struct {
		config problems.Config
		weight int
	}{{problems.Demo(), demoWeight}, {broad, 1}} {
		g, err := problems.New(part.config)
		if err != nil {
			return vocabulary{}, err
		}
		for i := range rows {
			p := g.Problem(i)
			for _, piece := range pieces(p.Question + "\n" + p.Pair().Text()) {
				counts[piece] += part.weight
			}
		}
	}
	return train(counts, vocabSize), nil
}
