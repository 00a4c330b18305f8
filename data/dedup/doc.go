// Package dedup finds rows that say the same: exact and near duplicates within a file, and
// rows of a training file that ask what an evaluation asks (contamination).
//
// It owns the rules and their parameters, which are constants, so that a figure means the
// same everywhere and a run gives the same bits again: no hash here is seeded at random.
// It imports package data and its problems; the engine calls it.
package dedup
