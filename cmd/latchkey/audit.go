package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"latchkey"
	"latchkey/audit"
	"latchkey/storage"
)

// auditCmd is `latchkey audit …`.
type auditCmd struct {
	List       auditListCmd       `cmd:"" help:"List events, the newest first."`
	Verify     auditVerifyCmd     `cmd:"" help:"Check that nothing in the log was changed."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Print the signed head of the log, to be kept elsewhere."`
	Prove      auditProveCmd      `cmd:"" help:"Prove that an event is in the log, or that the log only grew."`
}

// withAudit runs f with the audit log as it is.
func (c *commands) withAudit(ctx context.Context, f func(context.Context, *storage.DB, *audit.Log) error) error {
	return c.withDatabase(ctx, func(ctx context.Context, db *storage.DB) error {
		l, err := audit.New(audit.Options{DB: db, Issuer: c.Issuer})
		if err != nil {
			return err
		}
		return f(ctx, db, l)
	})
}

// withWholeAudit runs f with an audit log that has everything committed so far
// in its tree, and the key to sign it.
func (c *commands) withWholeAudit(ctx context.Context, f func(context.Context, *audit.Log) error) error {
	return c.withAudit(ctx, func(ctx context.Context, _ *storage.DB, l *audit.Log) error {
		if err := l.Prepare(ctx); err != nil {
			return err
		}
		if err := c.catchUp(ctx, l); err != nil {
			return err
		}
		return f(ctx, l)
	})
}

// catchUp waits until everything committed so far is in the tree.
func (c *commands) catchUp(ctx context.Context, l *audit.Log) error {
	return l.CatchUp(ctx, func(alarm error) { c.log.Error("ALARM", "error", alarm) })
}

type auditListCmd struct {
	Event  string `help:"Only this kind, such as session.started." placeholder:"NOUN.VERB"`
	User   string `help:"Only by or about this person: username, verified e-mail or id." placeholder:"USER"`
	Since  since  `help:"Only from then on: 24h, 7d, 2026-03-01 or 2026-03-01T12:00:00Z." placeholder:"TIME"`
	Limit  int    `default:"50" help:"At most so many, up to 1000."`
	Cursor string `help:"Where the list goes on: next_cursor of the page before."`
}

// since is a length of time until now, or a moment.
type since struct {
	within time.Duration
	at     time.Time
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *since) UnmarshalText(text []byte) error {
	var d lifetime
	if err := d.UnmarshalText(text); err == nil && d > 0 {
		s.within = time.Duration(d)
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, string(text)); err == nil {
			s.at = at
			return nil
		}
	}
	return fmt.Errorf("%q is no time (example: 24h, 7d, 2026-03-01, 2026-03-01T12:00:00Z)", text)
}

// Run lists events.
func (cmd *auditListCmd) Run(ctx context.Context, c *commands) error {
	if cmd.Limit < 1 || cmd.Limit > 1000 {
		return usageError{wrong("limit", "is not between 1 and 1000", "50")}
	}
	return c.withAudit(ctx, func(ctx context.Context, db *storage.DB, l *audit.Log) error {
		userID, err := eventsOf(ctx, db, cmd.User)
		if err != nil {
			return err
		}
		page, err := l.List(ctx, storage.EventQuery{
			Kind: latchkey.EventKind(cmd.Event), UserID: userID, Since: cmd.Since.at, Within: cmd.Since.within, Limit: cmd.Limit, Cursor: cmd.Cursor,
		})
		if err != nil {
			return err
		}
		return c.print(page, eventTable(page))
	})
}

// eventsOf is the id of whoever is named. Somebody who is gone still has events
// under their id.
func eventsOf(ctx context.Context, db *storage.DB, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	u, err := db.ResolveUser(ctx, name)
	if err == nil {
		return u.ID, nil
	}
	if id, notID := uuid.Parse(name); notID == nil && errors.Is(err, latchkey.ErrNotFound) {
		return id.String(), nil
	}
	if errors.Is(err, latchkey.ErrNotFound) {
		return "", latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is nobody with this username, e-mail address or id.")
	}
	return "", err
}

