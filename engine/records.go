package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"retort/data/tokenizer"
	"retort/engine/checkpoint"
	"retort/engine/runlog"
	"retort/model"
	"retort/model/safetensors"
)

// records are the open files of a run folder: its log, its TensorBoard events and the
// lock that keeps a second run out.
type records struct {
	log    *runlog.TrainerLog
	events *runlog.Events
	unlock func()
}

// openRecords takes the run folder and opens its records; without output_dir there are none.
func (t *Trainer) openRecords() (err error) {
	dir := t.o.OutputDir
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%w: output_dir: %w", ErrBadInput, err)
	}
	r := &records{}
	if r.unlock, err = checkpoint.Lock(dir); err != nil {
		return fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	t.records = r
	if _, err = checkpoint.Clean(dir); err == nil {
		err = refuseLater(dir, t.state.GlobalStep)
	}
	if err == nil && t.state.GlobalStep == 0 {
		err = startFresh(dir, t.o.Overwrite)
	}
	if err == nil {
		r.log, err = runlog.OpenTrainerLog(filepath.Join(dir, "trainer_log.jsonl"), t.state.GlobalStep)
	}
	if err == nil && t.o.ReportTo == "tensorboard" {
		r.events, err = runlog.OpenEvents(dir, t.state.GlobalStep)
	}
	if err != nil {
		r.close()
		if errors.Is(err, ErrBadInput) {
			return err
		}
		return fmt.Errorf("%w: output_dir %s: %w", ErrBadInput, dir, err)
	}
	return nil
}

