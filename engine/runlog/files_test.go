package runlog

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(raw)
}

func appendSteps(t *testing.T, path string, resumeAt, to int) {
	t.Helper()
	log, err := OpenTrainerLog(path, resumeAt)
	require.NoError(t, err)
	for step := resumeAt + 1; step <= to; step++ {
		require.NoError(t, log.Append(LogLine{CurrentSteps: step, TotalSteps: 9, Loss: Num(float64(step))}))
	}
	require.NoError(t, log.Close())
}

func TestResumedTrainerLogNeitherLosesNorDoublesLines(t *testing.T) {
	dir := t.TempDir()
	straight, resumed := filepath.Join(dir, "straight.jsonl"), filepath.Join(dir, "resumed.jsonl")
	appendSteps(t, straight, 0, 9)
	appendSteps(t, resumed, 0, 6)
	f, err := os.OpenFile(resumed, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"current_steps": 7, "tot`) // cut off by a crash
	require.NoError(t, err)
	require.NoError(t, f.Close())
	appendSteps(t, resumed, 4, 9)
	require.Equal(t, read(t, straight), read(t, resumed))
	appendSteps(t, resumed, 0, 2)
	require.Equal(t, 2, strings.Count(read(t, resumed), "\n"), "a fresh run starts afresh")
}

func TestTrainerLogNamesTheDamagedLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trainer_log.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{\"current_steps\":1}\nrubbish\n{\"current_steps\":3}\n"), 0o644))
	_, err := OpenTrainerLog(path, 5)
	require.ErrorContains(t, err, path+":2")
	require.Contains(t, read(t, path), "rubbish", "the file is left as it was")
}

func TestTrainerLogLineHasTheUsualKeys(t *testing.T) {
	line := LogLine{CurrentSteps: 30, TotalSteps: 90, Loss: Num(0.5), LR: Num(2e-5), Epoch: 1, Throughput: Num(math.Inf(1)), TotalTokens: 7}
	line.SetProgress(100*time.Second, 20) // resumed at step 10
	raw, err := json.Marshal(line)
	require.NoError(t, err)
	require.JSONEq(t, `{"current_steps":30,"total_steps":90,"loss":0.5,"lr":0.00002,"epoch":1,"percentage":33.33,
		"elapsed_time":"0:01:40","remaining_time":"0:05:00","throughput":"Infinity","total_tokens":7}`, string(raw))
	require.Equal(t, "27:46:40", clock(100000*time.Second))
	var none LogLine
	none.SetProgress(0, 0)
	require.Equal(t, "0:00:00", none.RemainingTime)
}

func TestAllResultsIsTheUnionOfTheSplits(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteResults(dir, "train", map[string]float64{"train_loss": 0.5, "epoch": 1, "train_samples": 7000}))
	require.NoError(t, WriteResults(dir, "eval", map[string]float64{"eval_loss": math.NaN(), "epoch": 2}))
	require.JSONEq(t, `{"train_loss":0.5,"epoch":1,"train_samples":7000}`, read(t, dir+"/train_results.json"))
	require.JSONEq(t, `{"eval_loss":"NaN","epoch":2}`, read(t, dir+"/eval_results.json"))
	require.JSONEq(t, `{"train_loss":0.5,"epoch":2,"train_samples":7000,"eval_loss":"NaN"}`, read(t, dir+"/all_results.json"))

	require.NoError(t, os.WriteFile(dir+"/all_results.json", []byte("{"), 0o644))
	require.ErrorContains(t, WriteResults(dir, "eval", nil), "all_results.json")
	require.Equal(t, "{", read(t, dir+"/all_results.json"))
}

