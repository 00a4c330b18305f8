package engine

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"retort/data/collect"
	"retort/data/journal"
	"retort/data/problems"
	"retort/data/prompts"
	"retort/data/teacher"
)

// CollectOptions are the keys of `retort collect`; the tags are read by cmd.
type CollectOptions struct {
	Dataset string `key:"dataset" help:"JSONL file of questions: question/answer rows, pairs, or prompts"`
	Limit   int    `key:"limit" help:"ask the first questions only; 0 is all of a file, 500 of the generator"`
	Shard   string `key:"shard" help:"i/n, i from 1: the i-th of n equal parts of the questions; the outputs in order are the whole"`
	Output  string `key:"output" help:"JSONL file for the pairs {id, question, answer, rationale, metadata}, in the order of the questions"`
	Journal string `key:"journal" help:"file that keeps every answer; a rerun asks only for what is missing. <output>.journal when empty"`

	Teacher     string `key:"teacher" help:"openai (a server), file (completions that are there), student (a local one) or generator (built in)"`
	BaseURL     string `key:"base_url" help:"teacher openai: address of the server up to /v1"`
	Model       string `key:"model" help:"teacher openai: the model's name"`
	APIKeyEnv   string `key:"api_key_env" help:"environment variable that holds the API key"`
	APIKeyFile  string `key:"api_key_file" help:"file that holds the API key, instead of the environment"`
	Completions string `key:"completions" help:"teacher file: JSONL of answered rows, or of the rows of generate"`
	Student     string `key:"model_name_or_path" help:"teacher student: folder or .gguf"`

	PromptTemplate string   `key:"prompt_template" help:"file with the conversation to send, or a built-in one: rationale"`
	NumSamples     int      `key:"num_samples" help:"answers to each question"`
	Temperature    float64  `key:"temperature" help:"0 takes the likeliest token"`
	TopP           float64  `key:"top_p" help:"keep the likeliest tokens of this mass"`
	MaxNewTokens   int      `key:"max_new_tokens" help:"tokens of an answer at most"`
	Stop           []string `key:"stop" help:"text that ends an answer"`
	Seed           int      `key:"seed" help:"seed of the draws; -1 sends none, for servers that refuse it"`

	Concurrency       int     `key:"concurrency" help:"requests in flight at most"`
	RequestsPerMinute float64 `key:"requests_per_minute" help:"limit of the teacher; 0 is none"`
	TokensPerMinute   float64 `key:"tokens_per_minute" help:"limit of the teacher, prompts and answers together; 0 is none"`
	Timeout           float64 `key:"timeout" help:"seconds for one request, to the last byte of its answer"`
	MaxRetries        int     `key:"max_retries" help:"further attempts at a request that failed"`

	PromptPrice     float64 `key:"prompt_price" help:"price of a million prompt tokens"`
	CompletionPrice float64 `key:"completion_price" help:"price of a million answer tokens"`
	MaxCost         float64 `key:"max_cost" help:"never spend more than this, over all runs with this journal; 0 is no cap"`

	DryRun    bool   `key:"dry_run" help:"say how many requests, tokens and how much money it would take; ask nothing"`
	Tokenizer string `key:"tokenizer" help:"folder or .gguf whose tokenizer counts the prompts of a dry run; bytes/4 when empty"`

	// Problems configures the teacher generator; its seed is Seed.
	Problems problems.Config
}

// DefaultCollectOptions are the defaults of `retort collect`.
func DefaultCollectOptions() CollectOptions {
	return CollectOptions{
		Teacher: "openai", BaseURL: "https://api.openai.com/v1", APIKeyEnv: "OPENAI_API_KEY", PromptTemplate: prompts.Rationale,
		NumSamples: 1, Temperature: 0.7, TopP: 1, MaxNewTokens: 512, Seed: 42, Concurrency: 16, Timeout: 120, MaxRetries: 10,
		Problems: problems.Default(),
	}
}

// generatorQuestions is how many questions the generator is asked without a limit.
const generatorQuestions = 500

