package engine

import (
	"math/rand/v2"
	"slices"

	"retort/data"
	"retort/model"
)

// Position is where the scheduler stands in the data: the next row of an epoch. With the
// options and the examples it determines everything that follows.
type Position struct {
	Epoch int `json:"epoch"`
	Row   int `json:"row"` // rows of the epoch already trained, a row being an example or a pack
}

// Step is the input of one optimizer step.
type Step struct {
	Micro   []MicroBatch
	Trained int      // trained tokens of all micro-batches: the loss is divided by it
	Tokens  int      // tokens, prompts included
	Epoch   float64  // epochs done once the step is taken
	After   Position // where to go on afterwards
}

// MicroBatch is what runs through the student at once.
type MicroBatch struct {
	model.Batch
	Examples []int // index of the row of the data file of each document, for messages
}

// schedulerOptions says how examples become steps.
type schedulerOptions struct {
	batchSize, accumulation int
	maxLength               int
	packing, shuffle        bool
	seed                    uint64
}

// scheduler orders examples, packs them and cuts them into steps. It is deterministic:
// a position is all that a checkpoint needs to keep.
type scheduler struct {
	examples []data.Example
	o        schedulerOptions
	at       Position
	rows     [][]int // of the epoch in at.Epoch: the examples of every row
}

func newScheduler(examples []data.Example, o schedulerOptions, at Position) *scheduler {
	s := &scheduler{examples: examples, o: o, at: at}
	s.rows = s.epochRows(at.Epoch)
	return s
}

// epochRows lists the rows of an epoch in order. Shuffling is a permutation drawn from
// seed and epoch; packing is best-fit over the permuted examples, and the packs are then
// permuted too, since packing sorts by length.
func (s *scheduler) epochRows(epoch int) [][]int {
	rng := rand.New(rand.NewPCG(s.o.seed, uint64(epoch)))
	order := make([]int, len(s.examples))
	for i := range order {
		order[i] = i
	}
	if s.o.shuffle {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	if !s.o.packing {
		rows := make([][]int, len(order))
		for i := range order {
			rows[i] = order[i : i+1]
		}
		return rows
	}
	lengths := make([]int, len(order))
	for i, e := range order {
		lengths[i] = len(s.examples[e].IDs)
	}
	packs := data.Pack(lengths, s.o.maxLength)
	for _, p := range packs {
		for i := range p {
			p[i] = order[p[i]]
		}
	}
	if s.o.shuffle {
		rng.Shuffle(len(packs), func(i, j int) { packs[i], packs[j] = packs[j], packs[i] })
	}
	return packs
}

// stepsPerEpoch is the number of optimizer steps of one epoch; the last may be short.
func (s *scheduler) stepsPerEpoch() int {
	perStep := s.o.batchSize * s.o.accumulation
	return (len(s.rows) + perStep - 1) / perStep
}

// largest returns bounds on the tokens and the trained tokens of a micro-batch, over any
// order of the rows.
func (s *scheduler) largest() (tokens, trained int) {
	var perRow, perRowTrained []int
	for _, row := range s.rows {
		t, n := 0, 0
		for _, e := range row {
			t += len(s.examples[e].IDs)
			n += s.examples[e].Trained()
		}
		perRow, perRowTrained = append(perRow, t), append(perRowTrained, n)
	}
	if s.o.packing && s.o.shuffle { // other epochs pack differently
		return s.o.maxLength * s.o.batchSize, s.o.maxLength * s.o.batchSize
	}
	sumLargest := func(values []int) (sum int) {
		slices.Sort(values)
		slices.Reverse(values)
		for _, v := range values[:min(len(values), s.o.batchSize)] {
			sum += v
		}
		return sum
	}
	return sumLargest(perRow), sumLargest(perRowTrained)
}

// next fills st with the next step, reusing its memory.
func (s *scheduler) next(st *Step) {
	if s.at.Row >= len(s.rows) {
		s.at = Position{Epoch: s.at.Epoch + 1}
		s.rows = s.epochRows(s.at.Epoch)
	}
	st.Micro, st.Trained, st.Tokens = st.Micro[:0], 0, 0
	for range s.o.accumulation {
		if s.at.Row >= len(s.rows) {
			break
		}
		rows := s.rows[s.at.Row:min(len(s.rows), s.at.Row+s.o.batchSize)]
		s.at.Row += len(rows)
		if len(st.Micro) < cap(st.Micro) {
			st.Micro = st.Micro[:len(st.Micro)+1]
		} else {
			st.Micro = append(st.Micro, MicroBatch{})
		}
		s.fill(&st.Micro[len(st.Micro)-1], rows)
	}
	for i := range st.Micro {
		st.Trained += len(st.Micro[i].Rows)
		st.Tokens += len(st.Micro[i].IDs)
	}
	for i := range st.Micro { // the whole step's tokens divide the loss, not the micro-batch's
		weights := st.Micro[i].Weights
		for j := range weights {
			weights[j] /= float32(st.Trained)
		}
	}
	st.After = s.at
	st.Epoch = float64(s.at.Epoch) + float64(s.at.Row)/float64(len(s.rows))
}

// fill packs rows into one micro-batch.
func (s *scheduler) fill(m *MicroBatch, rows [][]int) {
	m.Reset()
	m.Examples = m.Examples[:0]
	for _, row := range rows {
		for _, e := range row {
			m.Add(s.examples[e].IDs, s.examples[e].Weights)
			m.Examples = append(m.Examples, s.examples[e].Index)
		}
	}
}

// prefetcher prepares steps on its own goroutine, a few ahead of the device, in buffers
// that circulate.
type prefetcher struct {
	ready, used chan *Step
	done        chan struct{}
}

// prefetchDepth is how many steps are prepared ahead.
const prefetchDepth = 2

func prefetch(s *scheduler, steps int) *prefetcher {
	p := &prefetcher{
		ready: make(chan *Step, prefetchDepth), used: make(chan *Step, prefetchDepth+1), done: make(chan struct{}),
	}
	for range prefetchDepth + 1 {
		p.used <- &Step{}
	}
	go func() {
		defer close(p.ready)
		for range steps {
			select {
			case st := <-p.used:
				s.next(st)
				p.ready <- st
			case <-p.done:
				return
			}
		}
	}()
	return p
}

// stop ends the prefetching goroutine and waits for it.
func (p *prefetcher) stop() {
	close(p.done)
	for range p.ready { // drain, so that the goroutine can see done
	}
}
