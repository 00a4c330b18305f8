package chat

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// A template comes with a downloaded student and is a program. What it may take is bounded here: its size and nesting
// before it is parsed, so that no stack overflows (which no program survives), and its depth of calls, its time and
// its texts while it renders. Published templates stay far below every bound.
const (
	maxSourceBytes = 1 << 20
	maxTagBytes    = 2048    // of one tag, strings aside: bounds how deep an expression can be
	maxNesting     = 100     // blocks in blocks
	maxDepth       = 100     // macros calling macros, and loops in them
	maxValues      = 200_000 // in lists in lists
	maxNumber      = 9999    // of what widths and repetitions may be
	maxRendering   = 10 * time.Second
	maxFiltered    = 1 << 30 // bytes that filters and methods make in one rendering
)

// maxTextBytes is how long any text of a rendering may become, for a conversation of so many bytes.
func maxTextBytes(conversation int) int { return 1<<20 + 16*conversation }

// ErrLimit is returned for a template that needs more than a template may take.
var ErrLimit = errors.New("chat template goes beyond a limit")

// checkSource refuses a source that is dangerous to parse, or that multiplies texts.
func checkSource(source string) error {
	if len(source) > maxSourceBytes {
		return fmt.Errorf("%w: it has %d bytes, %d are read", ErrLimit, len(source), maxSourceBytes)
	}
	for at := 0; at+1 < len(source); {
		kind := source[at+1]
		if source[at] != '{' || kind != '{' && kind != '%' {
			at++
			continue
		}
		stop := tagEnd(source, at, kind)
		code := withoutStrings(source[at:stop])
		line := func() int { return 1 + strings.Count(source[:at], "\n") }
		if len(code) > maxTagBytes {
			return fmt.Errorf("%w: the tag in line %d has more than %d bytes beside its strings", ErrLimit, line(), maxTagBytes)
		}
		if !multipliesBySmallNumbers(code) {
			return fmt.Errorf("%w: line %d multiplies by something other than one number up to 999", ErrLimit, line())
		}
		at = stop
	}
	return nil
}

// quoted matches a string in a tag.
var quoted = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)

func withoutStrings(tag string) string { return quoted.ReplaceAllString(tag, `""`) }

// multiplication matches a * between two operands: not a **, and not the * of *args, which follows a bracket or comma.
// Numbers of up to three digits are caught on either side.
var multiplication = regexp.MustCompile(`([\w)\]}"])\s*\*\s*([^*\s])`)

var (
	smallBefore = regexp.MustCompile(`(?:^|[^\w.])\d{1,3}\s*\*\s*[^*\s]`)
	smallAfter  = regexp.MustCompile(`[\w)\]}"]\s*\*\s*\d{1,3}(?:[^\w.]|$)`)
)

// multipliesBySmallNumbers allows one product in a tag, by a number: 'x' * 1000000000 is a text, too.
func multipliesBySmallNumbers(code string) bool {
	switch len(multiplication.FindAllString(code, -1)) {
	case 0:
		return true
	case 1:
		return smallBefore.MatchString(code) || smallAfter.MatchString(code)
	}
	return false
}

// budget is what one rendering has taken. It travels in the rendering's variables.
type budget struct {
	deadline time.Time
	text     int // bytes any text may have
	output   int // bytes written
	filtered int // bytes that filters made
	depth    int
	exceeded error // the first limit that was passed; everything then fails
	patience time.Duration
}

// budgetKey is no name that a template can write.
const budgetKey = "\x00budget"

func budgetOf(variables *exec.Context) *budget {
	value, _ := variables.Get(budgetKey)
	b, _ := value.(*budget)
	return b
}

// exceed notes that a limit was passed.
func (b *budget) exceed(format string, args ...any) error {
	if b.exceeded == nil {
		b.exceeded = fmt.Errorf("%w: "+format, append([]any{ErrLimit}, args...)...)
	}
	return b.exceeded
}

// check fails when a limit was passed or the time is over.
func (b *budget) check() error {
	if b.exceeded == nil && time.Now().After(b.deadline) {
		return b.exceed("it renders for more than %v", b.patience)
	}
	return b.exceeded
}

// length fails for a text that is too long.
func (b *budget) length(bytes int) error {
	if bytes > b.text {
		return b.exceed("it makes a text of %d bytes, %d are allowed for this conversation", bytes, b.text)
	}
	return nil
}

// limitedWriter passes on what the budget allows.
type limitedWriter struct {
	to io.Writer
	b  *budget
}

// Write counts p before it passes it on.
func (w limitedWriter) Write(p []byte) (int, error) {
	w.b.output += len(p)
	if err := errors.Join(w.b.check(), w.b.length(w.b.output)); err != nil {
		return 0, w.b.exceeded
	}
	return w.to.Write(p)
}

// measure returns the bytes of all texts in a value, and fails for one that is too large, or nested too deep to be
// written or compared: one that holds itself is.
func (b *budget) measure(v *exec.Value) (bytes int, err error) {
	values := 0
	var walk func(v *exec.Value, depth int) error
	walk = func(v *exec.Value, depth int) error {
		if values++; values > maxValues || depth > maxDepth {
			return b.exceed("it makes a value of more than %d parts, or more than %d deep", maxValues, maxDepth)
		}
		switch {
		case v == nil:
		case v.IsString():
			bytes += len(v.String())
			return b.length(bytes)
		case v.IsDict():
			var failed error
			v.Iterate(func(_, _ int, key, value *exec.Value) bool {
				failed = errors.Join(walk(key, depth+1), walk(value, depth+1))
				return failed == nil
			}, func() {})
			return failed
		case v.IsList():
			for i := range v.Len() {
				if err := walk(v.Index(i), depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if walk(v, 0) != nil {
		return bytes, b.exceeded
	}
	return bytes, nil
}
