package runlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Metric is one named figure of a log entry.
type Metric struct {
	Name  string
	Value float64
}

// Entry is one element of log_history: metrics in the order in which they
// were logged, such as loss, grad_norm, learning_rate, epoch, step.
type Entry []Metric

// Get returns the metric called name.
func (e Entry) Get(name string) (value float64, ok bool) {
	for _, m := range e {
		if m.Name == name {
			return m.Value, true
		}
	}
	return 0, false
}

// Step returns the optimizer step of the entry; 0 if it has none.
func (e Entry) Step() int {
	step, _ := e.Get("step")
	return int(step)
}

// MarshalJSON writes an object with the metrics in their order.
func (e Entry) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range e {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := Number(m.Value).MarshalJSON()
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads an object of numbers, keeping the order of its keys.
func (e *Entry) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil {
		return err
	} else if open != json.Delim('{') {
		return fmt.Errorf("log_history entry %s: an object of numbers expected", raw)
	}
	*e = Entry{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name := key.(string) // the decoder lets nothing else stand there
		var value Number
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("log_history key %q: %w", name, err)
		}
		*e = append(*e, Metric{name, float64(value)})
	}
	_, err := dec.Token()
	return err
}

// State is trainer_state.json: the keys of transformers' TrainerState, no
// more and no fewer, because it refuses unknown ones.
type State struct {
	BestGlobalStep      *int             `json:"best_global_step"`
	BestMetric          *Number          `json:"best_metric"`
	BestModelCheckpoint *string          `json:"best_model_checkpoint"`
	Epoch               float64          `json:"epoch"` // epochs done, with fraction
	EvalSteps           int              `json:"eval_steps"`
	GlobalStep          int              `json:"global_step"` // optimizer steps done
	IsHyperParamSearch  bool             `json:"is_hyper_param_search"`
	IsLocalProcessZero  bool             `json:"is_local_process_zero"`
	IsWorldProcessZero  bool             `json:"is_world_process_zero"`
	LogHistory          []Entry          `json:"log_history"`
	LoggingSteps        int              `json:"logging_steps"`
	MaxSteps            int              `json:"max_steps"`
	NumInputTokensSeen  int64            `json:"num_input_tokens_seen"`
	NumTrainEpochs      int              `json:"num_train_epochs"`
	SaveSteps           int              `json:"save_steps"`
	StatefulCallbacks   json.RawMessage  `json:"stateful_callbacks"`
	TotalFlos           float64          `json:"total_flos"` // floating-point operations so far
	TrainBatchSize      int              `json:"train_batch_size"`
	TrialName           *string          `json:"trial_name"`
	TrialParams         *json.RawMessage `json:"trial_params"`
}

// trainerControl is the one callback whose state transformers expects to find
// when it continues from a trainer_state.json.
const trainerControl = `{"TrainerControl":{"args":{"should_epoch_stop":false,"should_evaluate":false,` +
	`"should_log":false,"should_save":true,"should_training_stop":false},"attributes":{}}}`

// NewState returns the state of a run before its first step, on the process
// that writes.
func NewState() *State {
	return &State{
		IsLocalProcessZero: true,
		IsWorldProcessZero: true,
		LogHistory:         []Entry{},
		StatefulCallbacks:  json.RawMessage(trainerControl),
	}
}

// Log appends metrics to log_history, with the state's epoch and step behind
// them, and returns the entry.
func (s *State) Log(metrics ...Metric) Entry {
	entry := append(slices.Clone(Entry(metrics)), Metric{"epoch", s.Epoch}, Metric{"step", float64(s.GlobalStep)})
	s.LogHistory = append(s.LogHistory, entry)
	return entry
}

// Best notes metric if it is the first or beats the best so far (smaller is
// better for a loss), reached at the state's step in that checkpoint folder.
// It reports whether it did; a value that is not finite never does.
func (s *State) Best(metric float64, smallerIsBetter bool, checkpoint string) bool {
	if !finite(metric) {
		return false
	}
	if s.BestMetric != nil {
		best := float64(*s.BestMetric)
		if smallerIsBetter && metric >= best || !smallerIsBetter && metric <= best {
			return false
		}
	}
	value, step := Number(metric), s.GlobalStep
	s.BestMetric, s.BestGlobalStep, s.BestModelCheckpoint = &value, &step, &checkpoint
	return true
}

// Truncate drops the log entries after step, from which a run resumes.
func (s *State) Truncate(step int) {
	s.LogHistory = slices.DeleteFunc(s.LogHistory, func(e Entry) bool { return e.Step() > step })
}

// Encode writes trainer_state.json.
func (s *State) Encode(w io.Writer) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("trainer_state.json: %w", err)
	}
	_, err = w.Write(append(raw, '\n'))
	return err
}

// DecodeState reads trainer_state.json, ours or transformers'.
func DecodeState(r io.Reader) (*State, error) {
	s := NewState()
	if err := json.NewDecoder(r).Decode(s); err != nil {
		return nil, fmt.Errorf("trainer_state.json: %w", err)
	}
	if s.GlobalStep < 0 {
		return nil, fmt.Errorf("trainer_state.json: global_step is %d; it cannot be negative", s.GlobalStep)
	}
	if s.LogHistory == nil {
		s.LogHistory = []Entry{}
	}
	return s, nil
}
