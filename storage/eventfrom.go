package storage

import "strings"

// eventShape says where the columns of an event come from that the judging
// statement itself decides: SQL expressions, or the arguments of eventArgs.
type eventShape struct {
	kind, subject, session, success, reason, detail string
}

// eventAsGiven takes everything from the arguments.
var eventAsGiven = eventShape{
	kind: "@event_kind", subject: "@event_subject::uuid", session: "@event_session::uuid",
	success: "@event_success", reason: "@event_reason", detail: "@event_detail::jsonb",
}

// insertEventFrom is insertEvent for use within a statement that judges: one
// event for each row of from. Parts of shape that are empty are as given.
func insertEventFrom(shape eventShape, from string) string {
	or := func(s, byDefault string) string {
		if s == "" {
			return byDefault
		}
		return s
	}
	return intoEvents + `
		SELECT ` + strings.Join([]string{
		"@event_id", or(shape.kind, eventAsGiven.kind), "@event_actor_kind", "@event_actor_id",
		or(shape.subject, eventAsGiven.subject), "@event_client", "@event_passkey::uuid", or(shape.session, eventAsGiven.session),
		or(shape.success, eventAsGiven.success), or(shape.reason, eventAsGiven.reason), "@event_request", "@event_prefix", "@event_agent",
		or(shape.detail, eventAsGiven.detail), "@event_personal::bytea",
	}, ", ") + `
		FROM ` + from
}
