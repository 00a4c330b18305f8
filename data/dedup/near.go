package dedup

import (
	"math"
	"slices"
	"strings"
)

// Parameters of near duplicates, all ours. Two rows of similarity 0.8 are found with a
// probability of 0.77, of 0.9 with 0.99, of 0.5 with 0.03; the estimate of their similarity
// then has a standard error of 0.05.
const (
	// ShingleWords is the length of the runs of words whose sets are compared.
	ShingleWords = 3
	// Hashes is the number of minima of a sketch, Bands × Rows.
	Hashes = Bands * BandRows
	// Bands and BandRows: rows are compared when all minima of a band agree.
	Bands    = 8
	BandRows = 8
	// Threshold is the estimated Jaccard similarity from which rows are near duplicates.
	Threshold = 0.8
	// maxCompared bounds how many rows of one bucket a row is compared with.
	maxCompared = 64
)

// Sketch is what is kept of a row to compare it with others: 112 bytes.
type Sketch struct {
	exact   uint64        // of question and answer, case and space set aside
	bands   [Bands]uint32 // of the minima in a band and the numbers
	minima  [Hashes]uint8 // the low byte of every minimum
	numbers uint32        // of the numbers in the text, in order
}

// factors of the hash functions, odd.
var factors = func() (f [Hashes]uint64) {
	for i := range f {
		f[i] = mix(uint64(i)) | 1
	}
	return f
}()

// Sketcher makes sketches and keeps its memory between them. It is for one goroutine.
type Sketcher struct{ words []word }

// Sketch makes the sketch of a row's question and answer. Rows with other numbers are other
// problems however alike their words, so near duplicates have the same numbers in the same
// order.
func (s *Sketcher) Sketch(question, answer string) Sketch {
	var out Sketch
	out.exact = exactHash(exactHash(fnvOffset, question)*fnvPrime, answer)
	numbers := uint64(0)
	s.words = words(s.words[:0], question, true, &numbers)
	s.words = words(s.words, answer, true, &numbers)
	out.numbers = uint32(numbers)
	var minima [Hashes]uint32
	for i := range minima {
		minima[i] = math.MaxUint32
	}
	grams(s.words, ShingleWords, true, func(h uint64) {
		for i, f := range factors {
			minima[i] = min(minima[i], uint32(h*f>>32))
		}
	})
	for b := range out.bands {
		h := uint64(out.numbers) ^ uint64(b)<<32
		for _, m := range minima[b*BandRows : (b+1)*BandRows] {
			h = mix(h ^ uint64(m))
		}
		out.bands[b] = uint32(h)
	}
	for i, m := range minima {
		out.minima[i] = uint8(m)
	}
	return out
}

// Similarity estimates the Jaccard similarity of two rows' shingles.
func (a *Sketch) Similarity(b *Sketch) float64 {
	same := 0
	for i := range a.minima {
		if a.minima[i] == b.minima[i] {
			same++
		}
	}
	const chance = 1.0 / 256 // that the low bytes of two minima agree
	return max(0, (float64(same)/Hashes-chance)/(1-chance))
}

