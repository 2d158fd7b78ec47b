package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// intoEvents begins every statement that writes events.
const intoEvents = `
	INSERT INTO audit_pending (id, kind, actor_kind, actor_id, subject, client_id, passkey_id, session_id,
	                           success, reason, request_id, address_prefix, agent, detail, personal)`

// insertEvent writes one event where the sequencer finds it. Its arguments are
// those of eventArgs.
const insertEvent = intoEvents + `
	VALUES (@event_id, @event_kind, @event_actor_kind, @event_actor_id, @event_subject, @event_client, @event_passkey, @event_session,
	        @event_success, @event_reason, @event_request, @event_prefix, @event_agent, @event_detail, @event_personal)`

// Record writes an event; within a transaction it commits or fails with the
// change it tells of.
func (qs *queries) Record(ctx context.Context, ev latchkey.Event) error {
	a, err := qs.eventArgs(ctx, ev)
	if err != nil {
		return err
	}
	return qs.do(ctx, func(q querier) error {
		if _, err := q.Exec(ctx, insertEvent, a); err != nil {
			return fmt.Errorf("record %s: %w", ev.Kind, err)
		}
		return nil
	})
}

// queueEvent adds the event's statement to a batch that also holds the change.
func (qs *queries) queueEvent(ctx context.Context, b *pgx.Batch, ev latchkey.Event) error {
	a, err := qs.eventArgs(ctx, ev)
	if err != nil {
		return err
	}
	b.Queue(insertEvent, a)
	return nil
}

// eventArgs are the arguments of insertEvent for ev done by the actor of ctx;
// a statement that judges and records at once uses them too.
func (qs *queries) eventArgs(ctx context.Context, ev latchkey.Event) (args, error) {
	actor := latchkey.ActorFrom(ctx)
	id := newID()
	personal, err := qs.sealPersonal(id, actor, ev)
	if err != nil {
		return nil, fmt.Errorf("seal the personal part of %s: %w", ev.Kind, err)
	}
	detail, err := publicDetail(ev)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", ev.Kind, err)
	}
	session := ev.SessionID
	if session == "" {
		session = actor.SessionID
	}
	return args{
		"event_id":         id,
		"event_kind":       string(ev.Kind),
		"event_actor_kind": string(actor.Kind),
		"event_actor_id":   actorID(actor),
		"event_subject":    orNull(ev.Subject),
		"event_client":     ev.ClientID,
		"event_passkey":    orNull(ev.PasskeyID),
		"event_session":    orNull(session),
		"event_success":    ev.Outcome != latchkey.Failure,
		"event_reason":     ev.Reason,
		"event_request":    actor.RequestID,
		"event_prefix":     latchkey.AddressPrefix(actor.Address),
		"event_agent":      actor.Agent,
		"event_detail":     detail,
		"event_personal":   personal,
	}, nil
}

func actorID(a latchkey.Actor) string {
	switch a.Kind {
	case latchkey.ActorUser:
		return a.UserID
	case latchkey.ActorClient:
		return a.ClientID
	}
	return ""
}

// sealPersonal seals what the event says of people: where the actor was, with
// what browser, and the names that the event carries.
func (qs *queries) sealPersonal(id string, actor latchkey.Actor, ev latchkey.Event) ([]byte, error) {
	personal := personalParts{Actor: map[string]string{}, Subject: ev.Personal}
	if actor.Address.IsValid() {
		personal.Actor["ip_address"] = actor.Address.Unmap().String()
	}
	if actor.UserAgent != "" {
		personal.Actor["user_agent"] = actor.UserAgent
	}
	if actor.Name != "" {
		personal.Actor["operator"] = actor.Name
	}
	if len(personal.Actor)+len(personal.Subject) == 0 {
		return nil, nil
	}
	plain, err := json.Marshal(personal)
	if err != nil {
		return nil, err
	}
	// No owner: a statement that judges finds out by itself whom its event is
	// about. The row's id, which no other row has, binds the text to its place.
	return qs.seal("audit_pending", "personal", id, "", plain)
}

func publicDetail(ev latchkey.Event) ([]byte, error) {
	detail := maps.Clone(ev.Detail)
	if detail == nil {
		detail = map[string]any{}
	}
	if ev.GrantID != "" {
		detail["grant_id"] = ev.GrantID
	}
	if ev.Object != "" {
		detail["object"] = ev.Object
	}
	return json.Marshal(detail)
}
