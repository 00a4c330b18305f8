package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"retort/data"
	"retort/engine/checkpoint"
	"retort/kernels"
)

// Train is the whole of `retort train`: it opens the student and the data of the options,
// trains, and leaves the run folder. With DryRun it only rehearses a few
// steps to estimate time and memory, and writes nothing. preview, when not nil, gets ten
// rendered rows.
func Train(ctx context.Context, k kernels.Backend, o TrainOptions, hooks Hooks, preview func([]Preview)) (TrainResult, error) {
	if err := o.Validate(); err != nil {
		return TrainResult{}, err
	}
	note := hooks.Note
	if note == nil {
		note = func(string) {}
	}
	if o.EvalSteps > 0 && o.EvalDataset == "" {
		note("eval_steps is set without eval_dataset: nothing is evaluated")
	}
	if o.OutputDir != "" && !o.DryRun { // before the work, not after it
		if err := os.MkdirAll(o.OutputDir, 0o755); err != nil {
			return TrainResult{}, fmt.Errorf("%w: output_dir: %w", ErrBadInput, err)
		}
	}
	dataset, err := ResolveDataset(ctx, o.Dataset)
	if err != nil {
		return TrainResult{}, err
	}
	rows, err := readRows(dataset) // before the student: data errors come quickly
	if err != nil {
		return TrainResult{}, err
	}
	evalDataset := ""
	if o.EvalDataset != "" {
		if evalDataset, err = ResolveDataset(ctx, o.EvalDataset); err != nil {
			return TrainResult{}, err
		}
	}
	if rows, err = withoutEvaluation(rows, evalDataset, o.AllowContamination, note); err != nil {
		return TrainResult{}, err
	}
	s, err := openForTraining(ctx, k, o)
	if err != nil {
		return TrainResult{}, err
	}
	defer s.Close()
	for _, n := range s.Notes {
		note(n)
	}
	note(fmt.Sprintf("student: %s, on %s", s.Config, k.Name()))
	if a := s.Adapter(); a != nil {
		note(fmt.Sprintf("adapter: %s (%.2f %% of the student's)", a, 100*float64(a.Size())/float64(s.Parameters())))
	}
	if o.MaxLength > s.Context {
		note(fmt.Sprintf("max_length %d is lowered to the student's context of %d", o.MaxLength, s.Context))
		o.MaxLength = s.Context
	}
	examples, rejects, err := encodeRows(s, rows, o)
	if err != nil {
		return TrainResult{Rejects: rejects}, err
	}
	note(describe(examples, rejects))
	var evaluation []data.Example
	if evalDataset != "" {
		evalRows, err := readRows(evalDataset)
		if err != nil {
			return TrainResult{}, err
		}
		var evalRejects data.Rejects
		if evaluation, evalRejects, err = encodeRows(s, evalRows, o); err != nil {
			return TrainResult{}, err
		}
		note("evaluation " + describe(evaluation, evalRejects))
	}
	if preview != nil {
		preview(Previews(s.Text, examples, 10))
	}
	t, err := NewTrainer(s, examples, evaluation, o, hooks)
	if err != nil {
		return TrainResult{}, err
	}
	defer t.Close()
	if o.DryRun {
		estimate, err := t.Rehearse(ctx)
		return TrainResult{Rejects: rejects, Estimate: &estimate}, err
	}
	note(fmt.Sprintf("%d optimizer steps of %d × %d rows", t.steps, o.GradientAccumulationSteps, o.PerDeviceTrainBatchSize))
	r, err := t.Run(ctx)
	r.Rejects = rejects
	return r, err
}

