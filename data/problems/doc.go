// Package problems is the built-in generator of arithmetic word problems with
// stepwise solutions: a teacher that needs no network, writes any amount, and
// whose every number is known to be right or known to be wrong.
//
// A problem is a graph of named quantities (graph.go). A kind (kind_*.go) plans
// the graph and tells it as a story; wordings come from banks (bank_*.go) and
// are filled in and put in order by story.go. Errors of a teacher are planted
// on request (mistakes.go), and the truth stays beside the row (problem.go).
// Rows are a function of (seed, split, index), so any range can be made in
// parallel; every graph belongs to exactly one split by its hash, so train,
// valid and test share no problem (generator.go). The generator brings its own
// tokenizer (tokenizer.go, made by vocab).
//
// The package owns its texts and imports data alone; the engine and the command
// line call it.
package problems