// startFresh makes sure that a new run writes over no student, unless told to, and takes
// the figures of an earlier run away: they would be taken for its own.
func startFresh(dir string, overwrite bool) error {
	for _, name := range []string{safetensors.SingleFile, safetensors.IndexFile, model.AdapterWeightsFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil && !overwrite {
			return fmt.Errorf("%w: output_dir %s already holds a student or an adapter (%s); give another folder, or set overwrite_output_dir", ErrBadInput, dir, name)
		}
	}
	for _, name := range []string{"train_results.json", "eval_results.json", "all_results.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (r *records) close() {
	if r == nil {
		return
	}
	if r.log != nil {
		r.log.Close()
	}
	if r.events != nil {
		r.events.Close()
	}
	r.unlock()
}

// log writes the figures since the last log line.
func (t *Trainer) log(norm, rate float64) error {
	loss := t.window.take()
	entry := t.state.Log(
		runlog.Metric{Name: "loss", Value: loss},
		runlog.Metric{Name: "grad_norm", Value: norm},
		runlog.Metric{Name: "learning_rate", Value: rate})
	return t.write(entry, runlog.LogLine{Loss: runlog.Num(loss), LR: runlog.Num(rate)})
}

// logEval writes the loss of the evaluation rows.
func (t *Trainer) logEval(loss float64) error {
	entry := t.state.Log(runlog.Metric{Name: "eval_loss", Value: loss})
	return t.write(entry, runlog.LogLine{EvalLoss: runlog.Num(loss)})
}

func (t *Trainer) write(entry runlog.Entry, line runlog.LogLine) error {
	if t.records == nil {
		return nil
	}
	line.CurrentSteps, line.TotalSteps = t.state.GlobalStep, t.steps
	line.Epoch = runlog.Number(t.state.Epoch)
	line.TotalTokens = t.state.NumInputTokensSeen
	if seconds := time.Since(t.started).Seconds(); seconds > 0 && line.Loss != nil {
		line.Throughput = runlog.Num(math.Round(float64(t.totals.Tokens)/t.elapsed().Seconds()*10) / 10)
	}
	line.SetProgress(time.Since(t.started), t.state.GlobalStep-t.startStep)
	err := t.records.log.Append(line)
	if t.records.events != nil {
		err = errors.Join(err, t.records.events.Log(entry))
	}
	if err != nil {
		return fmt.Errorf("engine: the run's records: %w", err)
	}
	return nil
}

// writeStudent makes the files of the student, or of its adapter, appear at the root of the
// run folder together, their configuration last: without it nothing there is taken for one.
func (t *Trainer) writeStudent() error {
	files, err := t.student.Files()
	if err != nil {
		return err
	}
	writers := make(map[string]checkpoint.FileWriter, len(files))
	for name, write := range files {
		writers[name] = write
	}
	obsolete := append(tokenizer.FileNames(), safetensors.IndexFile)
	last, others := []string{"config.json", safetensors.SingleFile, "generation_config.json"}, []string{model.AdapterConfigFile, model.AdapterWeightsFile}
	if t.student.Adapter() != nil {
		last, others = others, last
	}
	return checkpoint.WriteFiles(t.o.OutputDir, writers, last[0], append(obsolete, others...)...)
}

// writeRecords writes the run's summary beside the student.
func (t *Trainer) writeRecords(r TrainResult) error {
	dir := t.o.OutputDir
	for name, write := range map[string]checkpoint.FileWriter{"trainer_state.json": t.state.Encode, "README.md": t.card(r).Encode} {
		if err := checkpoint.WriteFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	train := map[string]float64{
		"train_loss": r.TrainLoss, "train_runtime": r.Runtime.Seconds(), "train_tokens_per_second": r.TokensPerSecond,
		"train_steps_per_second": float64(r.Steps) / r.Runtime.Seconds(), "total_flos": t.state.TotalFlos, "epoch": r.Epoch,
		"num_input_tokens_seen": float64(t.state.NumInputTokensSeen),
	}
	if err := runlog.WriteResults(dir, "train", train); err != nil {
		return err
	}
	if r.EvalLoss != nil {
		eval := map[string]float64{"eval_loss": *r.EvalLoss, "perplexity": math.Exp(*r.EvalLoss), "epoch": r.Epoch}
		if err := runlog.WriteResults(dir, "eval", eval); err != nil {
			return err
		}
	}
	err := runlog.PlotLoss(filepath.Join(dir, "training_loss.png"),
		runlog.Points(t.state.LogHistory, "loss"), runlog.Points(t.state.LogHistory, "eval_loss"))
	if err != nil && !errors.Is(err, runlog.ErrNoPoints) {
		return err
	}
	return nil
}

// card describes the run for a reader of the folder.
func (t *Trainer) card(r TrainResult) runlog.Card {
	c := runlog.Card{
		Title:     filepath.Base(t.o.OutputDir),
		Summary:   fmt.Sprintf("A student (%s) trained with retort on answer–rationale pairs.", t.student.Config),
		BaseModel: t.o.ModelNameOrPath,
		Adapter:   t.student.Adapter() != nil,
		Command:   t.o.Command,
		Pictures:  []string{"training_loss.png"},
		Data:      []runlog.DataFile{{Role: "train (encoded rows)", Name: t.o.Dataset, Rows: len(t.scheduler.examples), SHA256: t.dataSHA}},
		Results: []runlog.Field{
			{Name: "training loss, last tenth of the steps", Value: fmt.Sprintf("%.4f", r.LastLoss)},
			{Name: "optimizer steps", Value: fmt.Sprint(r.Steps)},
			{Name: "tokens trained", Value: fmt.Sprint(r.TrainedTokens)},
			{Name: "tokens per second", Value: fmt.Sprintf("%.1f", r.TokensPerSecond)},
			{Name: "computed on", Value: t.student.Backend().Name()},
		},
	}
	if a := t.student.Adapter(); a != nil {
		c.Summary = fmt.Sprintf("An adapter (%s) for a student (%s), trained with retort on answer–rationale pairs.", a, t.student.Config)
	}
	if r.EvalLoss != nil {
		c.Results = append(c.Results, runlog.Field{Name: "evaluation loss", Value: fmt.Sprintf("%.4f", *r.EvalLoss)})
	}
	o := reflect.ValueOf(t.o)
	for i := range o.NumField() {
		key := o.Type().Field(i).Tag.Get("key")
		value := fmt.Sprint(o.Field(i).Interface())
		switch key {
		case "", "dry_run", "output_dir", "resume_from_checkpoint", "overwrite_output_dir":
			continue
		case "model_name_or_path", "adapter_name_or_path", "config_name", "tokenizer_name", "dataset", "eval_dataset":
			value = filepath.Base(value) // no machine's folders in a card
		}
		if strings.Contains(key, "lora") && (!t.o.UsePEFT || t.o.AdapterNameOrPath != "") { // not this run's
			continue
		}
		if !o.Field(i).IsZero() {
			c.Hyperparameters = append(c.Hyperparameters, runlog.Field{Name: key, Value: value})
		}
	}
	return c
}
