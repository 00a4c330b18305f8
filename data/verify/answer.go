package verify

import (
	"math/big"
	"regexp"
	"strings"
	"unicode"

	"retort/data"
)

// Kind says how final answers are compared.
type Kind string

// The kinds of answers.
const (
	KindNumber Kind = "number" // 18, $1,250.50, 3/4, 1 1/2, 25 %, 12 eggs
	KindChoice Kind = "choice" // one letter, A to J
	KindYesNo  Kind = "yesno"  // yes or no, true or false
	KindText   Kind = "text"   // anything else, compared by normalised words
)

var (
	choiceAnswer = regexp.MustCompile(`^\(?([A-Ja-j])[).:]?$`)
	choiceIn     = regexp.MustCompile(`\(([A-Ja-j])\)|\b([A-J])\b`)
	choicePrefix = regexp.MustCompile(`^\(?[A-Ja-j]\)\s*`)
	yesNoIn      = regexp.MustCompile(`(?i)\b(yes|no|true|false)\b`)
	numberIn     = regexp.MustCompile(`[-−–]?\s?[$€£]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|\d)(?:\s+\d+/\d+|/\d+)?\s?%?`)
	answerIn     = regexp.MustCompile(`(?i)(?:\banswer(?:\s+is)?\s*[:=-]*\s*|\\boxed\{|^A:\s*|\nA:\s*)`)
)

// KindOf says of which kind a known answer is, by its look.
func KindOf(gold string) Kind {
	gold = strings.TrimSpace(gold)
	if choiceAnswer.MatchString(gold) {
		return KindChoice
	}
	switch strings.ToLower(strings.TrimSuffix(gold, ".")) {
	case "yes", "no", "true", "false":
		return KindYesNo
	}
	if _, err := evaluate(gold); err == nil {
		return KindNumber
	}
	if _, ok := numberOf(gold); ok && len(strings.Fields(gold)) <= 3 {
		return KindNumber
	}
	return KindText
}

// Extract finds the final answer in a completion: behind "####", else behind the last
// "answer is", "Answer:", "A:" or \boxed{, else at the end of the text. ok is false where
// nothing of that kind stands.
func Extract(kind Kind, text string) (answer string, ok bool) {
	tail, marked := afterMark(text)
	switch kind {
	case KindNumber:
		if answer, ok := data.FinalAnswer(text); ok {
			return answer, true
		}
		if whole := strings.TrimRight(tail, " .}"); marked {
			if _, err := evaluate(whole); err == nil {
				return strings.TrimSpace(whole), true
			}
		}
		return pick(numberIn.FindAllString(tail, -1), marked)
	case KindChoice:
		return pick(choiceIn.FindAllString(tail, -1), marked)
	case KindYesNo:
		if found := yesNoIn.FindAllString(tail, -1); marked || len(found) == 0 {
			return pick(found, true)
		} else if first := strings.TrimSpace(tail); strings.HasPrefix(first, found[0]) { // "Yes, because …"
			return found[0], true
		} else {
			return pick(found, false)
		}
	}
	if !marked {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		tail = lines[len(lines)-1]
	}
	tail = strings.TrimSpace(tail)
	return tail, tail != ""
}

// afterMark is the rest of the line behind the last mark of a final answer; without one,
// the whole text.
func afterMark(text string) (tail string, marked bool) {
	if _, after, found := strings.Cut(text, "####"); found {
		tail, _, _ = strings.Cut(strings.TrimLeft(after, " \n"), "\n")
		return tail, true
	}
	marks := answerIn.FindAllStringIndex(text, -1)
	if marks == nil {
		return text, false
	}
	tail, _, _ = strings.Cut(text[marks[len(marks)-1][1]:], "\n")
	return tail, true
}

// pick takes the first or the last of what was found.
func pick(found []string, first bool) (string, bool) {
	switch {
	case len(found) == 0:
		return "", false
	case first:
		return strings.TrimSpace(found[0]), true
	}
	return strings.TrimSpace(found[len(found)-1]), true
}