// openForTraining opens the student, and the adapter when one is to be trained.
func openForTraining(ctx context.Context, k kernels.Backend, o TrainOptions) (*Student, error) {
	var s *Student
	var path string
	var err error
	if o.ConfigName != "" {
		s, err = NewStudent(k, o.ConfigName, o.TokenizerName, uint64(o.Seed))
	} else if path, err = ResolveModel(ctx, o.ModelNameOrPath); err == nil {
		s, err = OpenStudent(k, path)
	}
	if err == nil && o.trainsAdapter() {
		if err = openAdapter(ctx, s, o); err != nil {
			s.Close()
		}
	}
	return s, err
}

// openAdapter gives the student the adapter to train: the one to continue, or a fresh one.
func openAdapter(ctx context.Context, s *Student, o TrainOptions) error {
	if o.AdapterNameOrPath == "" {
		a, err := s.NewAdapter(o.lora(), uint64(o.Seed))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadInput, err)
		}
		s.Use(a)
		return nil
	}
	path, err := ResolveAdapter(ctx, o.AdapterNameOrPath)
	if err == nil {
		err = s.UseAdapter(path)
	}
	if err == nil && s.Adapter().Base == "" {
		s.Adapter().Base = o.ModelNameOrPath
	}
	return err
}

// encodeRows encodes rows for the student; a failure is bad input.
func encodeRows(s *Student, rows []data.Row, o TrainOptions) ([]data.Example, data.Rejects, error) {
	examples, rejects, err := data.EncodeAll(rows, s.Text, data.Options{
		EncodeOptions: data.EncodeOptions{CompletionOnly: o.CompletionOnlyLoss, Student: filepath.Base(o.ModelNameOrPath)},
		MaxLength:     o.MaxLength, Strategy: data.Strategy(o.ExcessLengthStrategy),
	})
	if errors.Is(err, data.ErrTooLong) {
		err = fmt.Errorf("%w; raise max_length, or set excess_length_strategy to drop or truncate", err)
	}
	if err != nil {
		return nil, rejects, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	return examples, rejects, nil
}

// describe sums up the encoded data in one line.
func describe(examples []data.Example, rejects data.Rejects) string {
	tokens, trained := 0, 0
	for _, e := range examples {
		tokens += len(e.IDs)
		trained += e.Trained()
	}
	line := fmt.Sprintf("data: %d rows, %d tokens, %d of them trained", len(examples), tokens, trained)
	if rejects.Total() > 0 || len(rejects.Truncated) > 0 {
		line += "; " + rejects.String()
	}
	return line
}

// Preview is one row as it will be trained: pieces of text, trained or not.
type Preview struct {
	Row    int // number of the row in its file, from 1
	Tokens int
	Pieces []PreviewPiece
}

// PreviewPiece is a run of tokens that are all trained or all not.
type PreviewPiece struct {
	Text    string
	Trained bool
}

// Previews renders the first n examples with their masks.
func Previews(t *Text, examples []data.Example, n int) []Preview {
	var out []Preview
	for _, e := range examples[:min(n, len(examples))] {
		p := Preview{Row: e.Index + 1, Tokens: len(e.IDs)}
		for lo := 0; lo < len(e.IDs); {
			hi := lo
			for hi < len(e.IDs) && (e.Weights[hi] != 0) == (e.Weights[lo] != 0) {
				hi++
			}
			p.Pieces = append(p.Pieces, PreviewPiece{t.Tokenizer.Decode(e.IDs[lo:hi], false), e.Weights[lo] != 0})
			lo = hi
		}
		out = append(out, p)
	}
	return out
}

// refuseLater makes sure that a run does not write over another's work: whole checkpoints
// beyond the step that it starts from are somebody's.
func refuseLater(outputDir string, step int) error {
	steps, err := checkpoint.Steps(outputDir)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if _, err := checkpoint.Verify(checkpoint.Dir(outputDir, s)); s > step && err == nil {
			return fmt.Errorf("%w: output_dir already holds %s of an earlier run; continue it with --resume_from_checkpoint auto, or give another output_dir",
				ErrBadInput, checkpoint.Dir(outputDir, s))
		}
	}
	return nil
}
