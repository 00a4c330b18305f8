// Package demo is the main job in two minutes, with nothing but the program: problems made
// by the built-in generator, the same small student trained from scratch in two arms, one
// on answers alone and one on rationales followed by answers, and the accuracy of both by
// number of steps. Package cmd prints what it returns.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"retort/data"
	"retort/data/problems"
	"retort/engine"
	"retort/engine/checkpoint"
	"retort/engine/evaluate"
	"retort/engine/runlog"
	"retort/kernels"
	"retort/model"
)

// Options are the knobs of the demo.
type Options struct {
	Steps        int    `key:"steps" help:"optimizer steps of each arm"`
	TestProblems int    `key:"test_problems" help:"test problems, the same for both arms"`
	Seed         int    `key:"seed" help:"seed of problems, weights and order"`
	OutputDir    string `key:"output_dir" help:"where the picture of the losses and report.json go"`
}

// Defaults take about two minutes on two cores.
func Defaults() Options {
	return Options{Steps: 1200, TestProblems: 500, Seed: 7, OutputDir: "runs/demo"}
}

// The recipe: small batches and many updates, or the student never learns to copy.
const (
	batchSize    = 16
	learningRate = 3e-3
	warmupSteps  = 50
	beta2        = 0.98
)

// Arm is one way of training the student, and how it did.
type Arm struct {
	Name            string     `json:"name"`
	Control         bool       `json:"control"`    // answer only: what the other is measured against
	TrainLoss       float64    `json:"train_loss"` // mean of the last tenth of the steps
	TrainedTokens   int64      `json:"trained_tokens"`
	TokensPerSecond float64    `json:"tokens_per_second"`
	TrainSeconds    float64    `json:"train_seconds"`
	Total           Accuracy   `json:"total"`
	BySteps         []Accuracy `json:"by_steps"`
	MeanTokens      float64    `json:"tokens_mean"` // generated per answer
	Example         string     `json:"example"`     // its answer to the example question
	Parameters      int        `json:"parameters"`
	curve           []float64
	report          evaluate.Report
}

// Accuracy is the share of right answers among problems of one number of steps.
type Accuracy struct {
	Steps    int               `json:"steps,omitempty"`
	N        int               `json:"n"`
	Mean     float64           `json:"mean"`
	Interval evaluate.Interval `json:"interval95"`
}

// Result is the outcome of both arms.
type Result struct {
	Student  string   `json:"student"`
	Device   string   `json:"device"`
	Arms     []Arm    `json:"arms"`
	Example  string   `json:"example_question"`
	Expected string   `json:"example_answer"`
	Findings []string `json:"findings"`
	Picture  string   `json:"picture"`
	Seconds  float64  `json:"seconds"`
}

// Config is the demo's student: a Llama of 3 layers and width 128.
func Config(vocab int) model.Config {
	return model.Config{
		Family: model.Llama, Vocab: vocab, Hidden: 128, Layers: 3, Heads: 4, KVHeads: 4, HeadDim: 32, FFN: 320, Context: 256,
		Norm: kernels.RMSNorm, NormEps: 1e-5, SwiGLU: true, Tied: true, InitStd: 0.05, BOS: -1,
		RoPE: &model.RoPE{Theta: 10000, Type: "default"},
	}
}

// Run trains and measures both arms. watch, when not nil, is told what is going on.
func Run(ctx context.Context, k kernels.Backend, o Options, watch func(arm string, p engine.Progress)) (Result, error) {
	if o.Steps < 1 || o.Steps > 1<<20 || o.TestProblems < 1 || o.Seed < 0 {
		return Result{}, fmt.Errorf("%w: steps (at most a million) and test_problems must be positive, seed 0 or more", engine.ErrUsage)
	}
	if err := os.MkdirAll(o.OutputDir, 0o755); err != nil {
		return Result{}, fmt.Errorf("%w: output_dir: %w", engine.ErrBadInput, err)
	}
	began := time.Now()
	text, err := engine.BuiltinText()
	if err != nil {
		return Result{}, err
	}
	test, err := testTask(o)
	if err != nil {
		return Result{}, err
	}
	r := Result{Device: k.Name(), Picture: filepath.Join(o.OutputDir, "training_loss.png")}
	for _, a := range []struct {
		name    string
		control bool
		write   func(data.Pair) string
	}{
		{"answer only", true, func(p data.Pair) string { return data.Pair{Answer: p.Answer}.Text() }},
		{"rationale, then answer", false, data.Pair.Text},
	} {
		arm, err := runArm(ctx, k, text, test, o, a.write, func(p engine.Progress) {
			if watch != nil {
				watch(a.name, p)
			}
		})
		if err != nil {
			return Result{}, fmt.Errorf("arm %q: %w", a.name, err)
		}
		arm.Name, arm.Control = a.name, a.control
		r.Arms = append(r.Arms, arm)
	}
	r.Student = Config(text.Tokenizer.VocabSize()).String()
	r.addExample(test)
	r.addFindings()
	r.Seconds = time.Since(began).Seconds()
	return r, r.write(o.OutputDir)
}

// testTask draws problems of the test split, which shares none with training.
func testTask(o Options) (evaluate.Task, error) {
	c := problems.Demo()
	c.Seed, c.Split = uint64(o.Seed), problems.Test
	return evaluate.Generated(c, o.TestProblems)
}

