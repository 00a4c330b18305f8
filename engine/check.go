package engine

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"retort/data"
)

// CheckReport is what `retort check` finds in a data file.
type CheckReport struct {
	Rows       int            `json:"rows"`
	Kinds      map[string]int `json:"kinds"`
	Usable     int            `json:"usable"`
	Rejects    data.Rejects   `json:"rejected"`
	Duplicates int            `json:"duplicates"` // usable rows whose tokens are those of an earlier one
	Tokens     int            `json:"tokens"`
	Trained    int            `json:"trained_tokens"`
	Longest    int            `json:"longest"` // tokens
	Median     int            `json:"median"`  // tokens
	Previews   []Preview      `json:"-"`
}

// CheckData reads a data file as training would, with the text side of a student (the
// built-in tokenizer's when model is empty), and counts what it finds. Rows longer than
// maxLength are refused with a count. The error is ErrBadInput when the file cannot be
// read or no row of it can be trained on; the report then says why.
func CheckData(path, model string, maxLength int) (CheckReport, error) {
	var text *Text
	var err error
	if model == "" {
		text, err = BuiltinText()
	} else {
		text, err = OpenText(model)
	}
	if err != nil {
		return CheckReport{}, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	rows, err := readRows(path)
	if err != nil {
		return CheckReport{}, err
	}
	r := CheckReport{Rows: len(rows), Kinds: map[string]int{}}
	for _, row := range rows {
		r.Kinds[row.Kind.String()]++
	}
	examples, rejects, err := data.EncodeAll(rows, text, data.Options{
		EncodeOptions: data.EncodeOptions{CompletionOnly: true, Student: model}, MaxLength: maxLength, Strategy: data.Drop,
	})
	r.Rejects, r.Usable = rejects, len(examples)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	seen := map[[32]byte]bool{}
	var lengths []int
	for _, e := range examples {
		hash := sha256.Sum256(fmt.Append(nil, e.IDs))
		if seen[hash] {
			r.Duplicates++
		}
		seen[hash] = true
		lengths = append(lengths, len(e.IDs))
		r.Tokens += len(e.IDs)
		r.Trained += e.Trained()
	}
	slices.Sort(lengths)
	r.Longest, r.Median = lengths[len(lengths)-1], lengths[len(lengths)/2]
	r.Previews = previews(text, examples, 10)
	return r, nil
}

// String is the report for a person, without the previews.
func (r CheckReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows", r.Rows)
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		fmt.Fprintf(&b, ", %s %d", kind, r.Kinds[kind])
	}
	fmt.Fprintf(&b, "\n%d usable, %d the same as an earlier row\n", r.Usable, r.Duplicates)
	if r.Rejects.Total() > 0 {
		fmt.Fprintf(&b, "refused: %s\n", r.Rejects)
	}
	fmt.Fprintf(&b, "%d tokens, %d of them trained; a row has %d in the median, %d at most", r.Tokens, r.Trained, r.Median, r.Longest)
	return b.String()
}
