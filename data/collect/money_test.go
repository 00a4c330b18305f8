package collect

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"retort/data/journal"
)

// TestTheCapIsNeverExceededOverRestarts: runs that are cut off at random, against a server
// that fails at times, never spend more than the cap by the server's own count.
func TestTheCapIsNeverExceededOverRestarts(t *testing.T) {
	var billed atomic.Int64 // tokens
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) bool {
		switch rand.IntN(4) {
		case 0:
			w.WriteHeader(500)
			return true
		case 1: // the work is done and the answer lost
			billed.Add(30)
			reset(w, r)
			return true
		}
		billed.Add(30)
		return false
	})
	path := filepath.Join(t.TempDir(), "j")
	requests := ask(400, 1)
	o := quick
	o.Concurrency, o.Prices, o.MaxCost = 8, Prices{100, 100}, journal.Units(1.5)
	require.Greater(t, 400*journal.TokenCost(30, 100), journal.Units(1), "all of it is affordable and the cap would not be met")
	var err error
	for run := 0; ; run++ {
		require.Less(t, run, 500)
		j, openErr := journal.Open(path)
		require.NoError(t, openErr)
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20+rand.IntN(60)+10*run)*time.Millisecond) // slow machines get there too
		e := s.endpoint(t, time.Second)
		_, err = Run(ctx, e, j, requests, o, Hooks{})
		cancel()
		spent := j.Spent()
		require.NoError(t, j.Close())
		require.LessOrEqual(t, spent, o.MaxCost)
		require.LessOrEqual(t, journal.TokenCost(int(billed.Load()), 100), spent, "the server billed more than the account knows of")
		if errors.Is(err, ErrCap) {
			break
		}
	}
	require.ErrorContains(t, err, "raise max_cost")
}

// TestMoneyComesBack: with a cap that covers the real cost and not all reservations at
// once, requests wait for each other and all are answered.
func TestMoneyComesBack(t *testing.T) {
	s := newServer(t, nil)
	requests := ask(100, 1)
	o := quick
	o.Concurrency, o.Prices = 16, Prices{1, 1}
	o.MaxCost = 100*journal.TokenCost(30, 1) + 2*o.Prices.Bound(requests[99])
	j := tempJournal(t)
	report, err := Run(context.Background(), s.endpoint(t, time.Second), j, requests, o, Hooks{})
	require.NoError(t, err)
	require.Equal(t, 100, report.Answered)
	require.Equal(t, 100*journal.TokenCost(30, 1), j.Spent())
}

// TestWhatADeadProcessHadReservedCountsAsSpent stands in for SIGKILL: the journal is
// copied while a request is under way.
func TestWhatADeadProcessHadReservedCountsAsSpent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := journal.Open(path)
	require.NoError(t, err)
	held, err := j.Reserve(70, 100)
	require.NoError(t, err)
	require.EqualValues(t, 70, held)
	require.NoError(t, j.Close()) // without a release
	again := openJournal(t, path)
	require.EqualValues(t, 70, again.Lost())
	require.EqualValues(t, 70, again.Spent())
	_, err = again.Reserve(31, 100)
	require.ErrorIs(t, err, journal.ErrCap)
	_, err = again.Reserve(30, 100)
	require.NoError(t, err)
}
