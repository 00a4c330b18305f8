package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"retort/data/tokenizer"
	"retort/engine"
	"retort/engine/checkpoint"
	"retort/kernels/cpu"
	"retort/model"
)

// decodeResult is what both sides of the decode suite print.
type decodeResult struct {
	TokensPerSecond float64 `json:"tokens_per_second"`
}

// The decoding that is measured: greedy, every sequence to its last token.
const (
	decodePrompt = 64
	decodeNew    = 64
)

// decodeSuite compares greedy decoding of a pretrained student with transformers' generate.
func decodeSuite(ctx context.Context, o Options) ([]Row, error) {
	if o.Model == "" {
		o.Log("decode: skipped, it needs --model_name_or_path")
		return nil, nil
	}
	folder, err := hfFolder(o.Model)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	var rows []Row
	for _, sequences := range []int{32, 1} {
		us, them, err := sides[decodeResult](ctx, o, []string{fmt.Sprintf("decode:%d:%s", sequences, folder)},
			[]string{peerScript("generate.py"), folder, strconv.Itoa(sequences), strconv.Itoa(decodePrompt), strconv.Itoa(decodeNew)})
		if err != nil {
			return nil, err
		}
		rows = append(rows, versus(fmt.Sprintf("greedy decoding, %d sequences, %d+%d tokens, float32", sequences, decodePrompt, decodeNew),
			"tokens/s", "transformers generate", us, them, false, func(r decodeResult) float64 { return r.TokensPerSecond }))
	}
	return rows, nil
}

// hfFolder writes the student as a Hugging Face folder that both sides read.
func hfFolder(path string) (string, error) {
	k, err := cpu.New(0)
	if err != nil {
		return "", err
	}
	defer k.Close()
	s, err := engine.OpenStudent(k, path)
	if err != nil {
		return "", err
	}
	defer s.Close()
	dir, err := os.MkdirTemp("", "retort-bench-")
	if err != nil {
		return "", err
	}
	files, err := s.Files()
	if err != nil {
		return "", err
	}
	for name, write := range files {
		if err := checkpoint.WriteFile(filepath.Join(dir, name), write); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// decodeWorker decodes sequences greedily from prompts of ids that both sides make alike.
func decodeWorker(spec string) (decodeResult, error) {
	count, folder, _ := strings.Cut(spec, ":")
	sequences, err := strconv.Atoi(count)
	if err != nil {
		return decodeResult{}, err
	}
	k, err := cpu.New(0)
	if err != nil {
		return decodeResult{}, err
	}
	defer k.Close()
	s, _, err := model.Load(k, folder)
	if err != nil {
		return decodeResult{}, err
	}
	var requests []model.Request
	for i := range sequences {
		r := model.Request{MaxNew: decodeNew}
		for j := range decodePrompt {
			r.Prompt = append(r.Prompt, int32(1000+(i*37+j*101)%20000))
		}
		requests = append(requests, r)
	}
	var speeds []float64
	for range 3 {
		began, tokens := time.Now(), 0
		err := s.Generate(requests, model.GenerateOptions{Slots: sequences, Done: func(_ int, c model.Completion) { tokens += len(c.IDs) }})
		if err != nil {
			return decodeResult{}, err
		}
		speeds = append(speeds, float64(tokens)/time.Since(began).Seconds())
	}
	return decodeResult{TokensPerSecond: median(speeds)}, nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// tokenizeResult is what both sides of the tokenize suite print.
type tokenizeResult struct {
	MegabytesPerSecond float64 `json:"megabytes_per_second"`
	Tokens             float64 `json:"tokens"`
}

// tokenizeSuite compares encoding on one thread with the Rust tokenizers. The peer is called
// once with the whole list of lines, so that Python's own cost does not count.
func tokenizeSuite(ctx context.Context, o Options) ([]Row, error) {
	if o.Model == "" || o.Text == "" {
		o.Log("tokenize: skipped, it needs --model_name_or_path (a folder with tokenizer.json) and --dataset (a text file)")
		return nil, nil
	}
	us, them, err := sides[tokenizeResult](ctx, o, []string{"tokenize:" + o.Model + ":" + o.Text}, []string{peerScript("encode.py"), o.Model, o.Text})
	if err != nil {
		return nil, err
	}
	if len(them) > 0 && us[0].Tokens != them[0].Tokens {
		return nil, fmt.Errorf("ours makes %.0f tokens, the peer %.0f", us[0].Tokens, them[0].Tokens)
	}
	return []Row{versus("tokenizing, one thread, "+filepath.Base(o.Model), "MB/s", "tokenizers (Rust)", us, them, false,
		func(r tokenizeResult) float64 { return r.MegabytesPerSecond })}, nil
}

// tokenizeWorker encodes every line of a file.
func tokenizeWorker(spec string) (tokenizeResult, error) {
	dir, path, _ := strings.Cut(spec, ":")
	f, err := tokenizer.OpenFolder(dir)
	if err != nil {
		return tokenizeResult{}, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return tokenizeResult{}, err
	}
	lines := strings.Split(string(raw), "\n")
	var r tokenizeResult
	for range 3 {
		began, tokens := time.Now(), 0
		for _, line := range lines {
			tokens += len(f.Tokenizer.Encode(line))
		}
		r.Tokens = float64(tokens)
		r.MegabytesPerSecond = max(r.MegabytesPerSecond, float64(len(raw))/1e6/time.Since(began).Seconds())
	}
	return r, nil
}

// loadResult is how long a program takes to start and a student to load.
type loadResult struct {
	HelpSeconds float64 `json:"help_seconds"`
	LoadSeconds float64 `json:"load_seconds"`
}

// loadSuite measures starting the program and loading a student; it has no peer.
func loadSuite(ctx context.Context, o Options) ([]Row, error) {
	o.Python = ""
	us, _, err := sides[loadResult](ctx, o, []string{"load:" + o.Model}, nil)
	if err != nil {
		return nil, err
	}
	rows := []Row{versus("retort help, whole process", "ms", "", us, nil, true, func(r loadResult) float64 { return 1000 * r.HelpSeconds })}
	if o.Model != "" {
		rows = append(rows, versus("loading "+filepath.Base(o.Model)+", tokenizer included", "s", "", us, nil, true, func(r loadResult) float64 { return r.LoadSeconds }))
	}
	return rows, nil
}
