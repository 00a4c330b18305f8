package runlog

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Field is one row of a table of a model card.
type Field struct {
	Name  string
	Value string
}

// DataFile is a file that the run read.
type DataFile struct {
	Role   string // train, eval, ...
	Name   string // a file's name or a hub id; of a path only the last element is shown
	Rows   int    // 0 if not counted
	SHA256 string // of the file's bytes; empty if unknown
}

// Card is the model card of a run: README.md at the root of its folder. Empty
// fields are left out of it.
type Card struct {
	Title           string // heading
	Summary         string // one paragraph under it
	BaseModel       string // hub id or folder of the student before training; empty if trained from scratch
	Adapter         bool   // a LoRA adapter rather than a whole model
	License         string // front matter only; left out when unknown
	Language        []string
	Tags            []string // beside our own
	Datasets        []string // hub ids or names, for the front matter
	Hyperparameters []Field
	Results         []Field
	Data            []DataFile
	Command         string // the command line that made this folder
	Pictures        []string
}

// frontMatter has the keys that the Hugging Face hub reads, in the hub's order.
type frontMatter struct {
	Language    []string `yaml:"language,omitempty"`
	License     string   `yaml:"license,omitempty"`
	LibraryName string   `yaml:"library_name"`
	PipelineTag string   `yaml:"pipeline_tag"`
	BaseModel   string   `yaml:"base_model,omitempty"`
	Datasets    []string `yaml:"datasets,omitempty"`
	Tags        []string `yaml:"tags"`
}

// Encode writes the card.
func (c Card) Encode(w io.Writer) error {
	front := frontMatter{
		Language: c.Language, License: c.License, LibraryName: "transformers", PipelineTag: "text-generation",
		BaseModel: shown(c.BaseModel), Tags: append([]string{"retort", "distillation"}, c.Tags...),
	}
	if c.Adapter {
		front.LibraryName = "peft"
		front.Tags = append(front.Tags, "lora")
	}
	for _, d := range c.Datasets {
		front.Datasets = append(front.Datasets, shown(d))
	}
	head, err := yaml.Marshal(front)
	if err != nil {
		return fmt.Errorf("model card: %w", err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "---\n%s---\n\n# %s\n", head, oneLine(c.Title))
	if c.Summary != "" {
		fmt.Fprintf(&out, "\n%s\n", strings.TrimSpace(c.Summary))
	}
	writeTable(&out, "Results", []string{"metric", "value"}, fieldRows(c.Results))
	for _, picture := range c.Pictures {
		fmt.Fprintf(&out, "\n![%s](%s)\n", strings.TrimSuffix(filepath.Base(picture), filepath.Ext(picture)), picture)
	}
	writeTable(&out, "Hyperparameters", []string{"name", "value"}, fieldRows(c.Hyperparameters))
	var data [][]string
	for _, d := range c.Data {
		rows := ""
		if d.Rows > 0 {
			rows = fmt.Sprint(d.Rows)
		}
		data = append(data, []string{d.Role, shown(d.Name), rows, d.SHA256})
	}
	writeTable(&out, "Data", []string{"role", "file", "rows", "SHA-256"}, data)
	if c.Command != "" {
		fence := strings.Repeat("`", max(3, longestRun(c.Command, '`')+1))
		fmt.Fprintf(&out, "\n## Command\n\n%s\n%s\n%s\n", fence, strings.TrimSpace(c.Command), fence)
	}
	_, err = out.WriteTo(w)
	return err
}

// shown keeps the folders of the machine out of a card that gets published: a
// rooted or relative path is its last element, a hub id (owner/name) stays.
func shown(name string) string {
	if filepath.IsAbs(name) || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") || strings.Count(filepath.ToSlash(name), "/") > 1 {
		return filepath.Base(name)
	}
	return name
}

func fieldRows(fields []Field) [][]string {
	var rows [][]string
	for _, f := range fields {
		rows = append(rows, []string{f.Name, f.Value})
	}
	return rows
}

// writeTable writes a section with a Markdown table, or nothing for no rows.
func writeTable(out *bytes.Buffer, heading string, columns []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(out, "\n## %s\n\n| %s |\n|%s\n", heading, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, row := range rows {
		out.WriteByte('|')
		for _, cell := range row {
			fmt.Fprintf(out, " %s |", strings.ReplaceAll(oneLine(cell), "|", `\|`))
		}
		out.WriteByte('\n')
	}
}

// oneLine folds white space, which would end a heading or a table row.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// longestRun returns the length of the longest run of c in s.
func longestRun(s string, c rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r == c {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
