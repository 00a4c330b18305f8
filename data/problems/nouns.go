package problems

import (
	"fmt"
	"strings"
)

// noun is a countable thing in its two numbers.
type noun struct{ one, many string }

// count writes a number with its noun: "1 apple", "3 apples".
func (n noun) count(k int) string { return fmt.Sprintf("%d %s", k, n.form(k)) }

// form is the noun as it stands after the number k.
func (n noun) form(k int) string {
	if k == 1 {
		return n.one
	}
	return n.many
}

// amounts gives the slots for k of a noun: {k}, {k n}, {k more}, {k fewer},
// {k are}, {k were}, {n}, {n1}.
func (n noun) amounts(k int) vars {
	are, were := " are", " were"
	if k == 1 {
		are, were = " is", " was"
	}
	return vars{
		"k": fmt.Sprint(k), "k n": n.count(k), "n": n.many, "n1": n.one,
		"k more": fmt.Sprintf("%d more %s", k, n.form(k)), "k fewer": fmt.Sprintf("%d fewer %s", k, n.form(k)),
		"k are": n.count(k) + are, "k were": n.count(k) + were,
	}
}

// withAmounts adds the slots of k of a thing.
func withAmounts(v vars, thing noun, k int) vars {
	v = v.with()
	for slot, x := range thing.amounts(k) {
		v[slot] = x
	}
	return v
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

// slots gives the slots of the person a sentence is about: name, possessive,
// and the pronouns that refer back to it.
func (p person) slots() vars {
	v := vars{"A": p.name, "P": p.name + "'s", "he": "he", "him": "him", "his": "his", "himself": "himself"}
	if p.she {
		v["he"], v["him"], v["his"], v["himself"] = "she", "her", "her", "herself"
	}
	return v
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
