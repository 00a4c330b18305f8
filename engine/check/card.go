package check

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"retort/data"
	"retort/data/dedup"
	"retort/engine"
	"retort/engine/checkpoint"
)

// Card is the data card: the report with what it was made with.
type Card struct {
	Report
	Parameters Parameters `json:"parameters"`
}

// Parameters are the rules' constants and the options that decided.
type Parameters struct {
	ContaminationGram int     `json:"contamination_gram_words"`
	RefusedShare      float64 `json:"contamination_refused_share"`
	ShingleWords      int     `json:"near_duplicate_shingle_words"`
	Hashes            int     `json:"near_duplicate_hashes"`
	Bands             int     `json:"near_duplicate_bands"`
	Threshold         float64 `json:"near_duplicate_threshold"`
	Dedup             bool    `json:"dedup"`
	Verify            bool    `json:"verify"`
	Keep              string  `json:"keep,omitempty"`
	MaxLength         int     `json:"max_length,omitempty"`
	Format            string  `json:"format,omitempty"`
	Transform         string  `json:"transform,omitempty"`
	Output            string  `json:"output,omitempty"`
	OutputSHA256      string  `json:"output_sha256,omitempty"`
}

// describe hashes the file and writes card and page where they are asked for.
func (t *tally) describe() (err error) {
	r := &t.report
	if r.SHA256, r.Bytes, err = hashFile(t.o.Dataset); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	}
	if t.o.Card == "" && t.o.HTML == "" {
		return nil
	}
	card := Card{r.public(), Parameters{
		dedup.GramWords, dedup.RefusedShare, dedup.ShingleWords, dedup.Hashes, dedup.Bands, dedup.Threshold,
		t.o.Dedup, t.o.Verify, t.o.Keep, t.o.MaxLength, t.o.Format, t.o.Transform, "", "",
	}}
	if r.Written > 0 {
		card.Parameters.Output = filepath.Base(t.o.Output)
		if card.Parameters.OutputSHA256, _, err = hashFile(t.o.Output); err != nil {
			return err
		}
	}
	if t.o.Card != "" {
		if err := card.write(t.o.Card); err != nil {
			return fmt.Errorf("%w: card: %w", engine.ErrBadInput, err)
		}
	}
	if t.o.HTML != "" {
		if err := checkpoint.WriteFile(t.o.HTML, func(w io.Writer) error { return page.Execute(w, card) }); err != nil {
			return fmt.Errorf("%w: html: %w", engine.ErrBadInput, err)
		}
	}
	return nil
}

func (c Card) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := checkpoint.WriteFile(filepath.Join(dir, "data_card.json"), func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(c)
	})
	if err != nil {
		return err
	}
	return checkpoint.WriteFile(filepath.Join(dir, "data_card.md"), func(w io.Writer) error {
		_, err := io.WriteString(w, c.markdown())
		return err
	})
}

