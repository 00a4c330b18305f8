package verify

import (
	"fmt"
	"slices"
)

// Keep says which of several samples of one question are kept.
type Keep string

// What is kept of the correct samples.
const (
	KeepAll      Keep = "all"      // every correct one
	KeepShortest Keep = "shortest" // the correct one with the fewest words
	KeepDiverse  Keep = "diverse"  // k correct ones that differ most
)

// Reasons for which a sample of a question is not kept.
const (
	ReasonOutvoted   = "another answer than most samples of its question"
	ReasonTied       = "no answer has most votes among the samples of its question"
	ReasonLonger     = "longer than another correct sample of its question"
	ReasonLessUnlike = "more like the kept samples of its question than others"
)

// Validate checks the rule and its number of samples.
func (k Keep) Validate(number int) error {
	switch k {
	case KeepAll, KeepShortest:
		return nil
	case KeepDiverse:
		if number < 1 {
			return fmt.Errorf("keeping diverse samples needs how many of them")
		}
		return nil
	}
	return fmt.Errorf("keep %q is unknown: use %s, %s or %s", k, KeepAll, KeepShortest, KeepDiverse)
}

// Sample is one answer to a question.
type Sample struct {
	Key   uint64 // of its final answer; equal answers have equal keys (Key), 0 is no answer
	Known bool   // its answer was compared with the known one and is right
	Words int
}

// Vote finds the answer that most samples have, where no known one decides. ok is false
// without any answer, or when two have equally many votes.
func Vote(samples []Sample) (key uint64, votes int, ok bool) {
	count := map[uint64]int{}
	for _, s := range samples {
		if s.Key != 0 {
			count[s.Key]++
		}
	}
	for k, n := range count {
		switch {
		case n > votes:
			key, votes, ok = k, n, true
		case n == votes:
			ok = false
		}
	}
	return key, votes, ok
}

// Choose gives for every sample of one question the reason for which it is not kept, or
// nothing. Correct are those known to be right; where none was compared, those with the
// answer that most have. unlike is the distance of two samples, for KeepDiverse: it starts
// with the shortest and then takes, number times in all, the sample furthest from those
// already taken. Ties go to the earlier sample.
func Choose(samples []Sample, keep Keep, number int, unlike func(i, j int) float64) []string {
	reasons := make([]string, len(samples))
	var correct []int
	if slices.ContainsFunc(samples, func(s Sample) bool { return s.Known }) {
		for i := range samples {
			correct = append(correct, i) // the wrong ones were refused before
		}
	} else {
		winner, _, ok := Vote(samples)
		for i, s := range samples {
			switch {
			case ok && s.Key == winner:
				correct = append(correct, i)
			case ok:
				reasons[i] = ReasonOutvoted
			default:
				reasons[i] = ReasonTied
			}
		}
	}
	if keep == KeepAll || len(correct) == 0 {
		return reasons
	}
	shortest := slices.MinFunc(correct, func(a, b int) int {
		if d := samples[a].Words - samples[b].Words; d != 0 {
			return d
		}
		return a - b
	})
	kept, reason := []int{shortest}, ReasonLonger
	if keep == KeepDiverse {
		kept, reason = diverse(correct, shortest, number, unlike), ReasonLessUnlike
	}
	for _, i := range correct {
		if !slices.Contains(kept, i) {
			reasons[i] = reason
		}
	}
	return reasons
}

// diverse takes number of the samples, each the furthest from those taken before.
func diverse(from []int, first, number int, unlike func(i, j int) float64) []int {
	kept := []int{first}
	for len(kept) < min(number, len(from)) {
		best, bestDistance := -1, -1.0
		for _, i := range from {
			if slices.Contains(kept, i) {
				continue
			}
			nearest := unlike(i, kept[0])
			for _, j := range kept[1:] {
				nearest = min(nearest, unlike(i, j))
			}
			if nearest > bestDistance {
				best, bestDistance = i, nearest
			}
		}
		kept = append(kept, best)
	}
	return kept
}
