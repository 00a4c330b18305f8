package verify

import (
	"errors"
	"math/big"
	"strings"
)

// value is what an expression comes to, exactly.
type value struct {
	*big.Rat
	percent  bool // a bare "25%": Rat is 1/4
	decimals int  // digits behind the point of a bare number; 0 for whole numbers and sums
	bare     bool // one number, without operator or brackets
	computed bool // there is an operator in it
}

// errNoExpression is returned for text that is no arithmetic, or that can be read in two
// ways, as 1 1/2 can; errZero for a division by zero.
var (
	errNoExpression = errors.New("no arithmetic expression")
	errZero         = errors.New("division by zero")
)

// Limits that keep untrusted text from costing time.
const (
	maxTokens = 100
	maxDigits = 30
)

// kind of a token.
type kind byte

const (
	number kind = 'n'
	symbol kind = 's' // one of + - * / ( )
	gap    kind = 'g' // anything that ends an expression
)

// token is one piece of arithmetic in a text.
type token struct {
	kind  kind
	text  string // of a symbol; the digits of a number, without commas
	at    int    // first byte
	end   int    // byte behind
	value value
}

// plainSigns are the signs that people write for * / and -.
var plainSigns = strings.NewReplacer("×", "*", "÷", "/", "−", "-", "–", "-", "·", "*", "⋅", "*", "\u00a0", " ", "\\times", "*", "\\div", "/")

// currency signs stand in front of numbers and mean nothing here.
const currency = "$€£"

// next reads the token at or behind byte i of text; ok is false at its end.
func next(text string, i int) (t token, ok bool) {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '$') {
		i++
	}
	for _, sign := range []string{"€", "£"} {
		if strings.HasPrefix(text[min(i, len(text)):], sign) {
			return next(text, i+len(sign))
		}
	}
	if i >= len(text) {
		return token{}, false
	}
	switch c := text[i]; {
	case isDigit(c), c == '.' && i+1 < len(text) && isDigit(text[i+1]):
		return numberAt(text, i), true
	case strings.IndexByte("+-*/()", c) >= 0:
		return token{kind: symbol, text: text[i : i+1], at: i, end: i + 1}, true
	case (c == 'x' || c == 'X') && timesAt(text, i):
		return token{kind: symbol, text: "*", at: i, end: i + 1}, true
	}
	return token{kind: gap, at: i, end: i + 1}, true
}

// timesAt says whether the x at byte i stands for a multiplication: a number or bracket
// before it and a number behind it.
func timesAt(text string, i int) bool {
	before, after := strings.TrimRight(text[:i], " "), strings.TrimLeft(text[i+1:], " "+currency)
	return before != "" && after != "" && strings.IndexByte("0123456789)%", before[len(before)-1]) >= 0 && strings.IndexByte("0123456789(.", after[0]) >= 0
}

// numberAt reads a number with thousands' commas, decimals and a percent sign.
func numberAt(text string, i int) token {
	t := token{kind: number, at: i}
	end := i
	for end < len(text) {
		switch {
		case isDigit(text[end]):
			end++
			continue
		case text[end] == ',' && threeDigits(text, end+1) && end-i <= 3 || text[end] == ',' && threeDigits(text, end+1) && strings.Contains(text[i:end], ","):
			end += 4
			continue
		}
		break
	}
	digits := strings.ReplaceAll(text[i:end], ",", "")
	if end+1 < len(text) && text[end] == '.' && isDigit(text[end+1]) {
		from := end
		for end++; end < len(text) && isDigit(text[end]); {
			end++
		}
		digits += text[from:end]
		t.value.decimals = end - from - 1
	}
	t.text, t.end, t.value.bare = digits, end, true
	if len(digits) > maxDigits {
		t.kind = gap
		return t
	}
	t.value.Rat, _ = new(big.Rat).SetString("0" + digits)
	if end < len(text) && text[end] == '%' {
		t.end++
		t.value.percent = true
		t.value.Rat.Quo(t.value.Rat, big.NewRat(100, 1))
	}
	return t
}

// threeDigits says whether exactly three digits stand at byte i.
func threeDigits(text string, i int) bool {
	return i+3 <= len(text) && isDigit(text[i]) && isDigit(text[i+1]) && isDigit(text[i+2]) && (i+3 == len(text) || !isDigit(text[i+3]))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// evaluate computes a whole text that is one expression.
func evaluate(text string) (value, error) {
	text = plainSigns.Replace(text)
	var tokens []token
	for i := 0; ; {
		t, ok := next(text, i)
		if !ok {
			return compute(tokens)
		}
		if t.kind == gap || len(tokens) == maxTokens {
			return value{}, errNoExpression
		}
		tokens, i = append(tokens, t), t.end
	}
}

// compute evaluates tokens without gaps.
func compute(tokens []token) (value, error) {
	if len(tokens) == 0 {
		return value{}, errNoExpression
	}
	p := parser{tokens: tokens}
	v, err := p.sum()
	if err == nil && len(p.tokens) > 0 {
		err = errNoExpression
	}
	return v, err
}

// parser computes while it parses: sum = product {(+|-) product}, product = factor {(*|/)
// factor}, factor = [-] (number | "(" sum ")").
type parser struct{ tokens []token }

// take removes the next token when it is one of the symbols.
func (p *parser) take(symbols string) (text string, ok bool) {
	if len(p.tokens) == 0 || p.tokens[0].kind != symbol || !strings.Contains(symbols, p.tokens[0].text) {
		return "", false
	}
	text, p.tokens = p.tokens[0].text, p.tokens[1:]
	return text, true
}

func (p *parser) sum() (value, error) {
	left, err := p.product()
	for err == nil {
		op, ok := p.take("+-")
		if !ok {
			break
		}
		var right value
		if right, err = p.product(); err != nil {
			break
		}
		if left.percent != right.percent { // 20 + 10%: of what?
			return value{}, errNoExpression
		}
		out := value{Rat: new(big.Rat), percent: left.percent, computed: true}
		if op == "+" {
			out.Add(left.Rat, right.Rat)
		} else {
			out.Sub(left.Rat, right.Rat)
		}
		left = out
	}
	return left, err
}

func (p *parser) product() (value, error) {
	left, err := p.factor()
	for err == nil {
		op, ok := p.take("*/")
		if !ok {
			break
		}
		var right value
		if right, err = p.factor(); err != nil {
			break
		}
		out := value{Rat: new(big.Rat), computed: true}
		switch {
		case op == "*":
			out.Mul(left.Rat, right.Rat)
		case right.Sign() == 0:
			return value{}, errZero
		default:
			out.Quo(left.Rat, right.Rat)
		}
		left = out
	}
	return left, err
}

func (p *parser) factor() (value, error) {
	if sign, ok := p.take("-+"); ok {
		v, err := p.factor()
		if err == nil && sign == "-" {
			v.Rat = new(big.Rat).Neg(v.Rat)
		}
		return v, err
	}
	if _, ok := p.take("("); ok {
		v, err := p.sum()
		if _, closed := p.take(")"); err == nil && !closed {
			err = errNoExpression
		}
		v.bare = false
		return v, err
	}
	if len(p.tokens) == 0 || p.tokens[0].kind != number {
		return value{}, errNoExpression
	}
	v := p.tokens[0].value
	p.tokens = p.tokens[1:]
	return v, nil
}