func eventTable(page *audit.Page) string {
	var rows [][]string
	for _, e := range page.Items {
		index := "pending"
		if e.Index != nil {
			index = fmt.Sprint(*e.Index)
		}
		rows = append(rows, []string{index, e.Time, e.Event, e.Outcome, textOf(e.Reason), actorOf(e), textOf(e.Subject), textOf(e.ClientID), from(e), e.ID})
	}
	text := table("No events.", []string{"INDEX", "TIME", "EVENT", "OUTCOME", "REASON", "ACTOR", "ABOUT", "APPLICATION", "FROM", "ID"}, rows)
	if page.NextCursor != nil {
		text += "\n\nMore: --cursor " + *page.NextCursor
	}
	return text
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// actorOf says who it was: an operator by name, where that can still be read.
func actorOf(e audit.Entry) string {
	switch {
	case e.Actor != nil:
		return *e.Actor
	case e.Personal["operator"] != "":
		return e.Personal["operator"]
	}
	return e.ActorKind
}

// from says from where: the address, or its network where it was erased.
func from(e audit.Entry) string {
	where := e.Personal["ip_address"]
	if where == "" {
		where = textOf(e.AddressPrefix)
	}
	return strings.TrimSpace(where + " " + textOf(e.Agent))
}

type auditVerifyCmd struct {
	Checkpoint string `help:"A checkpoint kept elsewhere (- = standard input): the log must go on from it." placeholder:"FILE"`
	Resume     bool   `help:"Let a sequencer that halted go on when nothing is wrong."`
}

// Run checks the whole log.
func (cmd *auditVerifyCmd) Run(ctx context.Context, c *commands) error {
	outside, err := readCheckpoint(cmd.Checkpoint)
	if err != nil {
		return err
	}
	return c.withAudit(ctx, func(ctx context.Context, _ *storage.DB, l *audit.Log) error {
		// The verdict says that the key of checkpoints is lost, and that a halted
		// sequencer takes nothing any more.
		if err := l.Prepare(ctx); err != nil && !audit.KeyLost(err) {
			return err
		}
		alarm := (*audit.Alarm)(nil)
		if err := c.catchUp(ctx, l); err != nil && !errors.As(err, &alarm) {
			return err
		}
		v, err := l.Verify(ctx, audit.VerifyOptions{Checkpoint: outside, Resume: cmd.Resume})
		if err != nil {
			return err
		}
		if err := c.print(v, verdictText(v)); err != nil {
			return err
		}
		if !v.OK {
			return errFault
		}
		return nil
	})
}

func readCheckpoint(path string) (string, error) {
	var file []byte
	var err error
	switch path {
	case "":
		return "", nil
	case "-":
		file, err = io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	default:
		file, err = os.ReadFile(path)
	}
	if err != nil {
		return "", usageError{wrong("checkpoint", err.Error(), "checkpoint.txt")}
	}
	text, err := audit.ReadCheckpoint(file)
	if err != nil {
		return "", usageError{wrong("checkpoint", err.Error(), "checkpoint.txt")}
	}
	return text, nil
}

func verdictText(v *audit.Verdict) string {
	if v.OK {
		return fmt.Sprintf("Nothing was changed: %d events, root %s", v.Size, v.Root)
	}
	text := "THE LOG IS NOT AS IT WAS WRITTEN: " + plain(*v.Problem)
	if v.FirstBadIndex != nil {
		text += fmt.Sprintf("\nFirst bad index: %d of %d", *v.FirstBadIndex, v.Size)
	}
	return text
}

type auditCheckpointCmd struct{}

// Run prints a checkpoint.
func (*auditCheckpointCmd) Run(ctx context.Context, c *commands) error {
	return c.withWholeAudit(ctx, func(ctx context.Context, l *audit.Log) error {
		signed, err := l.Checkpoint(ctx)
		if err != nil {
			return err
		}
		if err := l.Keep(ctx, signed); err != nil {
			return err
		}
		return c.print(signed, strings.TrimSuffix(signed.Note, "\n"))
	})
}

type auditProveCmd struct {
	ID   string `arg:"" optional:"" help:"Id of an event, as audit list shows it."`
	From int64  `default:"-1" help:"Size of an earlier tree, that of a checkpoint." placeholder:"N"`
	To   int64  `default:"-1" help:"Size of a later tree. Without it, the tree as it is now." placeholder:"M"`
}

// Run prints a proof.
func (cmd *auditProveCmd) Run(ctx context.Context, c *commands) error {
	if (cmd.ID == "") == (cmd.From < 0) || cmd.ID != "" && cmd.To >= 0 {
		return usageError{errors.New("audit prove: name either the id of an event or --from N (and --to M)")}
	}
	if _, err := uuid.Parse(cmd.ID); cmd.ID != "" && err != nil {
		return usageError{fmt.Errorf("audit prove: %q is no id of an event", cmd.ID)}
	}
	return c.withWholeAudit(ctx, func(ctx context.Context, l *audit.Log) error {
		if cmd.ID != "" {
			p, err := l.ProveEvent(ctx, cmd.ID)
			if err != nil {
				return err
			}
			return c.print(p, inclusionText(p))
		}
		p, err := l.ProveGrowth(ctx, cmd.From, cmd.To)
		if err != nil {
			return err
		}
		return c.print(p, consistencyText(p))
	})
}

func inclusionText(p *audit.Inclusion) string {
	text := fmt.Sprintf("Event %d of %d is in the log.\nLeaf hash %s\nRoot      %s\nProof", p.Index, p.Size, p.LeafHash, p.Root)
	for _, h := range p.Proof {
		text += "\n  " + h.String()
	}
	return text + "\n\n" + strings.TrimSuffix(p.Checkpoint, "\n")
}

func consistencyText(p *audit.Consistency) string {
	text := fmt.Sprintf("The log of size %d is the beginning of that of size %d.\nRoot at %d: %s\nRoot at %d: %s\nProof",
		p.From, p.To, p.From, p.FromRoot, p.To, p.ToRoot)
	for _, h := range p.Proof {
		text += "\n  " + h.String()
	}
	return text
}
