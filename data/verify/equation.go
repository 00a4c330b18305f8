package verify

import (
	"math/big"
	"regexp"
	"strings"

	"retort/data"
)

// Equations is what became of the equations of a text.
type Equations struct {
	Checked int      // computed again
	Wrong   []string // those of them that do not hold, as written
}

// written finds the calculator annotations, with whatever stands between the brackets.
var written = regexp.MustCompile(`<<([^<>]*)>>`)

// Recompute computes every calculator annotation <<a=b>> of a text and every plain equation
// "3 + 4 = 7" again, exactly. The stated result may be rounded or cut: with d decimals it
// must be less than one unit of its last decimal away; a result without decimals must be
// exact. A percent sign on the result may stand for the value or for a hundred times it.
//
// Of plain text, only what stands between numbers, + - * / × ÷ x, brackets, currency and
// percent signs is an equation, and only with an operator on its left; words and unknowns
// next to it ("2y + 3 = 7") leave it unchecked.
func Recompute(text string) Equations {
	var e Equations
	for _, m := range written.FindAllStringSubmatch(text, -1) {
		e.annotation(m[1])
	}
	for line := range strings.Lines(plainSigns.Replace(data.StripAnnotations(text))) {
		if strings.Contains(line, "=") {
			e.line(line)
		}
	}
	return e
}

// annotation checks what stands in << >>; one that is no equation at all does not hold.
func (e *Equations) annotation(text string) {
	left, right, found := strings.Cut(text, "=")
	e.Checked++
	stated, err := evaluate(right)
	if err == nil && found {
		if computed, err := evaluate(left); err == nil && agrees(computed, stated) {
			return
		}
	}
	e.Wrong = append(e.Wrong, "<<"+text+">>")
}

// line checks every = of a line.
func (e *Equations) line(line string) {
	from := 0 // behind the = before
	for at := 0; at < len(line); at++ {
		if line[at] != '=' || at > 0 && strings.IndexByte("<>!=:", line[at-1]) >= 0 || at+1 < len(line) && line[at+1] == '=' {
			continue
		}
		left, start, leftOK := before(line, from, at)
		from = at + 1
		if !leftOK || !left.computed {
			continue
		}
		stated, end, ok := behind(line, at+1)
		if !ok {
			continue
		}
		e.Checked++
		if left.Rat == nil || !agrees(left, stated) { // nil: a division by zero
			e.Wrong = append(e.Wrong, strings.TrimSpace(line[start:end]))
		}
	}
}

// before reads the expression that ends at byte end of a line, its longest: what stands in
// front of it must not be part of it. Its Rat is nil when it divides by zero.
func before(line string, from, end int) (v value, start int, ok bool) {
	var tokens []token
	clean := true // nothing but space, or the end of a clause, stands before tokens
	for i := from; ; {
		t, more := next(line, i)
		if !more || t.at >= end {
			break
		}
		i = t.end
		switch {
		case t.kind == gap:
			tokens, clean = tokens[:0], endsClause(line, t.at)
			continue
		case len(tokens) == 0 && t.kind == number && t.at > from && isWordByte(line[t.at-1]):
			return v, 0, false // 2^3, y2
		case len(tokens) > 0 && endsOperand(tokens[len(tokens)-1]) && (t.kind == number || t.text == "("): // "In 2020 5*3", "1) 5*3"
			if fraction(line, t, end) || t.text == "(" && line[t.at-1] != ' ' {
				return v, 0, false // 2 1/2 in one way or another, or 2(3+4)
			}
			tokens, clean = tokens[:0], true
		}
		if len(tokens) == maxTokens {
			return v, 0, false
		}
		tokens = append(tokens, t)
	}
	tokens = withoutOpenBrackets(tokens)
	if len(tokens) > 1 && tokens[0].kind == symbol && strings.Contains("+-*/", tokens[0].text) {
		switch spaced := line[tokens[0].end] == ' '; {
		case strings.TrimSpace(line[:tokens[0].at]) == "" && spaced: // a bullet
			tokens = tokens[1:]
		case tokens[0].text != "-" || spaced || !clean: // goes on from words
			return v, 0, false
		}
	}
	v, err := compute(tokens)
	if err == errZero {
		return value{computed: true}, tokens[0].at, true
	}
	if err != nil {
		return v, 0, false
	}
	return v, tokens[0].at, true
}

// behind reads the longest expression that begins at byte from of a line.
func behind(line string, from int) (v value, end int, ok bool) {
	var tokens []token
	for i := from; len(tokens) < maxTokens; {
		t, more := next(line, i)
		if !more || t.kind == gap {
			if len(tokens) == 0 {
				return v, 0, false
			}
			break
		}
		if last := len(tokens) - 1; last >= 0 && tokens[last].kind == number && t.kind == number {
			if fraction(line, t, len(line)) {
				return v, 0, false
			}
			break
		}
		tokens, i = append(tokens, t), t.end
	}
	for n := len(tokens); n > 0; n-- { // "5 - that is": the minus is no part of it
		if v, err := compute(tokens[:n]); err == nil {
			return v, tokens[n-1].end, true
		}
	}
	return v, 0, false
}

// agrees says whether a computed value may be stated so.
func agrees(computed, stated value) bool {
	ways := []*big.Rat{stated.Rat}
	if stated.percent {
		ways = append(ways, new(big.Rat).Mul(stated.Rat, big.NewRat(100, 1)))
	}
	for i, want := range ways {
		if !stated.bare || stated.decimals == 0 && !stated.percent {
			if computed.Cmp(want) == 0 {
				return true
			}
			continue
		}
		unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(stated.decimals)), nil))
		if stated.percent && i == 0 {
			unit.Quo(unit, big.NewRat(100, 1))
		}
		difference := new(big.Rat).Sub(computed.Rat, want)
		if difference.Abs(difference); difference.Sign() == 0 || stated.decimals > 0 && difference.Cmp(unit) < 0 {
			return true
		}
	}
	return false
}

// withoutOpenBrackets drops brackets at the front that nothing closes, and those behind
// that nothing opened.
func withoutOpenBrackets(tokens []token) []token {
	open := 0
	for _, t := range tokens {
		switch t.text {
		case "(":
			open++
		case ")":
			open--
		}
	}
	for ; open > 0 && len(tokens) > 0 && tokens[0].text == "("; open-- {
		tokens = tokens[1:]
	}
	return tokens
}

// fraction says whether the number t is followed by a slash and a number, with no = before.
func fraction(line string, t token, end int) bool {
	if t.kind != number {
		return false
	}
	slash, ok := next(line, t.end)
	if !ok || slash.text != "/" || slash.at >= end {
		return false
	}
	below, ok := next(line, slash.end)
	return ok && below.kind == number && below.at < end
}

// endsOperand says whether an operator must follow the token.
func endsOperand(t token) bool { return t.kind == number || t.text == ")" }

// endsClause says whether the byte at i separates sentences or clauses.
func endsClause(line string, i int) bool { return strings.IndexByte(":;,.=?!\n", line[i]) >= 0 }

// isWordByte says whether c may belong to a name or a power.
func isWordByte(c byte) bool {
	return c == '^' || c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
