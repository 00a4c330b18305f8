package problems

import (
	"fmt"
	"slices"
	"strings"
)

// distractors are statements that the answer never needs. The gerund part is
// the useless sub-question that asks for it. {A} is somebody new to the story.
var distractors = newBank("distractor",
	"{P} [brother|sister|cousin] is {k} years old. => How old is {P} [brother|sister|cousin]?",
	"{A}, who lives next door, has {k o}. => How many {o} does {A} have?",
	"{A} [has|owns|keeps] {k o} at home. => How many {o} does {A} [have|own|keep] at home?",
	"The [school|library|museum] is {k} kilometers away. => How far away is the [school|library|museum]?",
	"The [street|park|hotel] has {k} trees in front of it. => How many trees are in front of the [street|park|hotel]?",
	"It is {k} degrees outside. => How warm is it outside?",
	"The bus ride into town takes {k} minutes. => How long does the bus ride take?",
	"{P} [house|school|office] has {k} windows. => How many windows does {P} [house|school|office] have?",
	"A friend named {A} is {k} years old. => How old is {A}?",
	"There are {k} chairs in the room. => How many chairs are in the room?",
	"{A} lives at number {k} on the same street. => At which number does {A} live?",
	"{P} favorite book has {k} chapters. => How many chapters does {P} favorite book have?",
	"On the way home, {A} counts {k} red cars. => How many red cars does {A} count?",
	"{A} has read {k} books this year. => How many books has {A} read this year?",
)

// distractorThings are what bystanders own; a story about the same thing skips
// the statement.
var distractorThings = parseNouns("pet_fish pet_fish, comic_book comic_books, toy_car toy_cars, hat hats, puzzle puzzles, kite kites, model_plane model_planes")

// unanswerable are useless sub-questions of stories without a distractor.
var unanswerable = []string{
	"What day of the week is it?", "What is the weather like?", "What color is the house?", "How far is it to the nearest town?",
	"What time is it?", "How long is the street?", "Who told the story?", "What is the name of the town?",
	"How many people live in the town?", "How tall is the tallest person?", "What did they eat for lunch?", "Which month is it?",
}

// distractorCount draws how many distractors the story gets.
func (s *story) distractorCount() int {
	whole := int(s.c.Distractors)
	if s.chance(s.c.Distractors - float64(whole)) {
		whole++
	}
	return whole
}

// bystander is a distractor: a statement with one number that the answer does
// not need, and the useless sub-question that asks for something it tells.
type bystander struct {
	told   statement
	value  int // the number it states
	ask    phrase
	answer int
}

// distract inserts one distractor somewhere after the first statement: half of
// the time one of the story's own, if it has any.
func (s *story) distract(list []statement) []statement {
	var d bystander
	if last := len(s.near) - 1; last >= 0 && s.chance(0.5) {
		d, s.near = s.near[last], s.near[:last]
	} else {
		d = s.stranger(list)
	}
	s.given("distractor", d.value)
	s.useless = append(s.useless, d)
	places := []int{len(list)} // not inside a block
	for at := 1; at < len(list); at++ {
		if list[at].fixed || list[at].block != list[at-1].block {
			places = append(places, at)
		}
	}
	at := pick(s, places)
	return slices.Insert(slices.Clone(list), at, d.told)
}

// stranger draws a distractor that has nothing to do with the story.
func (s *story) stranger(list []statement) bystander {
	w := s.wording(distractors, "")
	for tries := 0; tries < 20 && s.clashes(w.text, list); tries++ {
		w = s.wording(distractors, "")
	}
	k, thing := s.between(3, 14), pick(s, distractorThings)
	v := s.person().slots().with("k", fmt.Sprint(k), "k o", thing.count(k), "o", thing.many)
	return bystander{statement{text: w.text, vars: v, block: -1}, k, phrase{w.gerund, v}, k}
}

// bystander keeps a distractor of the story's own for distract.
func (s *story) bystander(b *bank, v vars, value int, ask string, answer int) {
	if s.c.Distractors > 0 {
		w := s.wording(b, "")
		s.near = append(s.near, bystander{statement{text: w.text, vars: v, block: -1}, value, phrase{ask, v}, answer})
	}
}

// clashes says whether a distractor was told already or could be taken for a
// part of the story.
func (s *story) clashes(text string, list []statement) bool {
	if s.topic != "" && strings.Contains(text, s.topic) {
		return true
	}
	for _, st := range list {
		if st.text == text {
			return true
		}
	}
	return false
}
