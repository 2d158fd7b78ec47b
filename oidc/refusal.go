package oidc

import (
	"context"
	"errors"

	"latchkey"
)

// recorded is a refusal whose event is written already.
type recorded struct{ *fault }

// Unwrap keeps the fault visible to errors.As.
func (r *recorded) Unwrap() error { return r.fault }

// tokenRefused records a refusal that is about a token, unless the statement
// that judged did, and passes it on.
func (p *Provider) tokenRefused(ctx context.Context, u *unit, err error) error {
	f := (*fault)(nil)
	if r := (*recorded)(nil); errors.As(err, &r) || !errors.As(err, &f) {
		return err
	}
	ev := latchkey.Event{Kind: latchkey.TokenRefused, Outcome: latchkey.Failure, Reason: f.why()}
	if u.client != nil {
		ev.ClientID = u.client.ID
	}
	if u.redeem != nil {
		ev.Subject, ev.SessionID, ev.GrantID = u.redeem.Grant.UserID, u.redeem.Grant.SessionID, u.redeem.Grant.ID
	}
	if failed := p.refused(ctx, ev); failed != nil {
		return failed
	}
	return &recorded{f}
}

// authorizationRefused records a refusal of an authorization request.
func (p *Provider) authorizationRefused(ctx context.Context, clientName, reason string) error {
	if !latchkey.ClientID(clientName) {
		clientName = ""
	}
	return p.refused(ctx, latchkey.Event{Kind: latchkey.AuthorizationRefused, ClientID: clientName, Outcome: latchkey.Failure, Reason: reason})
}
