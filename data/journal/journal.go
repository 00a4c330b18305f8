// Package journal keeps every answer that a teacher gave, durably, so that none
// is paid for twice, and the account of what was spent.
//
// It is one SQLite file. An answer counts when Put's commit has returned: it is
// then on the disk (write-ahead log, synchronous=FULL). Writers do not wait for
// each other: what arrives while a commit is under way goes into the next one
// together (writer.go). Every record carries a SHA-256 that is checked when it
// is read.
//
// Money is reserved before a request is sent and turned into a charge in the
// transaction that stores the answer, so that spent + reserved never exceeds the
// cap, whenever the process dies. What a dead process had reserved counts as
// spent: the teacher may have been paid.
//
// The package owns the file and nothing else; it knows neither teachers nor
// prompts. One process at a time may have a journal open. Package collect and
// the engine call it.
package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

// Errors that a caller may want to tell apart.
var (
	// ErrLocked is returned when another process has the journal open.
	ErrLocked = errors.New("the journal is in use by another process; wait for it, or give each its own --journal")
	// ErrNotJournal is returned for a file that is no journal of this program.
	ErrNotJournal = errors.New("the file is no journal of retort; name another file")
	// ErrVersion is returned for a journal of a newer program.
	ErrVersion = errors.New("the journal was written by a newer version of retort; use that one")
	// ErrDamaged is returned when the file's structure or its account is damaged.
	ErrDamaged = errors.New("the journal is damaged; restore it from a copy, or move it away to start anew")
	// ErrDamagedRecord is returned for an answer that does not match its checksum.
	ErrDamagedRecord = errors.New("the record does not match its checksum")
	// ErrCap is returned when a reservation would exceed the cap.
	ErrCap = errors.New("cost cap")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the journal is closed")
)

// Marks in the file's header.
const (
	applicationID = 0x72746a6c // "rtjl"
	version       = 1
)

const schema = `
CREATE TABLE requests (hash BLOB PRIMARY KEY, request BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE answers (hash BLOB NOT NULL, sample INTEGER NOT NULL, answer BLOB NOT NULL, sum BLOB NOT NULL, UNIQUE (hash, sample));
CREATE TABLE account (id INTEGER PRIMARY KEY CHECK (id = 1), spent INTEGER NOT NULL, reserved INTEGER NOT NULL, sum BLOB NOT NULL);`

// Key says which answer: a request's hash and the number of the sample.
type Key struct {
	Hash   [sha256.Size]byte
	Sample int
}

// String is the key as messages show it.
func (k Key) String() string { return fmt.Sprintf("%x sample %d", k.Hash[:6], k.Sample) }

// Journal is an open journal. Its methods may be called from many goroutines.
type Journal struct {
	path string
	db   *sql.DB
	conn *sql.Conn
	put  struct{ request, answer, account *sql.Stmt }
	get  *sql.Stmt
	lost Cost

	mu      sync.Mutex // guards conn, account and failed
	account account
	failed  error        // of a commit: nothing is written after it
	spent   atomic.Int64 // account.spent of the last commit, for readers that do not wait for one

	gate   sync.RWMutex // holds Close back while operations are queued
	closed bool
	ops    chan *Commit
	done   chan struct{}
}

// account is the money side.
type account struct{ spent, reserved Cost }

// sum protects the account's two numbers.
func (a account) sum() []byte {
	raw := binary.LittleEndian.AppendUint64(nil, uint64(a.spent))
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(raw, uint64(a.reserved)))
	return sum[:]
}

// Open opens a journal, or makes a new one. It holds the file until Close.
func Open(path string) (*Journal, error) {
	j := &Journal{path: path, ops: make(chan *Commit, 1024), done: make(chan struct{})}
	if err := j.open(); err != nil {
		if j.db != nil {
			j.db.Close()
		}
		return nil, fmt.Errorf("journal %s: %w", path, kind(err))
	}
	go j.write()
	return j, nil
}

func (j *Journal) open() (err error) {
	absolute, err := filepath.Abs(j.path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Dir(absolute)); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s", filepath.Dir(j.path))
	}
	if info, err := os.Stat(absolute); err == nil && !info.Mode().IsRegular() {
		return ErrNotJournal
	}
	address := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(absolute), "/")}
	if j.db, err = sql.Open("sqlite", address.String()); err != nil {
		return err
	}
	ctx := context.Background()
	if j.conn, err = j.db.Conn(ctx); err != nil {
		return err
	}
	if _, err := j.conn.ExecContext(ctx, "PRAGMA locking_mode = EXCLUSIVE"); err != nil { // before the log: then no memory is shared
		return err
	}
	fresh, err := j.inspect(ctx)
	if err != nil {
		return err
	}
	for _, statement := range []string{"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "BEGIN EXCLUSIVE"} {
		if _, err := j.conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if fresh {
		err = j.create(ctx)
	}
	if err == nil {
		err = j.prepare(ctx)
	}
	if err != nil {
		return err
	}
	_, err = j.conn.ExecContext(ctx, "COMMIT")
	return err
}

// inspect says whether the file is new, and refuses those that are no journal
// before anything is written to them.
func (j *Journal) inspect(ctx context.Context) (fresh bool, err error) {
	var application, has, tables int
	row := j.conn.QueryRowContext(ctx, "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)")
	if err := row.Scan(&application, &has, &tables); err != nil {
		return false, err
	}
	switch {
	case application == 0 && tables == 0:
		return true, nil
	case application != applicationID:
		return false, ErrNotJournal
	case has > version:
		return false, ErrVersion
	}
	return false, nil
}

