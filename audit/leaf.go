package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/storage"
)

// A leaf is: format version (1 byte), the public part of the event as canonical
// JSON (RFC 8785), SHA-256 of the personal part's ciphertext (32 bytes; of the
// empty string when there is none). It is stored as bytes and never made again.
//
// The format is final. Another one gets another version and stands beside it.
const leafVersion = 1

// Leaf is what a leaf says.
type Leaf struct {
	SequencedAt  time.Time
	Event        latchkey.RecordedEvent // without Index and Personal
	PersonalHash [sha256.Size]byte
}

// leafV1 is the public part in version 1. Members stand in the order of RFC
// 8785; those that are empty are left out. Ids only: never a name, never a whole
// address.
type leafV1 struct {
	ActorID       string         `json:"actor_id,omitzero"`
	ActorKind     string         `json:"actor_kind"`
	AddressPrefix string         `json:"address_prefix,omitzero"`
	Agent         string         `json:"agent,omitzero"`
	ClientID      string         `json:"client_id,omitzero"`
	Detail        jsontext.Value `json:"detail,omitzero"`
	Event         string         `json:"event"`
	ID            string         `json:"id"`
	Outcome       string         `json:"outcome"`
	PasskeyID     string         `json:"passkey_id,omitzero"`
	Reason        string         `json:"reason,omitzero"`
	RequestID     string         `json:"request_id,omitzero"`
	SequencedAt   string         `json:"sequenced_at"`
	SessionID     string         `json:"session_id,omitzero"`
	Subject       string         `json:"subject,omitzero"`
	Time          string         `json:"time"`
}

// encode makes the bytes of a leaf.
func (l *Leaf) encode() ([]byte, error) {
	e := &l.Event
	detail := jsontext.Value(bytes.Clone(e.Detail))
	if err := detail.Canonicalize(); err != nil {
		return nil, fmt.Errorf("encode the detail of event %s: %w", e.ID, err)
	}
	switch {
	case detail.Kind() != '{':
		return nil, fmt.Errorf("encode event %s: its detail is no JSON object", e.ID)
	case len(detail) == len("{}"):
		detail = nil
	}
	out := bytes.NewBuffer(make([]byte, 0, 512))
	out.WriteByte(leafVersion)
	err := json.MarshalWrite(out, &leafV1{
		ActorID: e.ActorID, ActorKind: string(e.ActorKind), AddressPrefix: e.Prefix, Agent: e.Agent, ClientID: e.ClientID, Detail: detail,
		Event: string(e.Kind), ID: e.ID, Outcome: string(e.Outcome), PasskeyID: e.PasskeyID, Reason: e.Reason, RequestID: e.RequestID,
		SequencedAt: spell(l.SequencedAt), SessionID: e.SessionID, Subject: e.Subject, Time: spell(e.Time),
	})
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	out.Write(l.PersonalHash[:])
	return out.Bytes(), nil
}

// ParseLeaf reads the bytes of a leaf. It refuses everything that encode would
// not have written.
func ParseLeaf(b []byte) (*Leaf, error) {
	if len(b) < 1+len("{}")+sha256.Size {
		return nil, errors.New("a leaf is longer than that")
	}
	if b[0] != leafVersion {
		return nil, fmt.Errorf("the leaf has format %d, which this version does not know", b[0])
	}
	var v leafV1
	public := b[1 : len(b)-sha256.Size]
	if err := json.Unmarshal(public, &v, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read a leaf: %w", err)
	}
	l := &Leaf{Event: latchkey.RecordedEvent{
		ID: v.ID, Kind: latchkey.EventKind(v.Event), ActorKind: latchkey.ActorKind(v.ActorKind), ActorID: v.ActorID, Subject: v.Subject,
		ClientID: v.ClientID, PasskeyID: v.PasskeyID, SessionID: v.SessionID, Outcome: latchkey.Outcome(v.Outcome), Reason: v.Reason,
		RequestID: v.RequestID, Prefix: v.AddressPrefix, Agent: v.Agent, Detail: v.Detail,
	}}
	if l.Event.Detail == nil {
		l.Event.Detail = []byte("{}")
	}
	copy(l.PersonalHash[:], b[len(b)-sha256.Size:])
	var err error
	if l.SequencedAt, err = time.Parse(timeFormat, v.SequencedAt); err != nil {
		return nil, fmt.Errorf("read a leaf: %w", err)
	}
	if l.Event.Time, err = time.Parse(timeFormat, v.Time); err != nil {
		return nil, fmt.Errorf("read a leaf: %w", err)
	}
	again, err := l.encode()
	if err != nil || !bytes.Equal(again, b) {
		return nil, errors.New("the leaf is not in canonical form")
	}
	return l, nil
}

// leafOf is what the columns of a stored leaf say.
func leafOf(row *storage.AuditLeaf) *Leaf {
	return &Leaf{SequencedAt: row.SequencedAt, Event: row.Event, PersonalHash: row.PersonalHash}
}