// Validate checks ranges and combinations; errors wrap ErrUsage and name the key.
func (o CollectOptions) Validate() error {
	openai, generator := o.Teacher == "openai", o.Teacher == "generator"
	for _, r := range []struct {
		bad bool
		say string
	}{
		{!openai && !generator && o.Teacher != "file" && o.Teacher != "student", "teacher must be openai, file, student or generator"},
		{o.Dataset == "" && !generator, "dataset is missing: which questions shall be asked?"},
		{o.Dataset != "" && generator, "the teacher generator asks its own questions: give limit instead of dataset"},
		{o.Output == "" && !o.DryRun, "output is missing"},
		{openai && o.Model == "", "model is missing: which model shall the server answer with?"},
		{o.Teacher == "file" && o.Completions == "", "completions is missing: the file with the answers"},
		{o.Teacher == "student" && o.Student == "", "model_name_or_path is missing: the student that answers"},
		{o.Limit < 0, "limit must be 0 or more"},
		{o.NumSamples < 1 || o.NumSamples > 1000, "num_samples must be 1 to 1000"},
		{!(o.Temperature >= 0 && o.Temperature <= math.MaxFloat32), "temperature must be 0 or more"},
		{o.Temperature == 0 && o.NumSamples > 1 && (openai || o.Teacher == "student"), "with temperature 0 all samples are the same: raise it, or set num_samples 1"},
		{!(o.TopP > 0 && o.TopP <= 1), "top_p must be above 0 and at most 1"},
		{o.MaxNewTokens < 1 || o.MaxNewTokens > 1e7, "max_new_tokens must be 1 to 10000000"},
		{o.Seed < -1, "seed must be 0 or more, or -1 for none"},
		{o.Concurrency < 1 || o.Concurrency > 4096, "concurrency must be 1 to 4096"},
		{!(o.RequestsPerMinute >= 0 && o.RequestsPerMinute <= maxOption), "requests_per_minute must be 0 or more"},
		{!(o.TokensPerMinute >= 0 && o.TokensPerMinute <= 1e12), "tokens_per_minute must be 0 or more"},
		{!(o.Timeout > 0 && o.Timeout <= 86400), "timeout must be above 0 and at most 86400 seconds"},
		{o.MaxRetries < 0, "max_retries must be 0 or more"},
		{!(o.PromptPrice >= 0 && o.PromptPrice <= 1e6) || !(o.CompletionPrice >= 0 && o.CompletionPrice <= 1e6), "prompt_price and completion_price must be 0 to 1000000"},
		{!(o.MaxCost >= 0 && o.MaxCost <= maxOption), "max_cost must be 0 or more"},
		{o.MaxCost > 0 && (o.PromptPrice == 0 || o.CompletionPrice == 0), "max_cost needs prompt_price and completion_price"},
		{!openai && o.PromptPrice+o.CompletionPrice > 0, "prices belong to the teacher openai; the others cost nothing"},
	} {
		if r.bad {
			return fmt.Errorf("%w: %s", ErrUsage, r.say)
		}
	}
	_, _, err := o.shard(1)
	return err
}

// shard is the part [lo, hi) of n questions that Shard names.
func (o CollectOptions) shard(n int) (lo, hi int, err error) {
	if o.Shard == "" {
		return 0, n, nil
	}
	left, right, ok := strings.Cut(o.Shard, "/")
	i, err1 := strconv.Atoi(left)
	of, err2 := strconv.Atoi(right)
	if !ok || err1 != nil || err2 != nil || i < 1 || i > of {
		return 0, 0, fmt.Errorf("%w: shard is %q, must be i/n with i from 1 to n", ErrUsage, o.Shard)
	}
	return n * (i - 1) / of, n * i / of, nil
}

// limits are the options of the run itself.
func (o CollectOptions) limits() collect.Options {
	return collect.Options{
		Concurrency: o.Concurrency, RequestsPerMinute: o.RequestsPerMinute, TokensPerMinute: o.TokensPerMinute,
		MaxRetries: o.MaxRetries, Backoff: time.Second / 2, Prices: o.prices(), MaxCost: journal.Units(o.MaxCost),
	}
}

func (o CollectOptions) prices() collect.Prices {
	return collect.Prices{Prompt: o.PromptPrice, Completion: o.CompletionPrice}
}

// sampling is what is the same for all requests.
func (o CollectOptions) sampling() teacher.Sampling {
	return teacher.Sampling{Temperature: o.Temperature, TopP: o.TopP, MaxNewTokens: o.MaxNewTokens, Stop: o.Stop, Seed: int64(o.Seed)}
}

// journalPath is where the answers are kept; "" for a dry run that names no file.
func (o CollectOptions) journalPath() string {
	if o.Journal != "" || o.Output == "" {
		return o.Journal
	}
	return o.Output + ".journal"
}
