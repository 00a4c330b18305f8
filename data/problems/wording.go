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
}

// banks lists every bank, for the tests that count wordings and read them.
var banks []*bank

// newBank expands entries into wordings. An entry is a sentence, in banks of
// events followed by "=>" and its gerund phrase. "[a|b|c]" stands for three
// wordings; all brackets of one entry have equally many alternatives and change
// together, so that "[buys|finds] => [buying|finding]" agrees. A leading
// "edible:" or "thing:" keeps the entry to such items. "{name}" is a slot.
func newBank(name string, entries ...string) *bank {
	b := &bank{name: name}
	for _, entry := range entries {
		class := ""
		for _, c := range []string{"edible", "thing"} {
			if rest, ok := strings.CutPrefix(entry, c+": "); ok {
				class, entry = c, rest
			}
		}
		for _, variant := range expand(entry) {
			text, gerund, _ := strings.Cut(variant, " => ")
			b.wordings = append(b.wordings, wording{text, gerund, class})
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

// of is the bank without the wordings that do not suit the class.
func (b *bank) of(class string) []wording {
	var out []wording
	for _, w := range b.wordings {
		if w.class == "" || w.class == class {
			out = append(out, w)
		}
	}
	return out
}

// vars fills the slots of wordings.
type vars map[string]string

// with returns a copy with further slots, given as name, value, name, value, …
func (v vars) with(pairs ...string) vars {
	out := make(vars, len(v)+len(pairs)/2)
	for k, x := range v {
		out[k] = x
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// fill replaces the slots of a wording. A slot without a value is a broken
// invariant and panics; slots of equations, "{=…}", are left for later.
func (v vars) fill(text string) string {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(text, "{")
		b.WriteString(plain)
		if !found {
			return b.String()
		}
		slot, after, _ := strings.Cut(rest, "}")
		value, ok := v[slot]
		switch {
		case strings.HasPrefix(slot, "="):
			value = "{" + slot + "}"
		case !ok:
			panic(fmt.Sprintf("problems: the wording %q has no value for {%s}", text, slot))
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