// runArm trains a fresh student on rows whose completion write makes, and measures it.
func runArm(ctx context.Context, k kernels.Backend, text *engine.Text, test evaluate.Task, o Options, write func(data.Pair) string, watch func(engine.Progress)) (Arm, error) {
	s, err := engine.FreshStudent(k, Config(text.Tokenizer.VocabSize()), text, uint64(o.Seed))
	if err != nil {
		return Arm{}, err
	}
	defer s.Close()
	examples, err := trainExamples(text, o, write)
	if err != nil {
		return Arm{}, err
	}
	t := engine.DefaultTrainOptions()
	t.PerDeviceTrainBatchSize, t.MaxSteps, t.LearningRate, t.WarmupSteps = batchSize, o.Steps, learningRate, min(warmupSteps, o.Steps/2)
	t.LRSchedulerType, t.AdamBeta2, t.MaxLength, t.Seed = "cosine", beta2, s.Context, o.Seed
	trainer, err := engine.NewTrainer(s, examples, nil, t, engine.Hooks{Progress: watch})
	if err != nil {
		return Arm{}, err
	}
	defer trainer.Close()
	result, err := trainer.Run(ctx)
	if err != nil {
		return Arm{}, err
	}
	report, err := evaluate.Run(s, test, engine.AnswerOptions{MaxNewTokens: 96}, nil)
	if err != nil {
		return Arm{}, err
	}
	arm := Arm{
		TrainLoss: result.LastLoss, TrainedTokens: result.TrainedTokens, TokensPerSecond: result.TokensPerSecond,
		TrainSeconds: result.Runtime.Seconds(), MeanTokens: float64(report.Tokens) / float64(len(report.Samples)),
		Parameters: s.Parameters(), curve: trainer.Curve(), report: report,
	}
	arm.Total = accuracy(0, report.Strict())
	for _, steps := range report.Steps() {
		arm.BySteps = append(arm.BySteps, accuracy(steps, report.BySteps[0][steps]))
	}
	return arm, nil
}

// trainExamples makes as many problems as the steps will see, each once.
func trainExamples(text *engine.Text, o Options, write func(data.Pair) string) ([]data.Example, error) {
	c := problems.Demo()
	c.Seed = uint64(o.Seed)
	g, err := problems.New(c)
	if err != nil {
		return nil, err
	}
	rows := make([]data.Row, o.Steps*batchSize)
	for i := range rows {
		pair := g.Problem(i).Pair()
		rows[i] = data.PairRow(i, pair)
		rows[i].Completion = write(pair)
	}
	examples, _, err := data.EncodeAll(rows, text, data.Options{EncodeOptions: data.EncodeOptions{CompletionOnly: true}})
	return examples, err
}

func accuracy(steps int, t evaluate.Tally) Accuracy {
	return Accuracy{Steps: steps, N: t.N, Mean: t.Accuracy(), Interval: t.Interval()}
}

// addExample picks a problem of several steps on which the arms differ, if there is one.
func (r *Result) addExample(test evaluate.Task) {
	pick, most := 0, -1
	for i := range test.Rows {
		right := r.Arms[1].report.Samples[i].Verdicts[0].Correct
		wrong := !r.Arms[0].report.Samples[i].Verdicts[0].Correct
		if score := test.Steps[i]; right && wrong && score > most {
			pick, most = i, score
		}
	}
	r.Example, r.Expected = test.Rows[pick].Prompt, test.Rows[pick].Pair.Answer
	for i := range r.Arms {
		r.Arms[i].Example = r.Arms[i].report.Samples[pick].Answer.Text
	}
}

// addFindings says where the arms differ, by intervals that do not overlap, and where not.
func (r *Result) addFindings() {
	var apart, together string
	for i, a := range r.Arms[0].BySteps {
		b := r.Arms[1].BySteps[i]
		if b.Interval.Low > a.Interval.High || a.Interval.Low > b.Interval.High {
			apart += fmt.Sprintf(" %d", a.Steps)
		} else {
			together += fmt.Sprintf(" %d", a.Steps)
		}
	}
	if apart != "" {
		r.Findings = append(r.Findings, "The arms differ (95 % intervals do not overlap) on problems of these numbers of steps:"+apart+".")
	}
	if together != "" {
		r.Findings = append(r.Findings, "They cannot be told apart on problems of these numbers of steps:"+together+".")
	}
	a, b := r.Arms[0], r.Arms[1]
	r.Findings = append(r.Findings, fmt.Sprintf(
		"Over all problems: %.0f %% with answers alone, %.0f %% with rationales; a rationale costs %.0f generated tokens an answer instead of %.0f.",
		100*a.Total.Mean, 100*b.Total.Mean, b.MeanTokens, a.MeanTokens))
}

// write leaves report.json and the picture of both losses.
func (r *Result) write(dir string) error {
	var curves []runlog.Curve
	for _, a := range r.Arms {
		c := runlog.Curve{Name: a.Name}
		for i := 0; i < len(a.curve); i += smoothing {
			sum, n := 0.0, min(smoothing, len(a.curve)-i)
			for _, v := range a.curve[i : i+n] {
				sum += v
			}
			c.Points = append(c.Points, runlog.Point{Step: i + n, Value: sum / float64(n)})
		}
		curves = append(curves, c)
	}
	title := fmt.Sprintf("training loss per trained token, mean of %d steps", smoothing)
	if err := runlog.PlotCurves(r.Picture, title, curves); err != nil {
		return err
	}
	return checkpoint.WriteFile(filepath.Join(dir, "report.json"), func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	})
}

// smoothing is how many steps one point of the picture averages.
const smoothing = 20