// markdown is the card for a reader.
func (c Card) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", c.Dataset)
	row := func(name string, value any) { fmt.Fprintf(&b, "| %s | %v |\n", name, value) }
	b.WriteString("| | |\n|---|---|\n")
	if c.SHA256 != "" {
		row("SHA-256", "`"+c.SHA256+"`")
		row("bytes", c.Bytes)
	}
	row("rows", c.Rows)
	row("usable", c.Usable)
	row("refused", c.Rejects.Total())
	row("the same as an earlier row", c.Duplicates)
	if c.Parameters.Dedup {
		row("nearly the same", c.NearDuplicates)
	}
	row("asked by an evaluation too", c.Contamination.Rows)
	if c.Parameters.Verify {
		row("equations computed again", c.Equations.Checked)
		row("of them wrong", c.Equations.Wrong)
		row("answers compared with known ones", c.Compared)
	}
	row("tokens", fmt.Sprintf("%d, %d of them trained; %d in the median row, %d in the longest", c.Tokens, c.Trained, c.Median, c.Longest))
	if c.Parameters.Output != "" {
		row("written to "+c.Parameters.Output, fmt.Sprintf("%d rows, SHA-256 `%s`", c.Written, c.Parameters.OutputSHA256))
	}
	writeCounts(&b, "Formats", c.Kinds)
	writeCounts(&b, "Sources", c.Sources)
	reasons := map[string]int{}
	for reason, lines := range c.Rejects.Lines {
		reasons[reason] = len(lines)
	}
	writeCounts(&b, "Refused", reasons)
	if len(c.Contamination.Evaluations) > 0 {
		b.WriteString("\n## Compared with\n\n| evaluation | questions | rows that ask one | SHA-256 |\n|---|---|---|---|\n")
		for _, e := range c.Contamination.Evaluations {
			fmt.Fprintf(&b, "| %s | %d | %d | `%s` |\n", e.File, e.Questions, e.Rows, e.SHA256)
		}
	}
	fmt.Fprintf(&b, "\nContaminated: the same question, or half or more of its %d-grams in one question of an evaluation. Near duplicates: %d-word shingles, %d hashes in %d bands, similarity from %.1f, the same numbers.\n",
		c.Parameters.ContaminationGram, c.Parameters.ShingleWords, c.Parameters.Hashes, c.Parameters.Bands, c.Parameters.Threshold)
	return b.String()
}

func writeCounts(b *strings.Builder, title string, m map[string]int) {
	if len(m) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| | rows |\n|---|---|\n", title)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(b, "| %s | %d |\n", strings.ReplaceAll(name, "|", "\\|"), m[name])
	}
}

// page shows a card with the rendered rows, trained text marked.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"reasons": func(r data.Rejects) []string { return r.Reasons() },
}).Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{.Dataset}}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f6;padding:.8rem}mark{background:#c8f0c8}.refused{background:#fbe3e3;padding:.8rem}
</style>
<h1>{{.Dataset}}</h1>
{{if .Refused}}<p class="refused">Refused: {{.Refused}}</p>{{end}}
<table>
<tr><th>rows</th><td>{{.Rows}}</td></tr><tr><th>usable</th><td>{{.Usable}}</td></tr>
<tr><th>the same as an earlier row</th><td>{{.Duplicates}}</td></tr>{{if .Parameters.Dedup}}<tr><th>nearly the same</th><td>{{.NearDuplicates}}</td></tr>{{end}}
<tr><th>asked by an evaluation too</th><td>{{.Contamination.Rows}}</td></tr>
{{if .Equations.Checked}}<tr><th>equations computed again</th><td>{{.Equations.Checked}}, {{.Equations.Wrong}} of them wrong</td></tr>{{end}}
<tr><th>tokens</th><td>{{.Tokens}}, {{.Trained}} of them trained; {{.Median}} in the median row, {{.Longest}} in the longest</td></tr>
<tr><th>SHA-256</th><td><code>{{.SHA256}}</code></td></tr>
</table>
{{if .Sources}}<h2>Sources</h2><table>{{range $name, $n := .Sources}}<tr><td>{{$name}}</td><td>{{$n}}</td></tr>{{end}}</table>{{end}}
{{if .Rejects.Lines}}<h2>Refused rows</h2><table><tr><th>reason</th><th>rows</th></tr>
{{range $reason := reasons .Rejects}}<tr><td>{{$reason}}</td><td>{{len (index $.Rejects.Lines $reason)}}</td></tr>{{end}}</table>{{end}}
{{if .Contamination.Hits}}<h2>Rows that an evaluation asks too</h2><table><tr><th>line</th><th>there</th></tr>
{{range .Contamination.Hits}}<tr><td>{{.Line}}</td><td>{{.Hit}}</td></tr>{{end}}</table>{{end}}
{{if .Previews}}<h2>Rows as they are trained</h2><p>Marked text is trained.</p>
{{range .Previews}}<h3>row {{.Row}}, {{.Tokens}} tokens</h3><pre>{{range .Pieces}}{{if .Trained}}<mark>{{.Text}}</mark>{{else}}{{.Text}}{{end}}{{end}}</pre>{{end}}{{end}}
</html>
`))
