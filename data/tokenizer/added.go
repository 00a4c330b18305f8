package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is recognised in the text before the model sees it.
type addedToken struct {
	ID         int32  `json:"-"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no word character touches it
	LStrip     bool   `json:"lstrip"`      // swallows the white space before it
	RStrip     bool   `json:"rstrip"`      // swallows the white space after it
	Normalized bool   `json:"normalized"`  // looked for in the normalized text
	Special    bool   `json:"special"`
}

// addedSet finds added tokens in text: at each place the longest that begins there, by a trie over bytes.
type addedSet struct {
	first    [256]bool        // the bytes that some token begins with
	children map[uint64]int32 // node<<8 | byte to node; the root is node 0
	ends     []*addedToken    // by node: the token that ends there, or nil
}

func newAddedSet() *addedSet {
	return &addedSet{children: map[uint64]int32{}, ends: make([]*addedToken, 1)}
}

// insert adds a token under the spelling to look for; of two with one spelling the first stays.
func (s *addedSet) insert(spelling string, token *addedToken) {
	if spelling == "" {
		return
	}
	s.first[spelling[0]] = true
	node := int32(0)
	for i := range len(spelling) {
		edge := uint64(node)<<8 | uint64(spelling[i])
		next, ok := s.children[edge]
		if !ok {
			next = int32(len(s.ends))
			s.children[edge] = next
			s.ends = append(s.ends, nil)
		}
		node = next
	}
	if s.ends[node] == nil {
		s.ends[node] = token
	}
}

// find returns the first token in text at or after from, with its start and end; nil when there is none.
func (s *addedSet) find(text string, from int) (token *addedToken, start, stop int) {
	for start = from; start < len(text); start++ {
		if !s.first[text[start]] {
			continue
		}
		node := int32(0)
		for i := start; i < len(text); i++ {
			next, ok := s.children[uint64(node)<<8|uint64(text[i])]
			if !ok {
				break
			}
			if node = next; s.ends[node] != nil {
				token, stop = s.ends[node], i+1
			}
		}
		if token != nil {
			return token, start, stop
		}
	}
	return nil, 0, 0
}

// cut hands out text from left to right: the parts between added tokens to ordinary, the tokens to found. No part is
// empty. White space that a token swallows belongs to it; the search goes on behind the token as it is spelled, so
// a token that is itself white space can be found in what the one before it swallowed. The reference does that.
func (s *addedSet) cut(text string, ordinary func(part string), found func(id int32)) {
	done := 0
	for at := 0; len(s.ends) > 1; {
		token, start, stop := s.find(text, at)
		if token == nil {
			break
		}
		at = stop
		if token.SingleWord && (endsWithWord(text[:start]) || startsWithWord(text[stop:])) {
			continue
		}
		if token.LStrip {
			start = max(done, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
		}
		if token.RStrip {
			stop = len(text) - len(strings.TrimLeftFunc(text[stop:], unicode.IsSpace))
		}
		if done < start {
			ordinary(text[done:start])
		}
		found(token.ID)
		done = stop
	}
	if done < len(text) {
		ordinary(text[done:])
	}
}

func endsWithWord(text string) bool {
	r, size := utf8.DecodeLastRuneInString(text)
	return size > 0 && isWord(r)
}

func startsWithWord(text string) bool {
	r, size := utf8.DecodeRuneInString(text)
	return size > 0 && isWord(r)
}
