// Package runlog writes the records of a run: what other tools and people
// read of it while it trains and afterwards.
//
//	trainer_state.json   State: counters and log history, as transformers writes it
//	trainer_log.jsonl    TrainerLog: one line per log, to follow a run
//	events.out.tfevents  Events: TensorBoard scalars
//	*_results.json       WriteResults: final metrics
//	training_loss.png    PlotLoss, and PlotCurves for comparisons
//	README.md            Card: the model card
//
// It owns the form of these files and no training state of its own; the
// training loop calls it after each log, evaluation and checkpoint, and the
// methods use its pictures. Of our packages it imports only checkpoint, for
// files that appear whole or not at all.
//
// A resumed run continues its records: State.Truncate, OpenTrainerLog and
// OpenEvents each take the step from which it resumes and drop what the
// interrupted run had logged after it.
package runlog
