package engine

import (
	"fmt"

	"retort/data"
	"retort/data/dedup"
)

// smokeRows is how many rows of a known test split a file may have without being refused:
// a handful is a trial or a comparison with figures known elsewhere, not a training set.
// Rows of an evaluation that is named are dropped from the first on.
const smokeRows = 20

// withoutEvaluation drops the rows that the evaluation file asks too, and those that say
// that they are of a test split; it refuses a file of which they are more than 1 %, and one
// with rows of a test split that is known by its questions. Allow keeps everything. note
// lists what was found.
func withoutEvaluation(rows []data.Row, evaluation string, allow bool, note func(string)) ([]data.Row, error) {
	index, known := dedup.NewIndex(), dedup.NewIndex()
	known.AddKnown()
	if evaluation != "" {
		if _, err := index.AddFile(evaluation); err != nil {
			return nil, fmt.Errorf("%w: eval_dataset: %w", ErrBadInput, err)
		}
	}
	var hits, splits []string // places with what they repeat
	kept := make([]data.Row, 0, len(rows))
	for _, row := range rows {
		hit, found := dedup.Says(row)
		if !found {
			hit, found = index.Match(row)
		}
		if found {
			hits = append(hits, row.Place()+" repeats "+hit.String())
			if !allow {
				continue
			}
		} else if hit, found := known.Match(row); found {
			splits = append(splits, row.Place()+" repeats "+hit.String())
		}
		kept = append(kept, row)
	}
	const advice = "; training on them would make its figures worthless: take them out (retort check --eval_dataset … --output …), or set allow_contamination"
	switch {
	case allow:
	case float64(len(hits)) > dedup.RefusedShare*float64(len(rows)):
		return nil, fmt.Errorf("%w: %d of %d rows ask what the evaluation asks, more than %.0f %%: %s%s", ErrBadInput, len(hits), len(rows), 100*dedup.RefusedShare, hits[0], advice)
	case len(splits) >= smokeRows && float64(len(splits)) > dedup.RefusedShare*float64(len(rows)):
		return nil, fmt.Errorf("%w: %d of %d rows are of a test split: %s%s", ErrBadInput, len(splits), len(rows), splits[0], advice)
	}
	tell(note, hits, map[bool]string{false: "dropped: an evaluation asks the same", true: "kept, though an evaluation asks the same"}[allow])
	tell(note, splits, "kept, though they are of a test split")
	return kept, nil
}

// tell notes how many rows were found, and the first of them.
func tell(note func(string), places []string, what string) {
	const shown = 10
	if len(places) == 0 {
		return
	}
	line := fmt.Sprintf("contamination: %d rows %s", len(places), what)
	for i, place := range places {
		if i == shown {
			line += fmt.Sprintf("\n  … and %d more", len(places)-i)
			break
		}
		line += "\n  " + place
	}
	note(line)
}
