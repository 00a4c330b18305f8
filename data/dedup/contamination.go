package dedup

import (
	_ "embed"
	"encoding/binary"
	"fmt"

	"retort/data"
	"retort/data/problems"
)

// The rule of METHODS.md: a row is contaminated when it asks the same normalised question
// as an evaluation, or when half or more of its question's 8-grams stand in one question of
// it. Ours, for prompts that wrap a question in other words: or when a question of the
// evaluation, of 12 words or more, stands whole in it. Generated rows are compared with
// generated rows by their operation graphs.
const (
	// GramWords is the length of the runs of words that are compared.
	GramWords = 8
	// RefusedShare is the share of contaminated rows above which a file is refused.
	RefusedShare = 0.01
	// wholeGrams is how many 8-grams a question must have to be looked for inside others.
	wholeGrams = 5
)

// Rules by which a row is contaminated.
const (
	RuleSame  = "the same question"
	RuleHalf  = "half or more of its 8-grams"
	RuleWhole = "the question stands whole in it"
	RuleGraph = "the same operation graph"
	RuleSays  = "the row says that it is of a test split"
)

// Hit is the question of an evaluation that a row repeats.
type Hit struct {
	File  string  `json:"file"`           // of the evaluation, or the name of a known split
	Line  int     `json:"line,omitempty"` // there; 0 for a known split
	Rule  string  `json:"rule"`
	Share float64 `json:"share"` // of the row's 8-grams that stand there; 1 for the same question
}

// String is the hit in a line.
func (h Hit) String() string {
	if h.Line == 0 {
		return fmt.Sprintf("%s: %s", h.File, h.Rule)
	}
	return fmt.Sprintf("%s:%d: %s (%.0f %%)", h.File, h.Line, h.Rule, 100*h.Share)
}

// asked is one question of an evaluation.
type asked struct {
	file  int32 // in Index.files
	line  int32
	grams int32 // different 8-grams
}

// Index holds the questions of evaluations. Once it is filled, Match may be called from
// several goroutines.
type Index struct {
	files  []string
	asked  []asked
	same   map[uint64]int32   // QuestionHash → asked
	grams  map[uint64][]int32 // 8-gram → asked
	graphs map[uint64]int32   // operation graph → asked
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{same: map[uint64]int32{}, grams: map[uint64][]int32{}, graphs: map[uint64]int32{}}
}

// Len is the number of questions.
func (x *Index) Len() int { return len(x.asked) }

// AddFile adds the questions of a row file and says how many. Rows of formats that are not
// ours count when they have a question under one of the usual keys.
func (x *Index) AddFile(path string) (questions int, err error) {
	err = data.EachRow(path, func(row data.Row, text []byte, fault error) error {
		if fault != nil {
			question, ok := data.LooseQuestion(text)
			if !ok {
				return nil
			}
			row.Prompt = question
		}
		questions += x.addRow(path, row)
		return nil
	})
	if err == nil && questions == 0 {
		err = fmt.Errorf("%s: %w: no row asks a question, under any of the known keys", path, data.ErrNoRows)
	}
	return questions, err
}

// addRow adds what a row asks.
func (x *Index) addRow(file string, row data.Row) int {
	if len(x.files) == 0 || x.files[len(x.files)-1] != file {
		x.files = append(x.files, file)
	}
	graph, generated := graphOf(row)
	questions := row.Questions()
	for _, question := range questions {
		id := int32(len(x.asked))
		entry := asked{file: int32(len(x.files) - 1), line: int32(row.Line)}
		w := words(nil, question, false, nil)
		keep(x.same, hashWords(w), id)
		if generated {
			keep(x.graphs, graph, id)
		} else {
			for g := range gramSet(w) {
				x.grams[g] = append(x.grams[g], id)
				entry.grams++
			}
		}
		x.asked = append(x.asked, entry)
	}
	return len(questions)
}

// keep adds a key unless it is there.
func keep(to map[uint64]int32, key uint64, id int32) {
	if _, ok := to[key]; !ok {
		to[key] = id
	}
}

func gramSet(w []word) map[uint64]struct{} {
	set := make(map[uint64]struct{}, len(w))
	grams(w, GramWords, false, func(h uint64) { set[h] = struct{}{} })
	return set
}

