// Package verify says whether a teacher's answer can be trusted: its final answer against
// the known one, every equation of its text computed again, steps, length, language and
// how it ended; and, over several samples of one question, which of them to keep.
//
// It owns the rules and their reasons, one text each, under which callers count and list
// what they refuse. It imports package data alone; the engine and the methods call it.
package verify
