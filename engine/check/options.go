// Package check says what a data file is worth before anything is trained on it: its rows
// by format and source, what is refused and why, what repeats, what an evaluation asks too,
// and, when asked, whether answers and equations hold. It can write the rows that are left
// in another format, and the refused ones beside them.
//
// It owns the report, the data card and the page; the rules are those of data, data/verify
// and data/dedup. The command line calls it. A file is read once, or twice when rows are
// written, one row in memory at a time; about 200 bytes of every row are kept.
package check

import (
	"fmt"
	"path/filepath"
	"slices"

	"retort/data"
	"retort/data/augment"
	"retort/data/rowfile"
	"retort/data/verify"
	"retort/engine"
)

// Options are the keys of `retort check`.
type Options struct {
	Dataset   string `key:"dataset" help:"row file: JSONL, a JSON array or Parquet, plain, .gz or .zst"`
	Model     string `key:"model_name_or_path" help:"student whose tokenizer and template are used; the built-in tokenizer when empty"`
	MaxLength int    `key:"max_length" help:"longer rows are refused; 0 is no limit"`

	EvalDataset        []string `key:"eval_dataset" help:"row file of an evaluation: rows that ask what it asks are refused and listed"`
	AllowContamination bool     `key:"allow_contamination" help:"keep rows that an evaluation asks too"`
	Dedup              bool     `key:"dedup" help:"refuse rows that repeat an earlier one, nearly or exactly"`

	Verify    bool   `key:"verify" help:"refuse rows whose answer, equations or end are wrong"`
	Gold      string `key:"gold" help:"row file with the known answers, found by question or id; implies verify"`
	MinSteps  int    `key:"min_steps" help:"steps of a rationale at least; implies verify"`
	MaxWords  int    `key:"max_words" help:"words of an answer at most; 0 is no limit; implies verify"`
	Language  string `key:"language" help:"language of the answers, en; empty is any; implies verify"`
	Keep      string `key:"keep" help:"of several samples of a question keep, of the correct (or most voted) ones: all, shortest or diverse"`
	KeepCount int    `key:"keep_count" help:"samples that keep diverse leaves of a question"`

	Output    string `key:"output" help:"file for the rows that are left (.jsonl, .jsonl.gz, .jsonl.zst, .parquet); the refused ones go to NAME.rejects.jsonl beside it"`
	Format    string `key:"format" help:"format of output: messages, prompt_completion, preference, stepwise, alpaca, sharegpt, gsm8k, socratic or pair; as they came when empty"`
	Transform string `key:"transform" help:"before writing: subquestions, equations, answer_only, pre, post or corrupt"`
	Seed      int    `key:"seed" help:"seed of transform corrupt"`
	Card      string `key:"card" help:"folder for data_card.md and data_card.json"`
	HTML      string `key:"html" help:"file for the report as a page"`
}

// Default are the options that nobody said.
func Default() Options { return Options{KeepCount: 2, Seed: 42} }

// Validate checks ranges and combinations; errors wrap engine.ErrUsage and name the key.
func (o *Options) Validate() error {
	o.Verify = o.Verify || o.Gold != "" || o.MinSteps != 0 || o.MaxWords != 0 || o.Language != "" // they ask for it
	for _, r := range []struct {
		bad bool
		say string
	}{
		{o.Dataset == "", "dataset is missing"},
		{o.MaxLength < 0, fmt.Sprintf("max_length is %d, must be 0 or more", o.MaxLength)},
		{o.Output == "" && (o.Format != "" || o.Transform != ""), "format and transform say how output is written: name it"},
		{o.Output != "" && rowfile.IsParquet(o.Output) && o.Format == "", "Parquet needs to know the columns: give format"},
		{o.Format != "" && !slices.Contains(data.Formats(), data.Format(o.Format)), fmt.Sprintf("format %q is unknown: use one of %v", o.Format, data.Formats())},
		{o.Output != "" && filepath.Clean(o.Output) == filepath.Clean(o.Dataset), "output is the dataset itself"},
	} {
		if r.bad {
			return fmt.Errorf("%w: %s", engine.ErrUsage, r.say)
		}
	}
	var errs []error
	if o.Output != "" {
		errs = append(errs, rowfile.CheckName(o.Output))
	}
	if o.Keep != "" {
		errs = append(errs, verify.Keep(o.Keep).Validate(o.KeepCount))
	}
	if o.Transform != "" {
		errs = append(errs, augment.Transform(o.Transform).Validate())
	}
	for _, err := range append(errs, o.rules().Validate()) {
		if err != nil {
			return fmt.Errorf("%w: %w", engine.ErrUsage, err)
		}
	}
	return nil
}

// rules are what verify asks of a row.
func (o *Options) rules() verify.Options {
	return verify.Options{MinSteps: o.MinSteps, MaxWords: o.MaxWords, Language: o.Language, Equations: true}
}
