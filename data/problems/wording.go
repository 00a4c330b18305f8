package problems

import (
	"fmt"
	"strings"
)

// wording is one way to say a statement: its sentence and, in banks of events,
// the same event as a gerund phrase ("buying 3 more apples").
type wording struct {
	text, gerund string
	class        string // items it suits: "edible", "thing", or "" for all
}

// bank holds all wordings of one kind of statement.
type bank struct {
	name     string
	wordings []wording
	byClass  map[string][]wording
}

// banks lists every bank, for the tests that count wordings and read them.
var banks []*bank

// newBank expands entries into wordings. An entry is a sentence, in banks of
// events followed by "=>" and its gerund phrase. "[a|b|c]" stands for three
// wordings; all brackets of one entry have equally many alternatives and change
// together, so that "[buys|finds] => [buying|finding]" agrees. A leading
// "edible:" or "thing:" keeps the entry to such items. "{name}" is a slot.
func newBank(name string, entries ...string) *bank {
	b := &bank{name: name, byClass: map[string][]wording{}}
	for _, entry := range entries {
		class := ""
		for _, c := range classes {
			if rest, ok := strings.CutPrefix(entry, c+": "); ok {
				class, entry = c, rest
			}
		}
		for _, variant := range expand(entry) {
			text, gerund, _ := strings.Cut(variant, " => ")
			b.wordings = append(b.wordings, wording{text, gerund, class})
			for _, c := range classes {
				if class == "" || class == c {
					b.byClass[c] = append(b.byClass[c], b.wordings[len(b.wordings)-1])
				}
			}
		}
	}
	banks = append(banks, b)
	return b
}

// expand writes out the bracketed alternatives of an entry.
func expand(entry string) []string {
	first, rest, found := strings.Cut(entry, "[")
	if !found {
		return []string{entry}
	}
	inside, _, _ := strings.Cut(rest, "]")
	out := make([]string, strings.Count(inside, "|")+1)
	for i := range out {
		out[i] = first
	}
	for found {
		inside, rest, _ = strings.Cut(rest, "]")
		choices := strings.Split(inside, "|")
		if len(choices) != len(out) {
			panic(fmt.Sprintf("problems: brackets of different sizes in the wording %q", entry))
		}
		var plain string
		plain, rest, found = strings.Cut(rest, "[")
		for i := range out {
			out[i] += choices[i] + plain
		}
	}
	return out
}

// classes are those of items that a wording may be kept to.
var classes = []string{"edible", "thing"}

// of lists the wordings that suit a class of items; all of them for "".
func (b *bank) of(class string) []wording {
	if class == "" {
		return b.wordings
	}
	return b.byClass[class]
}

// vars gives the slots of a wording their values: named ones, those of the
// person it is about, and those of an amount of a thing. Building it is cheap,
// since most stories are drawn for another split and never written out.
type vars struct {
	pairs  []string // name, value, name, value, …; the last of a name counts
	who    person
	thing  noun
	amount int
}

// slots makes vars of named values.
func slots(pairs ...string) vars { return vars{pairs: pairs} }

// with adds named values.
func (v vars) with(pairs ...string) vars {
	v.pairs = append(v.pairs[:len(v.pairs):len(v.pairs)], pairs...)
	return v
}

// of adds the slots of k of a thing; see noun.slot.
func (v vars) of(thing noun, k int) vars {
	v.thing, v.amount = thing, k
	return v
}

// value finds the value of a slot.
func (v vars) value(slot string) (string, bool) {
	for i := len(v.pairs) - 2; i >= 0; i -= 2 {
		if v.pairs[i] == slot {
			return v.pairs[i+1], true
		}
	}
	if value, ok := v.who.slot(slot); ok {
		return value, true
	}
	return v.thing.slot(slot, v.amount)
}

// fill replaces the slots of a wording; the phrase in {after} has slots of its
// own. A slot without a value is a broken invariant and panics; slots of
// equations, "{=…}", are left for later.
func (v vars) fill(text string) string {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(text, "{")
		b.WriteString(plain)
		if !found {
			return b.String()
		}
		slot, after, _ := strings.Cut(rest, "}")
		value, ok := v.value(slot)
		switch {
		case strings.HasPrefix(slot, "="):
			value = "{" + slot + "}"
		case !ok:
			panic(fmt.Sprintf("problems: the wording %q has no value for {%s}", text, slot))
		case slot == "after":
			value = v.fill(value)
		}
		b.WriteString(value)
		text = after
	}
}

// capital writes the first letter in upper case.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
