package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

// Purposes of hashes of things that count once.
const (
	purposeSpent     seal.Purpose = "spent"
	purposeAssertion seal.Purpose = "client assertion"
)

// Access is an access token whose signature and times were found right, as far
// as its row has to be asked.
type Access struct {
	GrantID  string // empty for client_credentials, which have no row
	ClientID string // that the token was issued to
	JTI      string
	IssuedAt time.Time // the database's time, from the jti
	For      []string  // the resources of its audience that are asked about
}

// AccessState is the verdict on an access token, with the person as userinfo
// tells of them.
type AccessState struct {
	Redeemed
	User   latchkey.User // groups filled
	Scopes []string      // of its own that the application may have now

	// Resources are those that were asked about and are APIs which the application may
	// have tokens for now, and Permissions its permissions there.
	Resources, Permissions []string
}

// AccessState judges an access token: its grant lives, and so do person,
// application and membership; it was not revoked by itself.
func (qs *queries) AccessState(ctx context.Context, at Access) (*AccessState, error) {
	out := AccessState{Redeemed: Redeemed{Verdict: IsUnknown}}
	a := args{"grant": at.GrantID, "client": at.ClientID, "issued": at.IssuedAt, "jti": qs.ring.HashAll(purposeSpent, at.JTI), "audience": texts(at.For)}
	err := qs.do(ctx, func(q querier) error {
		rows, err := list(ctx, q, `
			SELECT`+grantColumns+`, CASE
				WHEN g.client_id <> @client    THEN 'wrong_client'
				WHEN g.revoked_at IS NOT NULL AND g.revoke_reason <> 'session_expired' THEN 'revoked'`+peopleStand+`
				WHEN g.access_not_before >= @issued THEN 'ended'
				WHEN EXISTS (SELECT 1 FROM spent s WHERE s.kind = 'access_token' AND s.hash = ANY(@jti)) THEN 'revoked'
				ELSE 'active' END, u.subject, now(),
				u.username, u.display_name, u.email, u.email_verified_at, u.claims, u.updated_at, c.scopes,
				ARRAY(SELECT a.resource FROM api_clients o JOIN apis a ON a.id = o.api_id
				      WHERE o.client_id = c.id AND o.people AND a.resource = ANY(@audience::text[])),
				ARRAY(SELECT x.scope FROM api_client_permissions x JOIN apis a ON a.id = x.api_id
				      WHERE x.client_id = c.id AND x.people AND a.resource = ANY(@audience::text[])),
				ARRAY(SELECT gr.name FROM memberships m JOIN groups gr ON gr.id = m.group_id WHERE m.user_id = u.id ORDER BY gr.name_key)
			FROM grants g JOIN users u ON u.id = g.user_id JOIN clients c ON c.id = g.client_id
			WHERE g.id = @grant`, a, scanAccessState)
		if err == nil && len(rows) > 0 {
			out = rows[0]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("judge access token: %w", err)
	}
	return &out, nil
}

func scanAccessState(row pgx.CollectableRow) (AccessState, error) {
	var s AccessState
	var email *string
	var verified *time.Time
	var claims []byte
	err := scanGrant(row, &s.Grant, &s.Verdict, &s.Subject, &s.At,
		&s.User.Username, &s.User.DisplayName, &email, &verified, &claims, &s.User.UpdatedAt, &s.Scopes, &s.Resources, &s.Permissions, &s.User.Groups)
	if err != nil {
		return s, err
	}
	s.User.ID, s.User.Subject, s.User.Email, s.User.EmailVerifiedAt = s.Grant.UserID, s.Subject, textOf(email), timeOf(verified)
	return s, json.Unmarshal(claims, &s.User.Claims)
}

// Spent tells whether an access token without a row was revoked by itself.
func (qs *queries) Spent(ctx context.Context, jti string) (spent bool, err error) {
	err = qs.do(ctx, func(q querier) error {
		spent, err = one(ctx, q, `
			SELECT EXISTS (SELECT 1 FROM spent WHERE kind = 'access_token' AND hash = ANY(@jti))`,
			args{"jti": qs.ring.HashAll(purposeSpent, jti)}, pgx.RowTo[bool])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for revoked token: %w", err)
	}
	return spent, nil
}

// SpendAssertion marks an assertion of a client as used, by its id, until it
// expires. first tells whether it was not used before: of several that come at
// once it is true for one (RFC 7523 §3, point 7).
func (qs *queries) SpendAssertion(ctx context.Context, clientID, jti string, expires time.Time) (first bool, err error) {
	id := clientID + "\x00" + jti
	err = qs.do(ctx, func(q querier) error {
		n, err := exec(ctx, q, `
			INSERT INTO spent (kind, hash, expires_at)
			SELECT 'assertion', @hash, @expires
			WHERE NOT EXISTS (SELECT 1 FROM spent WHERE kind = 'assertion' AND hash = ANY(@hashes)) -- under an older key
			ON CONFLICT DO NOTHING`,
			args{"hash": qs.ring.Hash(purposeAssertion, id), "hashes": qs.ring.HashAll(purposeAssertion, id), "expires": expires})
		first = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("spend assertion: %w", err)
	}
	return first, nil
}

// RevokeAccess ends one access token at the request of the client that it was
// issued to, until its own end, and records it once.
func (qs *queries) RevokeAccess(ctx context.Context, at Access, expires time.Time) error {
	a, err := qs.eventArgs(ctx, latchkey.Event{Kind: latchkey.TokenRevoked, ClientID: at.ClientID, GrantID: at.GrantID, Reason: "access_token"})
	if err != nil {
		return err
	}
	a["jti"], a["expires"], a["grant"] = qs.ring.Hash(purposeSpent, at.JTI), expires, orNull(at.GrantID)
	err = qs.do(ctx, func(q querier) error {
		_, err := q.Exec(ctx, `
			WITH new AS (
				INSERT INTO spent (kind, hash, expires_at) VALUES ('access_token', @jti, @expires)
				ON CONFLICT DO NOTHING
				RETURNING 1
			), about AS (
				SELECT g.user_id, g.session_id FROM new LEFT JOIN grants g ON g.id = @grant::uuid
			)`+insertEventFrom(eventShape{subject: "user_id", session: "session_id"}, "about"), a)
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke access token: %w", err)
	}
	return nil
}
