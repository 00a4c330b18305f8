package hub

import (
	"errors"
	"fmt"
	"syscall"
)

// What is wrong with the request.
var (
	// ErrID is returned for an id that is not "org/name", "org/name@revision" or "org/name:file".
	ErrID = errors.New("not a hub id")
	// ErrNotFound is returned when the hub knows no such repository or revision.
	ErrNotFound = errors.New("the hub has no such repository or revision (or it is private: set HF_TOKEN)")
	// ErrNoFile is returned when the repository lacks a file that is needed or named.
	ErrNoFile = errors.New("no such file in the repository")
	// ErrAmbiguous is returned when several files could be meant and none is named.
	ErrAmbiguous = errors.New("which file is meant is not clear")
	// ErrDenied is returned when the repository is gated or private, or the token is refused.
	ErrDenied = errors.New("the hub denies access: accept the repository's terms on its page and set HF_TOKEN to a token that may read it")
	// ErrOffline is returned when a file is not in the cache and the network may not be used.
	ErrOffline = errors.New("not in the cache, and HF_HUB_OFFLINE forbids to ask the hub")
)

// What went wrong on the way.
var (
	// ErrUnreachable is returned when the hub or a host it refers to could not be asked, after retries.
	ErrUnreachable = errors.New("the hub cannot be reached")
	// ErrResponse is returned when the hub's answer makes no sense.
	ErrResponse = errors.New("unexpected answer of the hub")
	// ErrPath is returned when the hub names a file outside its repository.
	ErrPath = errors.New("file name leaves the folder")
	// ErrHash is returned when a file's content is not what the hub lists.
	ErrHash = errors.New("the downloaded content does not have the listed hash")
	// ErrDiskFull is returned when a file does not fit the disk; what has arrived is kept for the next call.
	ErrDiskFull = errors.New("the disk of the cache is full: free space or set HF_HUB_CACHE")
)

// diskError tells a full disk from other failures of the file system.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
