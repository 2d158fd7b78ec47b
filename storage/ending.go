package storage

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
)

// Cause is why sessions and grants end. It is the revoke_reason of the grants
// and the reason of the event.
type Cause string

// The causes, row by row of the table "what ends what". Expiry is the sweeper's
// and reuse of codes and refresh tokens the grants' own business.
const (
	SignedOut        Cause = "signed_out"        // one session
	PasskeyRemoved   Cause = "passkey_removed"   // the sessions made with it
	SignedOutAll     Cause = "signed_out_all"    // all of a person
	Recovered        Cause = "recovered"         // all of a person
	UserDisabled     Cause = "user_disabled"     // all of a person
	UserErased       Cause = "user_erased"       // all of a person
	ClientDisabled   Cause = "client_disabled"   // an application's grants
	GroupTaken       Cause = "group_taken"       // an application's grants for one person
	GroupsNarrowed   Cause = "groups_narrowed"   // an application's grants for those whom its groups shut out
	ConsentWithdrawn Cause = "consent_withdrawn" // an application's grants for one person
	SessionExpired   Cause = "session_expired"   // the sweeper's; access tokens live to their end
)

// Ending says what ends. Which of the fields are needed depends on the cause.
type Ending struct {
	Cause        Cause
	UserID       string // whose; empty only for ClientDisabled and GroupsNarrowed
	SessionID    string // SignedOut: which
	CredentialID string // PasskeyRemoved: our id of the passkey
	ClientID     string // ClientDisabled, GroupTaken, GroupsNarrowed, ConsentWithdrawn: which application
	Except       string // SignedOutAll, Recovered: this session and its grants stay
}

// Ended counts what ended.
type Ended struct {
	Sessions int
	Grants   int    // revoked, so that no refresh token of theirs works
	Told     []Told // applications that have to hear of it, once for each session
}

// Told is an application that has to hear that a session is over.
type Told struct {
	NoticeID        string // of its notice by the back channel; "" = it registered no address
	ClientID        string
	App             string // its name
	SessionID       string
	FrontchannelURI string // to be loaded in the browser of the session; "" = none
}

// rule is a row of the table.
type rule struct {
	sessions string // condition on sessions s that end; empty = none
	grants   string // condition on grants g that are touched
	offline  bool   // refresh with offline_access ends too
	tell     bool
}

var rules = map[Cause]rule{
	SignedOut: {
		sessions: `s.id = @session::uuid AND s.user_id = @user::uuid`,
		grants:   `g.session_id = ANY(@ended::uuid[])`, tell: true,
	},
	PasskeyRemoved: {
		sessions: `s.credential_id = @credential::uuid AND s.user_id = @user::uuid`,
		grants:   `g.session_id = ANY(@ended::uuid[])`, tell: true,
	},
	SignedOutAll:   everything,
	Recovered:      everything,
	UserDisabled:   everything,
	UserErased:     everything,
	ClientDisabled: {grants: `g.client_id = @client::text`, offline: true},
	GroupTaken:     {grants: `g.client_id = @client::text AND g.user_id = @user::uuid`, offline: true},
	GroupsNarrowed: {grants: `g.client_id = @client::text AND NOT EXISTS (
		SELECT FROM client_groups cg JOIN memberships m ON m.group_id = cg.group_id
		WHERE cg.client_id = g.client_id AND m.user_id = g.user_id)`, offline: true},
	ConsentWithdrawn: {grants: `g.client_id = @client::text AND g.user_id = @user::uuid`, offline: true, tell: true},
}

var everything = rule{
	sessions: `s.user_id = @user::uuid AND s.id IS DISTINCT FROM @except::uuid`,
	grants:   `g.user_id = @user::uuid AND g.session_id IS DISTINCT FROM @except::uuid`, offline: true, tell: true,
}

