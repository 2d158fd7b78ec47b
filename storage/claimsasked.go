package storage

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// askedArgs are the arguments for the claims that a request asks for by name:
// what the grant keeps, and which of them need a consent of their own beside
// that to the scopes, with the scope that would give each.
func askedArgs(a args, asked latchkey.AskedClaims, scopes []string) error {
	a["claims"] = nil
	if len(asked.Userinfo)+len(asked.IDToken) > 0 {
		encoded, err := json.Marshal(asked)
		if err != nil {
			return fmt.Errorf("encode the claims of a grant: %w", err)
		}
		a["claims"] = encoded
	}
	names, from := []string{}, []string{}
	for _, c := range asked.Beyond(scopes) {
		names, from = append(names, c.Name), append(from, c.Scope)
	}
	a["beyond"], a["beyond_scopes"] = names, from
	return nil
}

// toldPerson is the person of grant g as userinfo tells of them, if the grant
// asks for claims in its ID token: what that costs, nobody else pays.
const toldPerson = `CASE WHEN g.claims ? 'id_token' THEN (
	SELECT jsonb_build_object('username', p.username, 'display_name', p.display_name, 'email', p.email, 'email_verified_at', p.email_verified_at,
		'claims', p.claims, 'updated_at', p.updated_at,
		'groups', ARRAY(SELECT gr.name FROM memberships m JOIN groups gr ON gr.id = m.group_id WHERE m.user_id = p.id ORDER BY gr.name_key))
	FROM users p WHERE p.id = g.user_id) END`

// scanRedeemed reads grantColumns, a verdict, the subject, the time and
// toldPerson.
func scanRedeemed(row pgx.CollectableRow) (Redeemed, error) {
	var r Redeemed
	var raw []byte
	err := scanGrant(row, &r.Grant, &r.Verdict, &r.Subject, &r.At, &raw)
	if err != nil || raw == nil {
		return r, err
	}
	var told struct {
		Username        string         `json:"username"`
		DisplayName     string         `json:"display_name"`
		Email           string         `json:"email"`
		EmailVerifiedAt time.Time      `json:"email_verified_at"`
		Claims          map[string]any `json:"claims"`
		UpdatedAt       time.Time      `json:"updated_at"`
		Groups          []string       `json:"groups"`
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		return r, fmt.Errorf("read a person for an ID token: %w", err)
	}
	r.Person = &latchkey.User{ID: r.Grant.UserID, Subject: r.Subject, Username: told.Username, DisplayName: told.DisplayName, Email: told.Email,
		EmailVerifiedAt: told.EmailVerifiedAt, Claims: told.Claims, UpdatedAt: told.UpdatedAt, Groups: told.Groups}
	return r, nil
}
