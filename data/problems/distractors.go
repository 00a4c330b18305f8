package problems

import "strings"

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

// distract inserts one distractor somewhere after the first statement.
func (s *story) distract(list []statement) []statement {
	w := s.wording(distractors, "")
	for tries := 0; tries < 20 && s.clashes(w.text, list); tries++ {
		w = s.wording(distractors, "")
	}
	who := s.person()
	k := s.between(3, 14)
	thing := pick(s, distractorThings)
	v := who.slots().with("k", noun{}.amounts(k)["k"], "k o", thing.count(k), "o", thing.many)
	s.given("distractor", k)
	s.useless = append(s.useless, statement{text: w.gerund, vars: v})
	at := s.between(1, len(list))
	out := append([]statement{}, list[:at]...)
	return append(append(out, statement{text: w.text, vars: v}), list[at:]...)
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