// EndSessions ends what a cause ends: sessions are deleted, grants get
// revoked_at, their access tokens end by access_not_before, applications with a
// back-channel logout address get a job, and one event counts it all. Nothing
// is left to be concluded from a missing session.
//
// Where nothing was there to end, nothing is recorded and the counts are zero;
// a session that is not there or somebody else's is therefore not an error.
func (tx *Tx) EndSessions(ctx context.Context, e Ending) (Ended, error) {
	r, known := rules[e.Cause]
	if !known {
		return Ended{}, fmt.Errorf("end sessions: unknown cause %q", e.Cause)
	}
	for _, id := range []string{e.UserID, e.SessionID, e.CredentialID, e.Except} {
		if id != "" && uuid.Validate(id) != nil {
			return Ended{}, nil
		}
	}
	a := args{
		"user": orNull(e.UserID), "session": orNull(e.SessionID), "credential": orNull(e.CredentialID),
		"client": e.ClientID, "except": orNull(e.Except), "cause": string(e.Cause), "offline": r.offline, "ended": []string{},
	}
	ended := []string{}
	if r.sessions != "" {
		var err error
		if ended, err = tx.deleteSessions(ctx, r.sessions, a); err != nil {
			return Ended{}, err
		}
		a["ended"] = ended
	}
	grants, err := tx.endGrants(ctx, r, a)
	if err != nil {
		return Ended{}, err
	}
	counts, touched := Ended{Sessions: len(ended)}, 0
	for _, g := range grants {
		if g.Touched {
			touched++
		}
		if g.Revoked {
			counts.Grants++
		}
	}
	if r.tell {
		if counts.Told, err = tx.queueLogouts(ctx, grants); err != nil {
			return Ended{}, err
		}
	}
	if counts.Sessions == 0 && touched == 0 {
		return counts, nil
	}
	return counts, tx.recordEnding(ctx, e, counts, ended)
}

func (tx *Tx) deleteSessions(ctx context.Context, where string, a args) (ids []string, err error) {
	err = tx.do(ctx, func(q querier) error {
		ids, err = list(ctx, q, `DELETE FROM sessions s WHERE `+where+` RETURNING s.id`, a, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	return ids, nil
}

// endedGrant is a grant that ended, or one that ended before in a session that
// ends now: its application may have signed somebody in by it all the same.
type endedGrant struct {
	ClientID        string
	UserID          *string
	SessionID       *string
	Touched         bool // by this ending
	Revoked         bool // by this ending
	App             string
	BackchannelURI  *string
	FrontchannelURI *string
	Subject         *string
}

// endGrants ends access tokens of the grants and, unless they have
// offline_access and the cause spares that, their refresh tokens. A code that
// was not exchanged yet is no refresh token to spare: it ends.
//
// clock_timestamp, not now(): a token issued while this transaction waited for
// a lock was issued before its end.
//
// An application whose consent was withdrawn heard of that session then.
func (tx *Tx) endGrants(ctx context.Context, r rule, a args) (grants []endedGrant, err error) {
	a["tell"] = r.tell
	err = tx.do(ctx, func(q querier) error {
		grants, err = list(ctx, q, `
			WITH touched AS (
				UPDATE grants g
				SET access_not_before = clock_timestamp(),
				    revoked_at = CASE WHEN @offline::boolean OR g.code_uses = 0 OR NOT 'offline_access' = ANY(g.scopes)
				                      THEN clock_timestamp() ELSE g.revoked_at END,
				    revoke_reason = CASE WHEN @offline::boolean OR g.code_uses = 0 OR NOT 'offline_access' = ANY(g.scopes)
				                         THEN @cause::text ELSE g.revoke_reason END
				WHERE g.expires_at > now() AND `+r.grants+`
				  AND (g.revoked_at IS NULL OR g.revoke_reason = 'session_expired')
				RETURNING g.client_id, g.user_id, g.session_id, true AS touched, g.revoked_at IS NOT NULL AS revoked
			), over AS (
				SELECT * FROM touched
				UNION ALL
				SELECT g.client_id, g.user_id, g.session_id, false, false
				FROM grants g
				WHERE @tell::boolean AND g.session_id = ANY(@ended::uuid[]) AND g.expires_at > now()
				  AND g.revoked_at IS NOT NULL AND g.revoke_reason NOT IN ('session_expired', 'consent_withdrawn')
			)
			SELECT o.*, c.name, c.protocol->>'backchannel_logout_uri', c.protocol->>'frontchannel_logout_uri', u.subject
			FROM over o JOIN clients c ON c.id = o.client_id LEFT JOIN users u ON u.id = o.user_id
			ORDER BY c.name, o.client_id, o.session_id`,
			a, pgx.RowToStructByPos[endedGrant])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end grants: %w", err)
	}
	return grants, nil
}

func (tx *Tx) recordEnding(ctx context.Context, e Ending, n Ended, ended []string) error {
	event := latchkey.Event{
		Kind: latchkey.SessionEnded, Subject: e.UserID, ClientID: e.ClientID, PasskeyID: e.CredentialID, Reason: string(e.Cause),
		Detail: map[string]any{"sessions": n.Sessions, "grants": n.Grants, "told": notices(n.Told)},
	}
	if len(ended) == 1 {
		event.SessionID = ended[0]
	}
	if n.Sessions == 0 {
		event.Kind = latchkey.TokenRevoked
	}
	return tx.Record(ctx, event)
}
