package check

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"retort/data"
	"retort/data/dedup"
	"retort/engine"
)

// Report is what `retort check` finds in a data file.
type Report struct {
	Dataset string         `json:"dataset"`
	SHA256  string         `json:"sha256,omitempty"` // of the file; empty for a pipe
	Bytes   int64          `json:"bytes,omitempty"`
	Rows    int            `json:"rows"`
	Kinds   map[string]int `json:"kinds"`
	Sources map[string]int `json:"sources,omitempty"`
	Usable  int            `json:"usable"`
	Rejects data.Rejects   `json:"rejected"`
	// Details has, for the reasons of lines that are no row, what stood in the first of them.
	Details        map[string]string `json:"details,omitempty"`
	Duplicates     int               `json:"duplicates"`      // rows that say what an earlier usable one says
	NearDuplicates int               `json:"near_duplicates"` // counted with dedup alone
	Contamination  Contamination     `json:"contamination"`
	Equations      Equations         `json:"equations"` // with verify
	Compared       int               `json:"compared"`  // rows whose answer was compared with a known one
	Tokens         int               `json:"tokens"`
	Trained        int               `json:"trained_tokens"`
	Longest        int               `json:"longest"`           // tokens
	Median         int               `json:"median"`            // tokens
	Written        int               `json:"written"`           // rows in the output
	Refused        string            `json:"refused,omitempty"` // why the file is refused
	Previews       []engine.Preview  `json:"-"`
}

// Equations counts the equations that were computed again.
type Equations struct {
	Checked int `json:"checked"`
	Wrong   int `json:"wrong"`
}

// Contamination is what evaluations ask too.
type Contamination struct {
	Evaluations []Evaluation `json:"evaluations,omitempty"`
	Rows        int          `json:"rows"`
	Hits        []RowHit     `json:"hits,omitempty"` // the first maxHits of them
}

// Evaluation is a file that the rows were compared with.
type Evaluation struct {
	File      string `json:"file"`
	SHA256    string `json:"sha256"`
	Questions int    `json:"questions"`
	Rows      int    `json:"rows"` // of the data file that ask one of them
}

// RowHit is a row with the question that it repeats.
type RowHit struct {
	Line int `json:"line"`
	dedup.Hit
}

// maxHits bounds how many contaminated rows are listed; all are counted, and all lines
// stand under their reason.
const maxHits = 10_000

func (c *Contamination) add(line int, hit dedup.Hit) {
	c.Rows++
	for i := range c.Evaluations {
		if c.Evaluations[i].File == hit.File {
			c.Evaluations[i].Rows++
		}
	}
	if len(c.Hits) < maxHits {
		c.Hits = append(c.Hits, RowHit{line, hit})
	}
}

// String is the report for a person, without the previews.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows%s\n", r.Rows, counts(r.Kinds))
	if len(r.Sources) > 0 {
		fmt.Fprintf(&b, "sources%s\n", strings.TrimPrefix(counts(r.Sources), ","))
	}
	fmt.Fprintf(&b, "%d usable, %d the same as an earlier row", r.Usable, r.Duplicates)
	if r.NearDuplicates > 0 {
		fmt.Fprintf(&b, ", %d nearly the same", r.NearDuplicates)
	}
	b.WriteByte('\n')
	if r.Rejects.Total() > 0 {
		fmt.Fprintf(&b, "refused: %s\n", r.Rejects)
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Details)) {
		fmt.Fprintf(&b, "  the first: %s\n", r.Details[reason])
	}
	r.writeContamination(&b)
	if r.Equations.Checked > 0 {
		fmt.Fprintf(&b, "%d equations computed again, %d of them wrong\n", r.Equations.Checked, r.Equations.Wrong)
	}
	if r.Compared > 0 {
		fmt.Fprintf(&b, "%d answers compared with known ones\n", r.Compared)
	}
	fmt.Fprintf(&b, "%d tokens, %d of them trained; a row has %d in the median, %d at most", r.Tokens, r.Trained, r.Median, r.Longest)
	if r.Written > 0 {
		fmt.Fprintf(&b, "\n%d rows written", r.Written)
	}
	return b.String()
}

// shownHits is how many contaminated rows a person is shown; --json has more.
const shownHits = 10

func (r Report) writeContamination(b *strings.Builder) {
	c := r.Contamination
	for _, e := range c.Evaluations {
		fmt.Fprintf(b, "contamination: %d rows ask one of the %d questions of %s\n", e.Rows, e.Questions, e.File)
	}
	if c.Rows > 0 {
		fmt.Fprintf(b, "%d rows (%.2f %%) ask what an evaluation asks:\n", c.Rows, 100*float64(c.Rows)/float64(r.Rows))
	}
	for i, h := range c.Hits {
		if i == shownHits {
			fmt.Fprintf(b, "  … and %d more\n", c.Rows-i)
			break
		}
		fmt.Fprintf(b, "  line %d: %s\n", h.Line, h.Hit)
	}
}

// counts writes a map of counts, largest first.
func counts(m map[string]int) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if d := m[b] - m[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	for i, name := range names {
		if i == 20 {
			fmt.Fprintf(&b, ", %d others", len(names)-i)
			break
		}
		fmt.Fprintf(&b, ", %s %d", name, m[name])
	}
	return b.String()
}

// hashFile is the SHA-256 and the size of a file; of what is no regular file, nothing.
func hashFile(path string) (hash string, size int64, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// public is the report without the folders of this machine, for files that leave it.
func (r Report) public() Report {
	names := []string{r.Dataset, filepath.Base(r.Dataset)}
	for _, e := range r.Contamination.Evaluations {
		names = append(names, e.File, filepath.Base(e.File))
	}
	r.Refused = strings.NewReplacer(names...).Replace(r.Refused)
	r.Dataset = filepath.Base(r.Dataset)
	r.Contamination.Evaluations = slices.Clone(r.Contamination.Evaluations)
	r.Contamination.Hits = slices.Clone(r.Contamination.Hits)
	for i := range r.Contamination.Hits {
		r.Contamination.Hits[i].File = filepath.Base(r.Contamination.Hits[i].File)
	}
	for i := range r.Contamination.Evaluations {
		r.Contamination.Evaluations[i].File = filepath.Base(r.Contamination.Evaluations[i].File)
	}
	return r
}