// graphOf is the hash of a generated row's operation graph.
func graphOf(row data.Row) (hash uint64, ok bool) {
	if row.Pair == nil {
		return 0, false
	}
	truth, ok, err := problems.ReadTruth(*row.Pair)
	if err != nil || !ok || truth.Graph.Answer < 0 || truth.Graph.Answer >= len(truth.Graph.Nodes) || !sound(truth.Graph) {
		return 0, false
	}
	return truth.Graph.Hash(), true
}

// sound says whether a graph that came from a file only points backwards.
func sound(g problems.Graph) bool {
	for i, n := range g.Nodes {
		for _, a := range n.Args {
			if a < 0 || a >= i {
				return false
			}
		}
	}
	return true
}

// Match finds the question of an evaluation that a row repeats, in this order: the same
// question, the same graph, most 8-grams.
func (x *Index) Match(row data.Row) (Hit, bool) {
	if len(x.graphs) > 0 {
		if graph, generated := graphOf(row); generated {
			if id, ok := x.graphs[graph]; ok {
				return x.hit(id, RuleGraph, 1), true
			}
		}
	}
	for _, question := range row.Questions() {
		if hit, ok := x.match(question); ok {
			return hit, true
		}
	}
	return Hit{}, false
}

// match finds a question by its words.
func (x *Index) match(question string) (Hit, bool) {
	w := words(make([]word, 0, 128), question, false, nil)
	if len(w) == 0 {
		return Hit{}, false
	}
	if id, ok := x.same[hashWords(w)]; ok {
		return x.hit(id, RuleSame, 1), true
	}
	var shared map[int32]int32 // asked → 8-grams in common; most rows have none
	var seen map[uint64]struct{}
	grams(w, GramWords, false, func(h uint64) {
		ids, ok := x.grams[h]
		if !ok {
			return
		}
		if shared == nil {
			shared, seen = map[int32]int32{}, map[uint64]struct{}{}
		}
		if _, again := seen[h]; again {
			return
		}
		seen[h] = struct{}{}
		for _, id := range ids {
			shared[id]++
		}
	})
	if shared == nil {
		return Hit{}, false
	}
	best, most := int32(-1), int32(0)
	for id, n := range shared {
		if n > most || n == most && id < best {
			best, most = id, n
		}
	}
	share := float64(most) / float64(len(gramSet(w)))
	if share >= 0.5 {
		return x.hit(best, RuleHalf, share), true
	}
	best = -1
	for id, n := range shared {
		if entry := x.asked[id]; n == entry.grams && n >= wholeGrams && (best < 0 || id < best) {
			best = id
		}
	}
	if best < 0 {
		return Hit{}, false
	}
	return x.hit(best, RuleWhole, float64(shared[best])/float64(len(gramSet(w)))), true
}

func (x *Index) hit(id int32, rule string, share float64) Hit {
	entry := x.asked[id]
	return Hit{File: x.files[entry.file], Line: int(entry.line), Rule: rule, Share: share}
}

// gsm8kTest holds the sorted QuestionHashes of GSM8K's test split (openai/grade-school-math,
// MIT), made by data/dedup/fingerprint: nearly all published outputs of language models on
// GSM8K are for this split.
//
//go:embed known/gsm8k-test.bin
var gsm8kTest []byte

// KnownTestSplits lists the test splits that AddKnown knows, with their questions.
func KnownTestSplits() map[string]int {
	return map[string]int{gsm8kName: len(gsm8kTest) / 8}
}

const gsm8kName = "the test split of GSM8K"

// AddKnown adds the test splits that are built in; of them only the same question is found.
func (x *Index) AddKnown() {
	x.files = append(x.files, gsm8kName)
	id := int32(len(x.asked))
	x.asked = append(x.asked, asked{file: int32(len(x.files) - 1)})
	for at := 0; at+8 <= len(gsm8kTest); at += 8 {
		keep(x.same, binary.LittleEndian.Uint64(gsm8kTest[at:]), id)
	}
}

// Says finds rows that call themselves part of a test split.
func Says(row data.Row) (Hit, bool) {
	return Hit{File: `"split"`, Rule: RuleSays, Share: 1}, row.Split == "test"
}
