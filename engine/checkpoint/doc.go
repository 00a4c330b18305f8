// Package checkpoint makes folders and files durable, and finds the newest
// checkpoint that can be trusted.
//
// It owns the names in an output folder that begin with checkpoint- or
// .retort-, and nothing inside the files that it writes: what a checkpoint
// holds is the caller's business, handed over as one writer per file. The
// training loop writes, prunes and resumes with it; everything that leaves a
// single file at the root of a run folder uses WriteFile, and the finished
// student, several files that belong together, WriteFiles.
//
// How a folder becomes durable, in this order:
//
//	.retort-tmp-checkpoint-20/            a sibling under a name nobody reads
//	  each file: write, fsync, close
//	  manifest.json: name, size, SHA-256 of each file; fsync, close
//	fsync the sibling                     its directory entries
//	rename it to checkpoint-20            the one atomic moment
//	fsync the output folder               the new name
//
// A crash at any moment leaves either no checkpoint-20 or a whole one. A
// removal goes the same way back: first the name (rename to
// .retort-removed-…, fsync the output folder), then the files, so a folder
// called checkpoint-N is never half of one.
//
// Writers of one output folder exclude each other by Lock.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// What Verify finds; a *VerifyError wraps one of them and names the file.
var (
	// ErrNoManifest is returned when the folder has no manifest.json: it is
	// not a checkpoint of ours, or not a whole one.
	ErrNoManifest = errors.New("no manifest.json")
	// ErrBadManifest is returned when manifest.json is not byte for byte what
	// Write would have written.
	ErrBadManifest = errors.New("manifest.json is damaged")
	// ErrMissingFile is returned when a file of the manifest is not there.
	ErrMissingFile = errors.New("file is missing")
	// ErrExtraFile is returned when the folder has a file that the manifest
	// does not name.
	ErrExtraFile = errors.New("file is not in the manifest")
	// ErrWrongSize is returned when a file is shorter or longer than written.
	ErrWrongSize = errors.New("file has the wrong size")
	// ErrWrongHash is returned when a file's bytes are not those written.
	ErrWrongHash = errors.New("file has the wrong SHA-256")
)

// What callers decide on.
var (
	// ErrNotFound is returned by Latest when no checkpoint verifies.
	ErrNotFound = errors.New("no usable checkpoint")
	// ErrExists is returned by Write when a whole checkpoint already has the
	// name: a good one is never replaced.
	ErrExists = fmt.Errorf("a whole checkpoint is already there: %w", fs.ErrExist)
	// ErrLocked is returned by Lock when another process uses the folder.
	ErrLocked = errors.New("output_dir is in use")
)

// VerifyError says which file of which checkpoint is not as written.
type VerifyError struct {
	Dir    string // the checkpoint folder
	File   string // the file in it
	Detail string // what was found against what was expected; may be empty
	Err    error  // one of the errors above, or the error of the read
}

// Error says the folder, the file and what is wrong with it.
func (e *VerifyError) Error() string {
	s := fmt.Sprintf("checkpoint %s: %s: %v", e.Dir, e.File, e.Err)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// Unwrap gives the kind of damage to errors.Is.
func (e *VerifyError) Unwrap() error { return e.Err }

// OpError says which file operation failed, on what, and why.
type OpError struct {
	Op   string // create, write, fsync, close, rename, ...
	Path string
	Err  error
}

// Error says operation, path and cause, and what to do about a full disk.
func (e *OpError) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Op, e.Path, cause(e.Err))
	if errors.Is(e.Err, syscall.ENOSPC) {
		s += "; free some space or lower save_total_limit"
	}
	return s
}

// Unwrap gives the cause (syscall.ENOSPC, io.ErrShortWrite, ...) to errors.Is.
func (e *OpError) Unwrap() error { return e.Err }

// cause drops the operation and path that os errors repeat.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
