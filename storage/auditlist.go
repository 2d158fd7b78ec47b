package storage

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
)

// EventQuery says which events are looked for.
type EventQuery struct {
	Kind   latchkey.EventKind // "" = any
	UserID string             // by this person or about them; "" = any
	Since  time.Time          // not older than this; zero = any
	Within time.Duration      // not older than this by the database's clock; 0 = any
	Cursor string             // Next of the page before; "" = the newest
	Limit  int                // at most so many; 0 = 50
}

// EventPage is one page of the log, the newest first.
type EventPage struct {
	Items []latchkey.RecordedEvent
	Next  string // cursor of the next page; "" = this is the last
}

// matches is the query as a condition, the same for leaves and for what is
// pending: an event keeps its place in the list when it comes into the tree.
// What is not asked for is not in it, so that the planner sees what is.
func (eq EventQuery) matches() string {
	where := ` (created_at, id) < (@at, @id)`
	if eq.Kind != "" {
		where += ` AND kind = @kind`
	}
	if eq.UserID != "" {
		where += ` AND (subject = @user::text::uuid OR actor_kind = 'user' AND actor_id = @user::text)`
	}
	if !eq.Since.IsZero() {
		where += ` AND created_at >= @since`
	}
	if eq.Within != 0 {
		where += ` AND created_at >= now() - @within::interval`
	}
	return where
}

// listedEvent is a row of the list with its sealed personal part.
type listedEvent struct {
	event    latchkey.RecordedEvent
	personal []byte
	pending  bool
}

// Events lists the log, pending events too. Personal parts are opened where the
// key lives. A cursor that is none of ours is ErrInvalid.
func (qs *queries) Events(ctx context.Context, eq EventQuery) (*EventPage, error) {
	at, id, err := readEventCursor(eq.Cursor)
	if err != nil {
		return nil, err
	}
	limit := orDefault(eq.Limit, 50)
	a := args{"at": at, "id": id, "kind": string(eq.Kind), "user": eq.UserID, "since": eq.Since, "within": eq.Within, "limit": limit + 1}
	page := &EventPage{Items: []latchkey.RecordedEvent{}}
	err = qs.do(ctx, func(q querier) error {
		rows, err := list(ctx, q, `
			(SELECT index, false, personal,`+auditEventColumns+` FROM audit_leaf WHERE`+eq.matches()+` ORDER BY created_at DESC, id DESC LIMIT @limit)
			UNION ALL
			(SELECT NULL, true, personal,`+auditEventColumns+` FROM audit_pending WHERE`+eq.matches()+` ORDER BY created_at DESC, id DESC LIMIT @limit)
			ORDER BY 5 DESC, 4 DESC
			LIMIT @limit`, a, scanListed)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			last := rows[limit-1].event
			page.Next = eventCursor(last.Time, last.ID)
		}
		page.Items, err = qs.openListed(ctx, q, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return page, nil
}

func scanListed(row pgx.CollectableRow) (l listedEvent, err error) {
	err = scanEvent(row, &l.event, &l.event.Index, &l.pending, &l.personal)
	return l, err
}

// openListed opens the personal parts. One that does not open is left out: to
// find that is the business of verification.
func (qs *queries) openListed(ctx context.Context, q querier, rows []listedEvent) ([]latchkey.RecordedEvent, error) {
	ids := map[string]struct{}{}
	for _, row := range rows {
		if row.pending {
			continue
		}
		if parts, err := splitPersonal(row.personal); err == nil {
			for _, part := range parts {
				ids[part.keyID] = struct{}{}
			}
		}
	}
	keys, err := qs.personKeysByID(ctx, q, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return nil, err
	}
	events := make([]latchkey.RecordedEvent, len(rows))
	for i, row := range rows {
		events[i] = row.event
		if row.pending {
			var parts personalParts
			parts, err = qs.openParts(row.event.ID, row.personal)
			events[i].Personal = map[string]string{}
			maps.Copy(events[i].Personal, parts.Actor)
			maps.Copy(events[i].Personal, parts.Subject)
		} else {
			events[i].Personal, err = openPersonal(row.event.ID, row.personal, keys)
		}
		if err != nil && !errors.Is(err, latchkey.ErrSealMismatch) {
			return nil, err
		}
	}
	return events, nil
}

func eventCursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(id + " " + at.Format(time.RFC3339Nano)))
}

func readEventCursor(cursor string) (at any, id string, err error) {
	if cursor == "" {
		return "infinity", uuid.Max.String(), nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	id, spelled, _ := strings.Cut(string(raw), " ")
	_, badID := uuid.Parse(id)
	t, badTime := time.Parse(time.RFC3339Nano, spelled)
	if err != nil || badID != nil || badTime != nil {
		return nil, "", latchkey.Refuse(latchkey.ErrInvalid, "invalid_cursor", "There is no such page of the list. Begin at the first one.")
	}
	return t, id, nil
}
