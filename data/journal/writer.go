package journal

import (
	"context"
	"errors"
	"fmt"
)

// groupSize is how many operations one commit takes at most.
const groupSize = 1024

// Commit is an operation on its way to the disk.
type Commit struct {
	apply func(j *Journal) error
	done  chan error
}

// Wait returns when the operation is on the disk, or has failed. It may be
// called once.
func (c *Commit) Wait() error { return <-c.done }

// Entry is an answer to be kept.
type Entry struct {
	Key     Key
	Request []byte // what was asked; its SHA-256 is the key's hash
	Answer  []byte
	// Reserved is given back and Charge counted as spent, together with the answer.
	Reserved, Charge Cost
}

// Put stores an answer. It counts when Wait has returned nil.
func (j *Journal) Put(e Entry) *Commit {
	sum := recordSum(e.Key, e.Answer)
	return j.enqueue(func(j *Journal) error {
		if _, err := j.put.request.Exec(e.Key.Hash[:], e.Request); err != nil {
			return err
		}
		if _, err := j.put.answer.Exec(e.Key.Hash[:], e.Key.Sample, e.Answer, sum); err != nil {
			return err
		}
		j.account.release(e.Reserved, e.Charge)
		return nil
	})
}

// Reserve sets money aside before a request is sent. It fails with ErrCap, and
// sets nothing aside, where spent and reserved would exceed limit; a limit of 0
// is none. reserved is what is set aside after the call, by all callers.
func (j *Journal) Reserve(amount, limit Cost) (reserved Cost, err error) {
	err = j.enqueue(func(j *Journal) error {
		if limit > 0 && j.account.spent.plus(j.account.reserved).plus(amount) > limit {
			reserved = j.account.reserved
			return ErrCap
		}
		j.account.reserved = j.account.reserved.plus(amount)
		reserved = j.account.reserved
		return nil
	}).Wait()
	return reserved, err
}

// Release gives a reservation back for a request that brought no answer, and
// counts charge as spent.
func (j *Journal) Release(reserved, charge Cost) error {
	return j.enqueue(func(j *Journal) error {
		j.account.release(reserved, charge)
		return nil
	}).Wait()
}

func (a *account) release(reserved, charge Cost) {
	a.reserved, a.spent = a.reserved-reserved, a.spent.plus(charge)
}

// enqueue hands an operation to the writer.
func (j *Journal) enqueue(apply func(*Journal) error) *Commit {
	c := &Commit{apply, make(chan error, 1)}
	j.gate.RLock()
	defer j.gate.RUnlock()
	if j.closed {
		c.done <- ErrClosed
		return c
	}
	j.ops <- c
	return c
}

// write commits operations in groups: all that arrived during the commit before.
func (j *Journal) write() {
	defer close(j.done)
	var group []*Commit
	for first := range j.ops {
		group = append(group[:0], first)
	gather:
		for len(group) < groupSize {
			select {
			case c, ok := <-j.ops:
				if !ok {
					break gather
				}
				group = append(group, c)
			default:
				break gather
			}
		}
		j.commit(group)
	}
}

// commit does a group in one transaction and answers each of its members.
func (j *Journal) commit(group []*Commit) {
	j.mu.Lock()
	defer j.mu.Unlock()
	results := make([]error, len(group))
	err := j.failed
	if err == nil {
		before := j.account
		if err = j.transaction(group, results, before); err != nil {
			j.account = before
			err = fmt.Errorf("journal %s: %w", j.path, kind(err))
			j.failed = err
		}
		j.spent.Store(int64(j.account.spent))
	}
	for i, c := range group {
		if err != nil {
			results[i] = err
		}
		c.done <- results[i]
	}
}

func (j *Journal) transaction(group []*Commit, results []error, before account) error {
	ctx := context.Background()
	if _, err := j.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := func() error {
		for i, c := range group {
			if results[i] = c.apply(j); results[i] != nil && !errors.Is(results[i], ErrCap) {
				return results[i]
			}
		}
		if j.account != before {
			_, err := j.put.account.Exec(j.account.spent, j.account.reserved, j.account.sum())
			return err
		}
		return nil
	}()
	if err == nil {
		_, err = j.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = j.conn.ExecContext(ctx, "ROLLBACK") // the first error is the one to tell
	}
	return err
}
