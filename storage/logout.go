package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// logoutLife is how long an application is tried to be told.
const logoutLife = 24 * time.Hour

// LogoutJob is the payload of a job of kind "logout": which application has to
// be told that which session of whom is over (OpenID Connect Back-Channel
// Logout 1.0). The rows it names may be gone when it is read.
type LogoutJob struct {
	ClientID  string `json:"client_id"`
	UserID    string `json:"user_id"`
	Subject   string `json:"subject"` // of the person, as latchkey knows it
	SessionID string `json:"sid,omitempty"`
}

// queueLogouts writes one job for each application and session that has to be
// told, where the application registered a back-channel address, and returns all
// that have to hear of it in either way.
func (tx *Tx) queueLogouts(ctx context.Context, grants []endedGrant) (told []Told, err error) {
	b := &pgx.Batch{}
	seen := map[LogoutJob]bool{}
	for _, g := range grants {
		job := LogoutJob{ClientID: g.ClientID, UserID: textOf(g.UserID), Subject: textOf(g.Subject), SessionID: textOf(g.SessionID)}
		if seen[job] || textOf(g.BackchannelURI) == "" && textOf(g.FrontchannelURI) == "" {
			continue
		}
		seen[job] = true
		t := Told{ClientID: g.ClientID, App: g.App, SessionID: job.SessionID, FrontchannelURI: textOf(g.FrontchannelURI)}
		if textOf(g.BackchannelURI) != "" {
			if t.NoticeID, err = tx.queueLogout(b, job); err != nil {
				return nil, err
			}
		}
		told = append(told, t)
	}
	if b.Len() == 0 {
		return told, nil
	}
	tx.queued = true
	if err := tx.do(ctx, func(q querier) error { return send(ctx, q, b) }); err != nil {
		return nil, fmt.Errorf("queue logouts: %w", err)
	}
	return told, nil
}

func (tx *Tx) queueLogout(b *pgx.Batch, job LogoutJob) (id string, err error) {
	payload, err := json.Marshal(job)
	if err != nil {
		return "", fmt.Errorf("write a logout job: %w", err)
	}
	id = newID()
	sealed, err := tx.seal("jobs", "payload", id, "", payload)
	if err != nil {
		return "", fmt.Errorf("seal a logout job: %w", err)
	}
	b.Queue(`INSERT INTO jobs (id, kind, key, user_id, payload, expires_at) VALUES (@id, 'logout', @client, @user, @payload, now() + @life)`,
		args{"id": id, "client": job.ClientID, "user": orNull(job.UserID), "payload": sealed, "life": logoutLife})
	return id, nil
}

// notices counts those that are told by the back channel.
func notices(told []Told) (n int) {
	for _, t := range told {
		if t.NoticeID != "" {
			n++
		}
	}
	return n
}

// Queued is written to after a transaction of this node that queued notices
// committed, so that its worker need not wait for its next look. Several that
// come before it is read are one.
func (db *DB) Queued() <-chan struct{} { return db.wake }

// LogoutClaim says which notices a worker takes.
type LogoutClaim struct {
	Limit int           // in all
	Each  int           // of one application
	Busy  []string      // applications of which none is taken
	Slow  []string      // applications of which one is taken
	Lease time.Duration // after which another worker may take them, if nothing was heard of this one
}

// DueLogout is a notice that a worker has taken.
type DueLogout struct {
	LogoutJob
	ID      string
	At      time.Time // the database's time of the claim
	Attempt int       // from 1
	Broken  bool      // the payload does not open: LogoutJob holds the application only
}

// ClaimLogouts takes notices that are due, the longest waiting first, a few of
// each application, so that none waits behind another's. A claim ends with its
// lease: what a worker took that died is taken again.
func (db *DB) ClaimLogouts(ctx context.Context, c LogoutClaim) (due []DueLogout, err error) {
	err = db.do(ctx, func(q querier) error {
		due, err = list(ctx, q, `
			WITH due AS MATERIALIZED (
				SELECT j.id
				FROM (
					SELECT key, min(next_at) AS first FROM jobs
					WHERE kind = 'logout' AND done_at IS NULL AND next_at <= now() AND NOT key = ANY(@busy::text[])
					GROUP BY key ORDER BY first LIMIT @limit
				) k CROSS JOIN LATERAL (
					SELECT id FROM jobs
					WHERE kind = 'logout' AND key = k.key AND done_at IS NULL AND next_at <= now()
					ORDER BY next_at LIMIT CASE WHEN k.key = ANY(@slow::text[]) THEN 1 ELSE @each::int END
					FOR UPDATE SKIP LOCKED
				) j
				LIMIT @limit
			)
			UPDATE jobs j SET attempts = j.attempts + 1, next_at = now() + @lease::interval
			FROM due WHERE j.id = due.id
			RETURNING j.id, j.key, j.payload, now(), j.attempts`,
			args{"limit": c.Limit, "each": c.Each, "busy": texts(c.Busy), "slow": texts(c.Slow), "lease": c.Lease}, db.scanDue)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim logouts: %w", err)
	}
	return due, nil
}

func (db *DB) scanDue(row pgx.CollectableRow) (d DueLogout, err error) {
	var sealed []byte
	if err := row.Scan(&d.ID, &d.ClientID, &sealed, &d.At, &d.Attempt); err != nil {
		return d, err
	}
	payload, err := db.open("jobs", "payload", d.ID, "", sealed)
	d.Broken = err != nil || json.Unmarshal(payload, &d.LogoutJob) != nil
	return d, nil
}

// LogoutOutcome is what an attempt brought.
type LogoutOutcome struct {
	Reason string        // why it failed; "" = it was delivered
	Final  bool          // no other attempt can be any better
	Pause  time.Duration // before the next attempt
}

// SettleLogout writes down what an attempt brought, and returns the state. A
// failure whose next attempt would come after the notice's end is the last. The
// event tells of the delivery, of the first failure and of the last. A notice
// that another worker settled meanwhile is ErrNotFound.
func (db *DB) SettleLogout(ctx context.Context, d DueLogout, o LogoutOutcome) (state latchkey.NoticeState, err error) {
	err = db.InTx(ctx, func(tx *Tx) error {
		state, err = one(ctx, tx.tx, `
			UPDATE jobs
			SET last_status = @reason::text, next_at = now() + @pause::interval,
			    done_at = CASE WHEN @reason::text = '' OR @final::boolean OR now() + @pause::interval >= expires_at THEN now() END
			WHERE id = @id AND done_at IS NULL
			RETURNING `+noticeState, args{"id": d.ID, "reason": o.Reason, "final": o.Final, "pause": o.Pause},
			pgx.RowTo[latchkey.NoticeState])
		if err != nil || state == latchkey.NoticePending && d.Attempt > 1 {
			return err
		}
		ev := latchkey.Event{Kind: latchkey.LogoutDelivered, Subject: d.UserID, ClientID: d.ClientID, SessionID: d.SessionID,
			Reason: o.Reason, Detail: map[string]any{"attempts": d.Attempt}}
		if o.Reason != "" {
			ev.Kind, ev.Outcome = latchkey.LogoutFailed, latchkey.Failure
			ev.Detail["given_up"] = state == latchkey.NoticeFailed
		}
		return tx.Record(ctx, ev)
	})
	if err != nil {
		return "", fmt.Errorf("settle a logout: %w", err)
	}
	return state, nil
}