// create makes the tables, inside the transaction of open.
func (j *Journal) create(ctx context.Context) error {
	statement := fmt.Sprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d;", schema, applicationID, version)
	if _, err := j.conn.ExecContext(ctx, statement); err != nil {
		return err
	}
	_, err := j.conn.ExecContext(ctx, "INSERT INTO account VALUES (1, 0, 0, ?)", account{}.sum())
	return err
}

// prepare readies the statements and reads the account.
func (j *Journal) prepare(ctx context.Context) error {
	var err error
	for _, s := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&j.put.request, "INSERT OR IGNORE INTO requests VALUES (?, ?)"},
		{&j.put.answer, "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)"},
		{&j.put.account, "UPDATE account SET spent = ?, reserved = ?, sum = ?"},
		{&j.get, "SELECT answer, sum FROM answers WHERE hash = ? AND sample = ?"},
	} {
		if *s.to, err = j.conn.PrepareContext(ctx, s.text); err != nil {
			return err
		}
	}
	return j.settle(ctx)
}

// settle reads the account; what an earlier process had reserved becomes spent.
func (j *Journal) settle(ctx context.Context) error {
	var sum []byte
	row := j.conn.QueryRowContext(ctx, "SELECT spent, reserved, sum FROM account")
	if err := row.Scan(&j.account.spent, &j.account.reserved, &sum); err != nil {
		return fmt.Errorf("%w (account: %w)", ErrDamaged, err)
	}
	if !bytes.Equal(sum, j.account.sum()) || j.account.spent < 0 || j.account.reserved < 0 {
		return fmt.Errorf("%w (the account does not match its checksum)", ErrDamaged)
	}
	j.lost = j.account.reserved
	j.account = account{spent: j.account.spent.plus(j.lost)}
	j.spent.Store(int64(j.account.spent))
	if j.lost == 0 {
		return nil
	}
	_, err := j.put.account.ExecContext(ctx, j.account.spent, j.account.reserved, j.account.sum())
	return err
}

// Close writes what is queued and gives the file free.
func (j *Journal) Close() error {
	j.gate.Lock()
	if j.closed {
		j.gate.Unlock()
		return nil
	}
	j.closed = true
	close(j.ops)
	j.gate.Unlock()
	<-j.done
	return errors.Join(j.put.request.Close(), j.put.answer.Close(), j.put.account.Close(), j.get.Close(), j.conn.Close(), j.db.Close())
}

// Get reads an answer. ok is false where there is none. A record that does not
// match its checksum is ErrDamagedRecord: the caller may have it asked anew,
// Put replaces it.
func (j *Journal) Get(k Key) (answer []byte, ok bool, err error) {
	j.gate.RLock()
	defer j.gate.RUnlock()
	if j.closed {
		return nil, false, ErrClosed
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var sum []byte
	switch err := j.get.QueryRow(k.Hash[:], k.Sample).Scan(&answer, &sum); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("journal %s: %w", j.path, kind(err))
	case !bytes.Equal(sum, recordSum(k, answer)):
		return nil, false, fmt.Errorf("journal %s: %s: %w", j.path, k, ErrDamagedRecord)
	}
	return answer, true, nil
}

// Each visits every answer with its request, in the order in which they came. It
// ends at the first error, of visit or of a record that does not match its
// checksum. visit must not call the journal.
func (j *Journal) Each(visit func(k Key, request, answer []byte) error) error {
	j.gate.RLock()
	defer j.gate.RUnlock()
	if j.closed {
		return ErrClosed
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	rows, err := j.conn.QueryContext(context.Background(), "SELECT hash, sample, answer, sum, request FROM answers JOIN requests USING (hash) ORDER BY answers.rowid")
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, kind(err))
	}
	defer rows.Close()
	for rows.Next() {
		var k Key
		var hash, answer, sum, request []byte
		if err := rows.Scan(&hash, &k.Sample, &answer, &sum, &request); err != nil {
			return fmt.Errorf("journal %s: %w", j.path, kind(err))
		}
		copy(k.Hash[:], hash)
		if !bytes.Equal(sum, recordSum(k, answer)) || sha256.Sum256(request) != k.Hash {
			return fmt.Errorf("journal %s: %s: %w", j.path, k, ErrDamagedRecord)
		}
		if err := visit(k, request, answer); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("journal %s: %w", j.path, kind(err))
	}
	return nil
}

// recordSum protects an answer together with its key.
func recordSum(k Key, answer []byte) []byte {
	h := sha256.New()
	h.Write(k.Hash[:])
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(k.Sample)))
	h.Write(answer)
	return h.Sum(nil)
}

// Spent is what all answers of the journal cost, and what may have been paid for
// lost ones.
func (j *Journal) Spent() Cost {
	return Cost(j.spent.Load())
}

// Lost is what an earlier process had reserved when it died; Spent holds it.
func (j *Journal) Lost() Cost { return j.lost }

// kind turns SQLite's codes into the errors of this package.
func kind(err error) error {
	var s *sqlite.Error
	if !errors.As(err, &s) {
		return err
	}
	switch s.Code() & 0xff {
	case 5, 6: // SQLITE_BUSY, SQLITE_LOCKED
		return ErrLocked
	case 11: // SQLITE_CORRUPT
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case 26: // SQLITE_NOTADB
		return ErrNotJournal
	}
	return err
}
