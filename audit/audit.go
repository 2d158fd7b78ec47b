// Package audit makes the log tamper-evident. It owns the format of leaves, the
// Merkle tree over them (RFC 6962, by sumdb/tlog), the checkpoints (signed
// notes, C2SP tlog-checkpoint) and the checks of all that.
//
// It refuses to record: events are written by the transactions that make the
// changes. It knows no SQL and no ciphertext; storage does.
//
// The threat it answers is whoever can write to the database, also with its
// owner's rights: what is edited, deleted, exchanged, inserted or cut off no
// longer fits the tree, and a tree made anew no longer fits a checkpoint kept
// elsewhere.
package audit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"latchkey"
	"latchkey/storage"
)

// originPath follows the issuer's host in the origin of checkpoints. It never
// changes: the origin is what other tools know this log by.
const originPath = "/audit"

// Options say which log this is.
type Options struct {
	DB     *storage.DB // required
	Issuer string      // required; its host begins the origin of checkpoints
}

// Log is the audit log of one installation.
type Log struct {
	db       *storage.DB
	origin   string
	patience time.Duration              // of CatchUp
	signed   atomic.Pointer[Checkpoint] // the last one; nil before the first
}

// New checks the options.
func New(o Options) (*Log, error) {
	if o.DB == nil {
		return nil, errors.New("audit: a database is required")
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("audit: issuer %q is no address", o.Issuer)
	}
	return &Log{db: o.DB, origin: issuer.Host + originPath, patience: patience}, nil
}

// Origin names this log in its checkpoints, such as "id.example.com/audit".
func (l *Log) Origin() string { return l.origin }

// Prepare makes the key that signs checkpoints, if it was never made. It comes
// before any sequencing.
func (l *Log) Prepare(ctx context.Context) error { return l.db.EnsureAuditKey(ctx) }

// KeyLost tells whether Prepare refused because the key is gone or altered. That
// is something to find, so Verify goes on.
func KeyLost(err error) bool {
	return errors.Is(err, latchkey.ErrConflict) || errors.Is(err, latchkey.ErrSealMismatch)
}

// Alarm is something about the log that somebody must look at. It takes nothing
// away from sign-ins.
type Alarm struct {
	What string // halted, late, stragglers or personal_part_lost
	Text string
}

// Error says what happened.
func (a *Alarm) Error() string { return "audit log: " + a.What + ": " + a.Text }

// timeFormat is how times stand in leaves and answers: RFC 3339 in UTC with the
// microseconds that the database keeps.
const timeFormat = "2006-01-02T15:04:05.000000Z"

func spell(t time.Time) string { return t.UTC().Format(timeFormat) }