func TestModelCardFrontMatterParsesAndShowsNoMachinePath(t *testing.T) {
	card := Card{
		Title: "student: \"a\"\nb", Summary: "One paragraph.", BaseModel: "/home/someone/models/SmolLM2-135M", Adapter: true,
		Tags: []string{"gsm8k"}, Datasets: []string{"openai/gsm8k", "../data/deep/train.jsonl"},
		Hyperparameters: []Field{{"learning_rate", "2e-05"}, {"stop", "a|b\nc"}},
		Results:         []Field{{"eval_loss", "1.25"}},
		Data:            []DataFile{{"train", "/home/someone/train.jsonl", 7473, "ab12"}},
		Command:         "retort train --stop '```'", Pictures: []string{"training_loss.png"},
	}
	var out bytes.Buffer
	require.NoError(t, card.Encode(&out))
	text := out.String()
	parts := strings.SplitN(text, "---\n", 3)
	require.Len(t, parts, 3)
	require.Empty(t, parts[0])
	var front map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(parts[1]), &front))
	require.Equal(t, map[string]any{
		"base_model": "SmolLM2-135M", "library_name": "peft", "pipeline_tag": "text-generation",
		"datasets": []any{"openai/gsm8k", "train.jsonl"}, "tags": []any{"retort", "distillation", "gsm8k", "lora"},
	}, front, "an unknown license is left out")
	for _, want := range []string{"# student: \"a\" b\n", "| stop | a\\|b c |", "| eval_loss | 1.25 |", "| train | train.jsonl | 7473 | ab12 |",
		"````\nretort train --stop '```'\n````\n", "![training_loss](training_loss.png)"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "/home")

	out.Reset()
	require.NoError(t, Card{Title: "x", License: "apache-2.0"}.Encode(&out))
	require.Contains(t, out.String(), "license: apache-2.0\n")
	require.NotContains(t, out.String(), "##")
	require.NotContains(t, out.String(), "base_model")
}

// losses is a falling noisy curve with some of it not finite.
func losses(n int, start float64) []Point {
	points := make([]Point, n)
	for i := range points {
		points[i] = Point{i + 1, start*math.Exp(-float64(i)/60) + 0.3 + 0.12*math.Sin(float64(i)*1.7)}
	}
	return points
}

func TestPlotsAreReadablePictures(t *testing.T) {
	dir := os.Getenv("RETORT_PLOT_DIR") // set it to look at them
	if dir == "" {
		dir = t.TempDir()
	}
	train := losses(200, 3)
	train[50].Value, train[51].Value = math.NaN(), math.Inf(1)
	var eval []Point
	for step := 20; step <= 200; step += 20 {
		eval = append(eval, Point{step, train[step-1].Value + 0.2})
	}
	require.NoError(t, PlotLoss(dir+"/training_loss.png", train, eval))
	require.NoError(t, PlotLoss(dir+"/one_point.png", train[:1], nil))
	require.NoError(t, PlotCurves(dir+"/curves.png", "arms of the demo", []Curve{
		{"rationales", losses(120, 3)}, {"answers only", losses(120, 2)}, {"diverged", []Point{{1, math.NaN()}}}, {"short", losses(2, 1)}}))
	for _, name := range []string{"training_loss.png", "one_point.png", "curves.png"} {
		f, err := os.Open(filepath.Join(dir, name))
		require.NoError(t, err)
		img, err := png.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Greater(t, img.Bounds().Dx(), 600, name)
	}
	require.ErrorIs(t, PlotLoss(dir+"/none.png", []Point{{1, math.NaN()}}, nil), ErrNoPoints)
	require.ErrorIs(t, PlotCurves(dir+"/none.png", "", nil), ErrNoPoints)
	require.NoFileExists(t, dir+"/none.png")
}

func TestPlotsOfHugeValuesEnd(t *testing.T) {
	for _, points := range [][]Point{
		{{1, -math.MaxFloat64}, {2, 1e38}, {3, math.MaxFloat64}},
		{{1, math.MaxFloat32}, {2, -math.MaxFloat32}},
		{{1, 1e38}, {2, 1e38}},
		{{1, 1e17}, {2, 1e17}},
		{{1, 1e-300}, {2, 2e-300}},
		{{1, 0}, {2, 0}},
		{{1, 1}, {2, 1 + 1e-16}},
		{{1, 1}, {2, math.Nextafter(1, 2)}},
		{{5, 2}},
	} {
		done := make(chan error, 1)
		go func() { done <- PlotLoss(t.TempDir()+"/x.png", points, nil) }()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(5 * time.Second):
			t.Fatalf("the plot of %v does not end", points)
		}
	}
}

func TestSmoothingKeepsAConstantAndNarrowsNoise(t *testing.T) {
	constant := []Point{{1, 4}, {2, 4}, {3, 4}}
	for _, p := range smooth(constant) {
		require.InDelta(t, 4, p.Value, 1e-12)
	}
	spread := func(points []Point) float64 {
		sum := 0.0
		for i := 1; i < len(points); i++ {
			sum += math.Abs(points[i].Value - points[i-1].Value)
		}
		return sum
	}
	noisy := losses(400, 0)
	require.Less(t, spread(smooth(noisy)), spread(noisy)/5)
}

func TestPointsPicksOneMetric(t *testing.T) {
	require.Equal(t, []Point{{10, 2.25}, {20, 2.25}}, Points(trained(20).LogHistory, "eval_loss"))
	require.Empty(t, Points(trained(20).LogHistory, "absent"))
}
