package journal

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func entry(i int) Entry {
	request := fmt.Appendf(nil, "request %d", i/2)
	return Entry{Key: Key{sha256.Sum256(request), i % 2}, Request: request, Answer: bytes.Repeat(fmt.Appendf(nil, "answer %d ", i), 1+i%50)}
}

func TestAnswersOfManyWritersAreThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a journal?#%.db")
	j, err := Open(path)
	require.NoError(t, err)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 50 {
				_, err := j.Reserve(3, 0)
				if err == nil {
					e := entry(w*50 + i)
					e.Reserved, e.Charge = 3, 2
					err = j.Put(e).Wait()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.NoError(t, j.Close())
	require.NoError(t, j.Close(), "closing twice")
	require.ErrorIs(t, j.Put(entry(0)).Wait(), ErrClosed)
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "one file under its own name is left")
	j, err = Open(path)
	require.NoError(t, err)
	defer j.Close()
	require.EqualValues(t, 800, j.Spent())
	require.Zero(t, j.Lost())
	for i := range 400 {
		got, ok, err := j.Get(entry(i).Key)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, entry(i).Answer, got)
	}
	visited := 0
	require.NoError(t, j.Each(func(k Key, request, answer []byte) error {
		visited++
		require.Equal(t, k.Hash, sha256.Sum256(request))
		return nil
	}))
	require.Equal(t, 400, visited)
	_, ok, err := j.Get(Key{})
	require.NoError(t, err)
	require.False(t, ok)
}

func TestCommitsAreDurable(t *testing.T) {
	j, err := Open(filepath.Join(t.TempDir(), "j"))
	require.NoError(t, err)
	defer j.Close()
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "locking_mode": "exclusive"} {
		var got string
		require.NoError(t, j.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
}

func TestTwoUsersOfOneJournalExcludeEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Open(path)
	require.NoError(t, err)
	_, err = Open(path)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, path)
	require.NoError(t, j.Put(entry(1)).Wait(), "the holder goes on")
	require.NoError(t, j.Close())
	j, err = Open(path)
	require.NoError(t, err)
	require.NoError(t, j.Close())
}

// alter changes a closed journal behind its back.
func alter(t *testing.T, path, statement string, args ...any) {
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement, args...)
	require.NoError(t, err)
}

// journalWith makes a closed journal with some answers.
func journalWith(t *testing.T, n int) string {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Open(path)
	require.NoError(t, err)
	for i := range n {
		e := entry(i)
		e.Charge = 5
		require.NoError(t, j.Put(e).Wait())
	}
	require.NoError(t, j.Close())
	return path
}

func TestFilesThatAreNoJournalAreNamedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 500), 0o644))
	foreign := filepath.Join(dir, "foreign")
	alter(t, foreign, "CREATE TABLE t (x)")
	newer := journalWith(t, 1)
	alter(t, newer, "PRAGMA user_version = 99")
	account := journalWith(t, 1)
	alter(t, account, "UPDATE account SET spent = 1")
	headless := journalWith(t, 1)
	alter(t, headless, "DELETE FROM account")
	cut := journalWith(t, 400)
	info, err := os.Stat(cut)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(cut, info.Size()/2))
	for path, want := range map[string]error{
		text: ErrNotJournal, foreign: ErrNotJournal, dir: ErrNotJournal, newer: ErrVersion, account: ErrDamaged, headless: ErrDamaged, cut: ErrDamaged,
	} {
		before, _ := os.ReadFile(path)
		_, err := Open(path)
		require.ErrorIs(t, err, want, path)
		after, _ := os.ReadFile(path)
		require.True(t, bytes.Equal(before, after), path)
	}
	_, err = Open(filepath.Join(dir, "nowhere", "j"))
	require.ErrorContains(t, err, "there is no folder")
}

func TestADamagedRecordIsNoticedAndReplaced(t *testing.T) {
	path := journalWith(t, 4)
	k := entry(2).Key
	alter(t, path, "UPDATE answers SET answer = CAST('x' || substr(answer, 2) AS BLOB) WHERE hash = ? AND sample = ?", k.Hash[:], k.Sample)
	j, err := Open(path)
	require.NoError(t, err)
	defer j.Close()
	_, _, err = j.Get(k)
	require.ErrorIs(t, err, ErrDamagedRecord)
	require.ErrorIs(t, j.Each(func(Key, []byte, []byte) error { return nil }), ErrDamagedRecord)
	require.NoError(t, j.Put(entry(2)).Wait())
	got, ok, err := j.Get(k)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, entry(2).Answer, got)
}

// TestARecordUnderAnotherKeyIsNoticed: the checksum covers the key.
func TestARecordUnderAnotherKeyIsNoticed(t *testing.T) {
	path := journalWith(t, 1)
	alter(t, path, "UPDATE answers SET sample = 7")
	j, err := Open(path)
	require.NoError(t, err)
	defer j.Close()
	_, _, err = j.Get(Key{entry(0).Key.Hash, 7})
	require.ErrorIs(t, err, ErrDamagedRecord)
}

func TestReservationsHoldTheCapToTheLastUnit(t *testing.T) {
	j, err := Open(filepath.Join(t.TempDir(), "j"))
	require.NoError(t, err)
	defer j.Close()
	var group sync.WaitGroup
	var mu sync.Mutex
	granted := 0
	for range 50 {
		group.Go(func() {
			if _, err := j.Reserve(7, 100); err == nil {
				mu.Lock()
				granted++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	require.Equal(t, 14, granted)
	require.NoError(t, j.Release(14*7, 50))
	require.EqualValues(t, 50, j.Spent())
	_, err = j.Reserve(51, 100)
	require.ErrorIs(t, err, ErrCap)
	_, err = j.Reserve(50, 100)
	require.NoError(t, err)
}

func TestCostsRoundAgainstTheSpender(t *testing.T) {
	require.EqualValues(t, 150, TokenCost(1, 0.15))
	require.EqualValues(t, 1, TokenCost(1, 0.0001))
	require.EqualValues(t, 0, TokenCost(1000, 0))
	require.EqualValues(t, 1_500_000_000, Units(1.5))
	require.EqualValues(t, 1<<60, Units(math.Inf(1)))
	require.EqualValues(t, 0, Units(math.NaN()))
	require.EqualValues(t, math.MaxInt64, Cost(math.MaxInt64-1).plus(5))
	require.Equal(t, "12.50", Units(12.5).String())
	require.Equal(t, "0.000150", TokenCost(1000, 0.15).String())
}
