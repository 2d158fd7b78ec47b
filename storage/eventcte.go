package storage

import (
	"context"
	"strings"

	"latchkey"
)

// eventSelect is insertEvent for a statement that judges and records at once:
// one event for each row of from, under arguments that begin with name.
func eventSelect(name, from string) string { return insertEvents(eventRow(name, from)) }

// insertEvents writes the events of several eventRows. One INSERT for all of
// them is prepared once, with all its checks.
func insertEvents(rows ...string) string {
	return intoEvents + strings.Join(rows, " UNION ALL ")
}

func eventRow(name, from string) string {
	return strings.NewReplacer("@e_", "@"+name+"_").Replace(`
		SELECT @e_id::uuid, @e_kind::text, @e_actor_kind::text, @e_actor_id::text, @e_subject::uuid, @e_client::text,
		       @e_passkey::uuid, @e_session::uuid, @e_success::boolean, @e_reason::text, @e_request::text,
		       @e_prefix::text, @e_agent::text, @e_detail::jsonb, @e_personal::bytea
		FROM `) + from
}

// addEvent puts the arguments of eventRow(name, …) into a.
func (qs *queries) addEvent(ctx context.Context, a args, name string, ev latchkey.Event) error {
	event, err := qs.eventArgs(ctx, ev)
	if err != nil {
		return err
	}
	for key, value := range event {
		a[name+strings.TrimPrefix(key, "event")] = value
	}
	return nil
}
