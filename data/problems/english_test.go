package problems

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// badEnglish are patterns that no text may contain.
var badEnglish = map[string]*regexp.Regexp{
	"two blanks":                  regexp.MustCompile(`  | [.,;:?]|^ | $`),
	"singular with a plural":      regexp.MustCompile(`\b1 (more |fewer |loose )?(\w+ )?(apples|cookies|peaches|muffins|plums|oranges|marbles|stickers|coins|stamps|beads|cards|tickets|pages|books|friends|years|hours|days|times|boxes|shelves|degrees|windows|trees|chapters|minutes)\b`),
	"plural with a singular":      regexp.MustCompile(`\b([2-9]|\d\d+) (more |fewer )?(apple|cookie|peach|muffin|plum|orange|marble|sticker|coin|stamp|bead|card|ticket|page|book|friend|year|hour|day|box|shelf)\b`),
	"is and are":                  regexp.MustCompile(`\b1 (\w+ )?\w+ are\b|\b([2-9]|\d\d+) \w+s is\b|\bThere are 1 `),
	"an unfilled slot":            regexp.MustCompile(`[{}\[\]|]`),
	"a repeated word":             regexp.MustCompile(`(?i)\b(a a|the the|to to|of of|in in|has has|and and|more more|he he|she she)\b`),
	"a small start of a sentence": regexp.MustCompile(`[.?] [a-z]`),
	"a lonely possessive":         regexp.MustCompile(`s's\b| 's`),
	"a negative number":           regexp.MustCompile(`(^|[ $])-\d`),
	"an article before a vowel":   regexp.MustCompile(`\b[Aa] [aeiou]\w+`),
	"a name as pronoun":           regexp.MustCompile(`\b(Then|Later) (He|She)\b`),
}

func TestTextsReadAsEnglish(t *testing.T) {
	for _, c := range []Config{broad(Train), Demo()} {
		for _, p := range rangeOf(generator(t, c), 0, 700) {
			texts := append([]string{p.Question}, p.Steps...)
			for _, q := range p.Subquestions {
				texts = append(texts, q.Question)
			}
			for _, text := range texts {
				plain := strings.ReplaceAll(strings.ReplaceAll(text, "Mr.", "Mr"), "Mrs.", "Mrs")
				for what, pattern := range badEnglish {
					require.False(t, pattern.MatchString(plain), "%s (%q): %s", what, pattern.FindString(plain), text)
				}
			}
			require.True(t, strings.HasSuffix(p.Question, "?") || strings.HasSuffix(p.Question, "."), p.Question)
			for _, q := range p.Subquestions {
				require.NotEmpty(t, q.Answer)
				require.Regexp(t, `[.?]$`, q.Question)
			}
		}
	}
}

func TestEveryStatementHasADozenWordings(t *testing.T) {
	for _, b := range banks {
		if strings.HasPrefix(b.name, "terse") {
			continue // few on purpose: the demo's student has seconds to learn them
		}
		seen := map[string]bool{}
		for _, w := range b.wordings {
			require.False(t, seen[w.text], "%s: %q twice", b.name, w.text)
			seen[w.text] = true
		}
		for _, class := range []string{"edible", "thing"} {
			require.GreaterOrEqual(t, len(b.of(class)), 12, "%s for %s", b.name, class)
		}
	}
}

func TestEveryWordingIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, p := range rangeOf(generator(t, broad(Train)), 0, 4000) {
		for _, w := range strings.Fields(p.Question) {
			used[strings.Trim(w, ".,?;:$")] = true
		}
	}
	for _, b := range banks {
		if strings.HasPrefix(b.name, "terse") {
			continue
		}
		for _, w := range b.wordings {
			for _, word := range strings.Fields(regexp.MustCompile(`\$?\{[^}]*\}`).ReplaceAllString(w.text, " ")) {
				if word = strings.Trim(word, ".,?;:$"); word == "" || word == "'s" {
					continue
				}
				require.True(t, used[word] || used[capital(word)], "%s: nothing says %q of %q", b.name, word, w.text)
			}
		}
	}
}

func TestLimitedWordingsAndNames(t *testing.T) {
	c := Default()
	c.Wordings, c.Names, c.Distractors, c.KindWeights = 1, 4, 0, map[string]float64{"collection": 1}
	firsts := map[string]bool{}
	for _, p := range rangeOf(generator(t, c), 0, 300) {
		firsts[strings.Fields(p.Question)[0]] = true
	}
	require.Len(t, firsts, 4, "%v", firsts)
}
