package problems

import (
	"fmt"
	"strconv"
	"strings"
)

// noun is a countable thing in its two numbers.
type noun struct{ one, many string }

// count writes a number with its noun: "1 apple", "3 apples".
func (n noun) count(k int) string { return strconv.Itoa(k) + " " + n.form(k) }

// form is the noun as it stands after the number k.
func (n noun) form(k int) string {
	if k == 1 {
		return n.one
	}
	return n.many
}

// slot gives the slots of k of a noun: {k}, {k n}, {k more}, {k fewer}, {k are},
// {n} and {n1}.
func (n noun) slot(slot string, k int) (string, bool) {
	switch slot {
	case "k":
		return strconv.Itoa(k), true
	case "k n":
		return n.count(k), true
	case "k more":
		return strconv.Itoa(k) + " more " + n.form(k), true
	case "k fewer":
		return strconv.Itoa(k) + " fewer " + n.form(k), true
	case "k are":
		if k == 1 {
			return n.count(k) + " is", true
		}
		return n.count(k) + " are", true
	case "n":
		return n.many, n.many != ""
	case "n1":
		return n.one, n.one != ""
	}
	return "", false
}

// parseNouns reads "apple apples, box boxes"; an underscore stands for a blank.
func parseNouns(list string) []noun {
	var out []noun
	for pair := range strings.SplitSeq(list, ", ") {
		one, many, _ := strings.Cut(pair, " ")
		out = append(out, noun{strings.ReplaceAll(one, "_", " "), strings.ReplaceAll(many, "_", " ")})
	}
	return out
}

// person is somebody a story is about.
type person struct {
	name string
	she  bool
}

// slots makes vars about the person.
func (p person) slots() vars { return vars{who: p} }

// slot gives the slots of the person a sentence is about: name, possessive, and
// the pronouns that refer back to it.
func (p person) slot(slot string) (string, bool) {
	pronoun := func(he, she string) (string, bool) {
		if p.she {
			return she, p.name != ""
		}
		return he, p.name != ""
	}
	switch slot {
	case "A":
		return p.name, p.name != ""
	case "P":
		return p.name + "'s", p.name != ""
	case "he":
		return pronoun("he", "she")
	case "him":
		return pronoun("him", "her")
	case "his":
		return pronoun("his", "her")
	case "himself":
		return pronoun("himself", "herself")
	}
	return "", false
}

// people are the names of stories, alternating between he and she. No name is
// the beginning of another one or ends in s.
var people = parsePeople("Tom Anna Ben Mia Sam Lucy Jack Emma Leo Nora Max Ella Owen Clara Noah Ruby Adam Zoe Eric Lily " +
	"Hugo Sara Omar Grace Paul Maria Felix Julia Kevin Amy Peter Alice Daniel Rosa David Helen Simon Laura Victor Megan")

// elders are people who hand things out.
var elders = parsePeople("Mr._Green Mrs._Green Mr._Young Mrs._Young Mr._Baker Mrs._Baker Mr._Lopez Mrs._Lopez Mr._Khan Mrs._Khan Mr._Stone Mrs._Stone")

func parsePeople(list string) []person {
	var out []person
	for i, name := range strings.Fields(list) {
		out = append(out, person{strings.ReplaceAll(name, "_", " "), i%2 == 1})
	}
	return out
}

// relatives stand in for {rel}.
var relatives = strings.Fields("aunt uncle brother sister cousin grandmother grandfather mother father friend neighbor teacher")

// weekdays are told in this order.
var weekdays = strings.Fields("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

// times writes a factor before "as many": twice, three times, 4 times.
func times(k int) string {
	switch k {
	case 2:
		return "twice"
	case 3:
		return "three times"
	}
	return fmt.Sprintf("%d times", k)
}

// among is the preposition before k people who share.
func among(k int) string {
	if k == 2 {
		return "between"
	}
	return "among"
}

// fraction writes one k-th: half, a third, one fifth.
func fraction(k int) string {
	return [...]string{"", "", "half", "a third", "a quarter", "one fifth", "one sixth", "one seventh", "one eighth", "one ninth", "one tenth"}[k]
}