// exactHash continues a hash over a text in lower case with single spaces.
func exactHash(h uint64, text string) uint64 {
	for field := range strings.FieldsSeq(text) {
		for i := range len(field) {
			c := field[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			h = (h ^ uint64(c)) * fnvPrime
		}
		h = (h ^ ' ') * fnvPrime
	}
	return mix(h)
}

// chunkRows is how many sketches are kept in one piece: growing copies nothing.
const chunkRows = 1 << 13

// Finder finds duplicates among the sketches of a file.
type Finder struct {
	chunks [][]Sketch
	rows   []int32 // number that the caller gave to each
}

// Add adds a row under a number of the caller's; earlier ones are the originals.
func (f *Finder) Add(row int, s Sketch) {
	if len(f.rows)%chunkRows == 0 {
		f.chunks = append(f.chunks, make([]Sketch, 0, chunkRows))
	}
	last := len(f.chunks) - 1
	f.chunks[last] = append(f.chunks[last], s)
	f.rows = append(f.rows, int32(row))
}

func (f *Finder) at(i int) *Sketch { return &f.chunks[i/chunkRows][i%chunkRows] }

// Len is the number of rows added.
func (f *Finder) Len() int { return len(f.rows) }

// Similarity estimates the similarity of the i-th and the j-th row added.
func (f *Finder) Similarity(i, j int) float64 { return f.at(i).Similarity(f.at(j)) }

// Duplicate is a row that repeats an earlier one.
type Duplicate struct {
	Row, Of    int     // numbers given to Add
	Exact      bool    // the same but for case and space
	Similarity float64 // estimated; 1 for exact ones
}

// Duplicates lists the rows that repeat an earlier row which itself is none, in the order
// of Add; near ones only when asked for. among, when not nil, says which of the rows added
// are looked at.
func (f *Finder) Duplicates(near bool, among func(i int) bool) []Duplicate {
	of := make([]int32, len(f.rows)) // the original of each row, -1 for none, -2 when not looked at
	exact := make([]bool, len(f.rows))
	keys := make([]rowKey, 0, len(f.rows))
	for i := range of {
		of[i] = -2
		if among == nil || among(i) {
			of[i] = -1
			keys = append(keys, rowKey{f.at(i).exact, int32(i)})
		}
	}
	slices.SortFunc(keys, rowKey.compare)
	first := 0
	for i := 1; i < len(keys); i++ {
		if keys[i].key != keys[first].key {
			first = i
			continue
		}
		of[keys[i].row], exact[keys[i].row] = keys[first].row, true
	}
	if near {
		f.near(of, keys)
	}
	var found []Duplicate
	for i, original := range of {
		if original < 0 {
			continue
		}
		d := Duplicate{Row: int(f.rows[i]), Of: int(f.rows[original]), Exact: exact[i], Similarity: 1}
		if !d.Exact {
			d.Similarity = f.Similarity(i, int(original))
		}
		found = append(found, d)
	}
	return found
}

// rowKey sorts rows by a hash.
type rowKey struct {
	key uint64
	row int32
}

func (a rowKey) compare(b rowKey) int {
	switch {
	case a.key < b.key:
		return -1
	case a.key > b.key:
		return 1
	}
	return int(a.row) - int(b.row)
}

// near fills in the near duplicates among the rows that are no exact ones. keys is memory
// to sort in.
func (f *Finder) near(of []int32, keys []rowKey) {
	var pairs []rowKey // the later row, and as its key the earlier
	for band := range Bands {
		keys = keys[:0]
		for i := range of {
			if of[i] == -1 {
				keys = append(keys, rowKey{uint64(f.at(i).bands[band]), int32(i)})
			}
		}
		slices.SortFunc(keys, rowKey.compare)
		for from := 0; from < len(keys); {
			end := from + 1
			for end < len(keys) && keys[end].key == keys[from].key {
				end++
			}
			bucket := keys[from:end]
			for i := 1; i < len(bucket); i++ {
				for _, earlier := range bucket[:min(i, maxCompared)] {
					if f.alike(int(bucket[i].row), int(earlier.row)) {
						pairs = append(pairs, rowKey{uint64(bucket[i].row), earlier.row})
						break
					}
				}
			}
			from = end
		}
	}
	slices.SortFunc(pairs, rowKey.compare)
	for _, p := range pairs { // later rows in order, so that what stands before is decided
		if of[p.key] < 0 && of[p.row] < 0 {
			of[p.key] = p.row
		}
	}
}

// alike says whether two rows are near duplicates.
func (f *Finder) alike(i, j int) bool {
	a, b := f.at(i), f.at(j)
	return a.numbers == b.numbers && a.Similarity(b) >= Threshold
}
