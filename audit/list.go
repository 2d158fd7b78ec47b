package audit

import (
	"context"
	"encoding/json"

	"latchkey"
	"latchkey/storage"
)

// Entry is one event of the list. Its JSON is an item of `audit list`; what
// there is none of is null.
type Entry struct {
	Index         *int64            `json:"index"` // null while pending
	ID            string            `json:"id"`
	Time          string            `json:"time"`
	Event         string            `json:"event"`
	ActorKind     string            `json:"actor_kind"`
	Actor         *string           `json:"actor"` // id of a person or an application
	Subject       *string           `json:"subject"`
	ClientID      *string           `json:"client_id"`
	PasskeyID     *string           `json:"passkey_id"`
	SessionID     *string           `json:"session_id"`
	Outcome       string            `json:"outcome"`
	Reason        *string           `json:"reason"`
	RequestID     *string           `json:"request_id"`
	AddressPrefix *string           `json:"address_prefix"`
	Agent         *string           `json:"agent"`
	Detail        json.RawMessage   `json:"detail"`
	Personal      map[string]string `json:"personal"` // empty where the key is destroyed
}

// Page is one page of the list, the newest first.
type Page struct {
	Items      []Entry `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// List lists events, pending ones too.
func (l *Log) List(ctx context.Context, q storage.EventQuery) (*Page, error) {
	found, err := l.db.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	page := &Page{Items: make([]Entry, len(found.Items)), NextCursor: orNull(found.Next)}
	for i := range found.Items {
		page.Items[i] = entryOf(&found.Items[i])
	}
	return page, nil
}

func entryOf(e *latchkey.RecordedEvent) Entry {
	if e.Personal == nil {
		e.Personal = map[string]string{}
	}
	return Entry{
		Index: e.Index, ID: e.ID, Time: spell(e.Time), Event: string(e.Kind), ActorKind: string(e.ActorKind), Actor: orNull(e.ActorID),
		Subject: orNull(e.Subject), ClientID: orNull(e.ClientID), PasskeyID: orNull(e.PasskeyID), SessionID: orNull(e.SessionID),
		Outcome: string(e.Outcome), Reason: orNull(e.Reason), RequestID: orNull(e.RequestID), AddressPrefix: orNull(e.Prefix), Agent: orNull(e.Agent),
		Detail: e.Detail, Personal: e.Personal,
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
