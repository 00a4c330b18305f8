package runlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"retort/engine/checkpoint"
)

// maxLineBytes bounds a line of trainer_log.jsonl before it is trusted.
const maxLineBytes = 1 << 20

// LogLine is one line of trainer_log.jsonl. A training line has Loss, LR and
// the throughput; an evaluation line has EvalLoss.
type LogLine struct {
	CurrentSteps  int     `json:"current_steps"` // optimizer steps done
	TotalSteps    int     `json:"total_steps"`
	Loss          *Number `json:"loss,omitempty"`
	EvalLoss      *Number `json:"eval_loss,omitempty"`
	LR            *Number `json:"lr,omitempty"`
	Epoch         Number  `json:"epoch"`
	Percentage    Number  `json:"percentage"`           // of total_steps, 0..100, two decimals
	ElapsedTime   string  `json:"elapsed_time"`         // h:mm:ss
	RemainingTime string  `json:"remaining_time"`       // h:mm:ss
	Throughput    *Number `json:"throughput,omitempty"` // tokens per second
	TotalTokens   int64   `json:"total_tokens,omitempty"`
}

// Num returns a pointer to v, for the optional figures of a LogLine.
func Num(v float64) *Number { n := Number(v); return &n }

// SetProgress fills percentage and times from the steps done, those to do,
// and the time that doneHere of them took in this process: after a resume the
// earlier steps say nothing about this machine.
func (l *LogLine) SetProgress(elapsed time.Duration, doneHere int) {
	if l.TotalSteps > 0 {
		l.Percentage = Number(float64(int64(1e4*float64(l.CurrentSteps)/float64(l.TotalSteps)+0.5)) / 100)
	}
	var remaining time.Duration
	if doneHere > 0 {
		remaining = elapsed / time.Duration(doneHere) * time.Duration(max(0, l.TotalSteps-l.CurrentSteps))
	}
	l.ElapsedTime, l.RemainingTime = clock(elapsed), clock(remaining)
}

// clock writes a duration as h:mm:ss.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// TrainerLog appends to trainer_log.jsonl. It is not safe for concurrent use.
type TrainerLog struct {
	path string
	f    *os.File
}

// OpenTrainerLog opens the log for a run that starts or resumes after step
// optimizer steps (0: afresh). Lines of an earlier run after step, and a line
// cut off by a crash, are dropped; the others stay.
func OpenTrainerLog(path string, step int) (*TrainerLog, error) {
	kept, err := linesUpTo(path, step)
	if err != nil {
		return nil, err
	}
	if err := checkpoint.WriteFile(path, func(w io.Writer) error { _, err := w.Write(kept); return err }); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &TrainerLog{path, f}, nil
}

// linesUpTo returns the lines of the log whose current_steps is at most step.
func linesUpTo(path string, step int) ([]byte, error) {
	if step <= 0 {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	var kept bytes.Buffer
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, maxLineBytes)
	for number := 1; scanner.Scan(); number++ {
		var line struct {
			CurrentSteps *int `json:"current_steps"`
		}
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil || line.CurrentSteps == nil {
			if !scanner.Scan() {
				break // the last line, cut off by a crash
			}
			return nil, fmt.Errorf("%s:%d: not a log line with current_steps; move the file away to resume without it", path, number)
		}
		if *line.CurrentSteps <= step {
			kept.Write(scanner.Bytes())
			kept.WriteByte('\n')
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read log %s: %w", path, err)
	}
	return kept.Bytes(), nil
}

// Append writes one line.
func (l *TrainerLog) Append(line LogLine) error {
	raw, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("append to %s: %w", l.path, err)
	}
	if _, err := l.f.Write(append(raw, '\n')); err != nil {
		return fmt.Errorf("append to %s: %w", l.path, err)
	}
	return nil
}

// Close makes the log durable and closes it.
func (l *TrainerLog) Close() error {
	return errors.Join(l.f.Sync(), l.f.Close())
}
