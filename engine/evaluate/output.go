package evaluate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"retort/engine"
	"retort/engine/checkpoint"
)

// Metrics are the figures of a report under lm-evaluation-harness' keys, with ours beside.
func (r Report) Metrics() map[string]any {
	m := map[string]any{"alias": r.Task}
	for i, rule := range r.Rules {
		t := r.Total[i]
		interval := t.Interval()
		m["exact_match,"+rule.Name] = t.Accuracy()
		m["exact_match_stderr,"+rule.Name] = t.Stderr()
		m["exact_match_interval95,"+rule.Name] = []float64{interval.Low, interval.High}
		m["parse_failure_rate,"+rule.Name] = t.ParseFailureRate()
	}
	n := max(1, len(r.Samples))
	m["cut_off_rate"] = float64(r.CutOff) / float64(n)
	m["tokens_mean"] = float64(r.Tokens) / float64(n)
	m["tokens_per_second"] = r.TokensPerSecond()
	return m
}

// Write writes results_<time>.json and samples_<task>_<time>.jsonl into dir, laid out as
// lm-evaluation-harness does, and returns their paths.
func (r Report) Write(dir, student, command string, now time.Time) (results, samples string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("%w: output_path: %w", engine.ErrBadInput, err)
	}
	stamp := now.UTC().Format("2006-01-02T15-04-05.000000")
	results = filepath.Join(dir, "results_"+stamp+".json")
	samples = filepath.Join(dir, fmt.Sprintf("samples_%s_%s.jsonl", r.Task, stamp))
	document := map[string]any{
		"results":   map[string]any{r.Task: r.Metrics()},
		"configs":   map[string]any{r.Task: map[string]any{"task": r.Task, "num_fewshot": 0, "output_type": "generate_until"}},
		"versions":  map[string]any{r.Task: 3},
		"n-shot":    map[string]any{r.Task: 0},
		"n-samples": map[string]any{r.Task: map[string]int{"original": len(r.Samples), "effective": len(r.Samples)}},
		"config": map[string]any{
			"model": "retort", "model_args": "pretrained=" + filepath.Base(student), "command": command,
			"gen_kwargs": map[string]any{"max_gen_toks": r.MaxNew, "temperature": r.Temperature},
		},
		"date": float64(now.UnixNano()) / 1e9,
	}
	err = checkpoint.WriteFile(results, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(document)
	})
	if err != nil {
		return "", "", err
	}
	return results, samples, checkpoint.WriteFile(samples, r.writeSamples)
}

// writeSamples writes one line per question and rule, as the harness does.
func (r Report) writeSamples(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i, s := range r.Samples {
		doc := map[string]string{"question": s.Row.Prompt, "answer": s.Row.Completion}
		raw, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		hash := sha256.Sum256(raw)
		for j, rule := range r.Rules {
			v := s.Verdicts[j]
			match := 0.0
			if v.Correct {
				match = 1
			}
			err := enc.Encode(map[string]any{
				"doc_id": i, "doc": doc, "target": s.Row.Completion,
				"arguments": [][]string{{s.Row.Prompt}}, "resps": [][]string{{s.Answer.Text}},
				"filtered_resps": []string{v.Answer}, "filter": rule.Name, "metrics": []string{"exact_match"},
				"exact_match": match, "doc_hash": hex.EncodeToString(hash[:]),
				"finish_reason": s.Answer.FinishReason, "confidence": s.Answer.Confidence,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