// Equal says whether two final answers of a kind mean the same.
//
// Numbers: signs of currency, thousands' commas and units are set aside, fractions and
// plain sums computed. Of two numbers with two decimals or more the finer may be rounded
// to the coarser; others are equal or not. Where one alone has a percent sign, it may
// stand for the value or for a hundred times it. Choices: the letter. Yes and no: true is
// yes. Text: see Normalize.
func Equal(kind Kind, a, b string) bool {
	switch kind {
	case KindNumber:
		x, okX := numberOf(a)
		y, okY := numberOf(b)
		return okX && okY && sameNumber(x, y)
	case KindChoice:
		x, okX := letterOf(a)
		y, okY := letterOf(b)
		return okX && okY && x == y
	case KindYesNo:
		x, okX := yesOf(a)
		y, okY := yesOf(b)
		return okX && okY && x == y
	}
	return Normalize(a) == Normalize(b) && Normalize(a) != ""
}

// Key is a text that two answers share when they count as the same vote.
func Key(answer string) string {
	switch kind := KindOf(answer); kind {
	case KindNumber:
		if v, ok := numberOf(answer); ok {
			return v.RatString()
		}
	case KindChoice:
		letter, _ := letterOf(answer)
		return letter
	}
	return Normalize(answer)
}

func sameNumber(x, y value) bool {
	if x.Cmp(y.Rat) == 0 {
		return true
	}
	if x.percent != y.percent { // 25 and 25%
		hundred := big.NewRat(100, 1)
		if x.percent {
			x.Rat = new(big.Rat).Mul(x.Rat, hundred)
		} else {
			y.Rat = new(big.Rat).Mul(y.Rat, hundred)
		}
		return x.Cmp(y.Rat) == 0
	}
	if x.precision() > y.precision() {
		x, y = y, x // x is the coarser
	}
	return x.precision() >= 2 && x.precision() <= maxDigits && y.FloatString(x.decimals) == x.FloatString(x.decimals)
}

// precision is the number of decimals that a value is known to: of a fraction, any.
func (v value) precision() int {
	if v.bare || v.IsInt() {
		return v.decimals
	}
	return maxDigits + 1
}

// numberOf reads an answer's one number, with its fraction, sign and percent sign.
func numberOf(text string) (value, bool) {
	text = plainSigns.Replace(strings.TrimRight(strings.TrimSpace(text), "."))
	if v, err := evaluate(text); err == nil {
		return v, true
	}
	found := numberIn.FindAllString(text, -1)
	if len(found) != 1 {
		return value{}, false
	}
	whole, part, mixed := strings.Cut(strings.TrimSpace(found[0]), " ")
	if mixed && strings.Contains(part, "/") {
		v, err := evaluate(whole)
		f, err2 := evaluate(part)
		if err != nil || err2 != nil {
			return value{}, false
		}
		if strings.HasPrefix(whole, "-") {
			f.Rat = new(big.Rat).Neg(f.Rat)
		}
		return value{Rat: new(big.Rat).Add(v.Rat, f.Rat)}, true
	}
	at := strings.Index(text, found[0])
	if strings.HasPrefix(found[0], "-") && at > 0 && text[at-1] != ' ' { // "A-4"
		found[0] = found[0][1:]
	}
	v, err := evaluate(strings.Replace(found[0], " %", "%", 1))
	return v, err == nil
}

func letterOf(text string) (string, bool) {
	if m := choiceAnswer.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		return strings.ToUpper(m[1]), true
	}
	m := choiceIn.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return strings.ToUpper(m[1] + m[2]), true
}

func yesOf(text string) (yes, ok bool) {
	switch strings.ToLower(yesNoIn.FindString(text)) {
	case "yes", "true":
		return true, true
	case "no", "false":
		return false, true
	}
	return false, false
}

// Normalize is a free text as it is compared: lower case, letters and digits alone, no
// articles, no letter of a choice in front.
func Normalize(text string) string {
	text = choicePrefix.ReplaceAllString(strings.TrimSpace(text), "")
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	kept := words[:0]
	for _, w := range words {
		if w != "a" && w != "an" && w != "the" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}
