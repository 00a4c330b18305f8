package verify

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKindsAreSeenInTheKnownAnswer(t *testing.T) {
	for gold, want := range map[string]Kind{
		"18": KindNumber, "$1,250.50": KindNumber, "3/4": KindNumber, "1 1/2": KindNumber, "25%": KindNumber, "12 eggs": KindNumber, "-3": KindNumber, "( 84.0 / 2.0 )": KindNumber,
		"A": KindChoice, "(c)": KindChoice, "b.": KindChoice, "yes": KindYesNo, "False": KindYesNo, "wooded area": KindText, "": KindText, "5 of the 7 dwarfs came": KindText,
	} {
		require.Equal(t, want, KindOf(gold), gold)
	}
}

func TestAnswersAreEqualByTheirKind(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		a, b  string
		equal bool
	}{
		{KindNumber, "18", "18.0", true}, {KindNumber, "$1,250.50", "1250.5", true}, {KindNumber, "18 dollars", "18", true}, {KindNumber, "18.", "18", true},
		{KindNumber, "3/4", "0.75", true}, {KindNumber, "1 1/2", "1.5", true}, {KindNumber, "-1 1/2", "-1.5", true}, {KindNumber, "25%", "25", true}, {KindNumber, "25 %", "0.25", true},
		{KindNumber, "(84 / 2)", "( 84.0 / 2.0 )", true}, {KindNumber, "3.33", "3.333", true}, {KindNumber, "10/3", "3.33", true}, {KindNumber, "0.5", "0.05", false},
		{KindNumber, "3.3", "3.33", false}, {KindNumber, "18", "19", false}, {KindNumber, "18", "18.4", false}, {KindNumber, "-18", "18", false}, {KindNumber, "1,8", "18", false},
		{KindNumber, "none", "18", false}, {KindNumber, "5 hours 30 minutes", "5", false}, {KindNumber, "", "", false}, {KindNumber, "1/0", "1", false}, {KindNumber, "25%", "26", false},
		{KindNumber, "1.00", "1", true}, {KindNumber, "1.004", "1", false},
		{KindChoice, "(c)", "C", true}, {KindChoice, "c) wooded area", "C", false}, {KindChoice, "(c) wooded area", "C", true}, {KindChoice, "B", "C", false}, {KindChoice, "", "", false},
		{KindYesNo, "Yes.", "true", true}, {KindYesNo, "no", "False", true}, {KindYesNo, "yes", "no", false}, {KindYesNo, "perhaps", "no", false},
		{KindText, "The wooded area.", "wooded area", true}, {KindText, "(c) wooded-area", "wooded area", true}, {KindText, "wood", "wooded area", false}, {KindText, "", "the", false},
	} {
		require.Equal(t, c.equal, Equal(c.kind, c.a, c.b), "%s: %q and %q", c.kind, c.a, c.b)
		require.Equal(t, c.equal, Equal(c.kind, c.b, c.a), "%s: %q and %q", c.kind, c.b, c.a)
	}
}

func TestFinalAnswersAreFound(t *testing.T) {
	for _, c := range []struct {
		kind       Kind
		text, want string
	}{
		{KindNumber, "2+3=5\n#### 1,005", "1005"}, {KindNumber, "So the answer is $18.", "$18"}, {KindNumber, "The answer is (84 / 2).", "(84 / 2)"},
		{KindNumber, `thus \boxed{42} holds for 7`, "42"}, {KindNumber, "first 5, then 7 eggs", "7"}, {KindNumber, "A: 26", "26"}, {KindNumber, "no idea", ""}, {KindNumber, "Final Answer: 3.5 hours", "3.5"},
		{KindChoice, "So the answer is (e) house.", "(e)"}, {KindChoice, "Correct answer - A", "A"}, {KindChoice, "I take B", "B"}, {KindChoice, "who knows", ""},
		{KindYesNo, "Yes, because no dog flies.", "Yes"}, {KindYesNo, "Dogs fly? So the answer is no.", "no"}, {KindYesNo, "It is true", "true"}, {KindYesNo, "perhaps", ""},
		{KindText, "So the answer is (c) wooded area.\n\nQ: What?", "(c) wooded area."}, {KindText, "one\nParis", "Paris"}, {KindText, " ", ""},
	} {
		got, ok := Extract(c.kind, c.text)
		require.Equal(t, c.want, got, c.text)
		require.Equal(t, c.want != "", ok, c.text)
	}
}

func TestEqualAnswersShareAKey(t *testing.T) {
	require.Equal(t, Key("18"), Key("$18.00"))
	require.Equal(t, Key("(c)"), Key("C"))
	require.Equal(t, Key("The Moon"), Key("moon."))
	require.NotEqual(t, Key("18"), Key("19"))
}

func FuzzAnswers(f *testing.F) {
	f.Add("#### 5", "1 1/2 %")
	f.Add("the answer is ((", "−$.5")
	f.Fuzz(func(t *testing.T, text, gold string) {
		kind := KindOf(gold)
		answer, _ := Extract(kind, text)
		require.Equal(t, Equal(kind, answer, gold), Equal(kind, gold, answer))
		Key(answer)
	})
}
