// Package data holds what the program learns from, as text and as tokens: the
// records (Message, Pair, Row), the reader of row files, the encoding of a row
// into token ids with a weight for every token, and the packing of documents
// into fixed token budgets.
//
// It owns the formats of CONVENTIONS.md and the rule that no row is trained on
// in silence: a row that cannot be used is refused with a reason and counted in
// Rejects. It knows neither tokenizers nor templates, only the interface Codec
// that a student's text side fulfils; it imports nothing of ours outside data. The engine
// and the command line call it.
//
// Export writes rows in any of the formats again.
//
// A row's way: ReadRows (rows.go, formats.go) → EncodeAll (encode.go,
// template.go) → Pack (pack.go).
package data
