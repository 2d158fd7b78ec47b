package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// GrantConsent remembers that a person allowed an application some scopes and
// takes the interaction one step on (needs), in one statement. It is good once
// for each time that the interaction waits for consent: afterwards, or for
// another browser, it is ErrNotFound and nothing changes.
func (qs *queries) GrantConsent(ctx context.Context, in *latchkey.Interaction, browser string, c latchkey.Consent) error {
	hash, err := qs.ring.HashToken(purposeInteraction, in.ID)
	if err != nil {
		return latchkey.ErrNotFound
	}
	needs, err := json.Marshal(in.Needs)
	if err != nil {
		return fmt.Errorf("encode needs: %w", err)
	}
	a, err := qs.eventArgs(ctx, latchkey.Event{Kind: latchkey.ConsentGranted, Subject: c.UserID, ClientID: c.ClientID,
		Detail: map[string]any{"scopes": c.Scopes}})
	if err != nil {
		return err
	}
	a["id"], a["kind"], a["browsers"], a["needs"] = hash, "pending", qs.browserHashes(browser), needs
	a["user"], a["client"], a["scopes"] = c.UserID, c.ClientID, texts(c.Scopes)
	err = qs.do(ctx, func(q querier) error {
		n, err := one(ctx, q, `
			WITH step AS (
				UPDATE interactions SET needs = @needs
				WHERE `+interactionOpen+` AND client_id = @client AND needs->>'reason' = 'consent'
				RETURNING client_id
			), kept AS (
				INSERT INTO consents AS k (user_id, client_id, scopes)
				SELECT @user::uuid, client_id, @scopes FROM step
				ON CONFLICT (user_id, client_id) DO UPDATE
				SET scopes = CASE WHEN k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
				                  THEN ARRAY(SELECT DISTINCT s FROM unnest(k.scopes || excluded.scopes) s ORDER BY s)
				                  ELSE excluded.scopes END,
				    granted_at = now(), expires_at = NULL, revoked_at = NULL
			), event AS (`+insertEventFrom(eventAsGiven, "step")+`)
			SELECT count(*) FROM step`, a, pgx.RowTo[int])
		if err == nil && n == 0 {
			return latchkey.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("grant consent: %w", err)
	}
	return nil
}

// Consents returns what a person allows applications now, by the name of the
// application.
func (qs *queries) Consents(ctx context.Context, userID string) ([]latchkey.Consent, error) {
	var items []latchkey.Consent
	err := qs.do(ctx, func(q querier) (err error) {
		items, err = list(ctx, q, `
			SELECT k.user_id, k.client_id, c.name, k.scopes, k.granted_at, k.expires_at
			FROM consents k JOIN clients c ON c.id = k.client_id
			WHERE k.user_id = @user AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
			ORDER BY lower(c.name), c.id`, args{"user": userID}, scanConsent)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list consents: %w", err)
	}
	return items, nil
}

func scanConsent(row pgx.CollectableRow) (latchkey.Consent, error) {
	var k latchkey.Consent
	var expires *time.Time
	err := row.Scan(&k.UserID, &k.ClientID, &k.ClientName, &k.Scopes, &k.GrantedAt, &expires)
	k.ExpiresAt = timeOf(expires)
	return k, err
}

// WithdrawConsent takes back what a person allowed an application: the consent
// and everything issued under it, refresh and access tokens alike, end now
// (CONTRACT: what ends what). Without anything to end it is ErrNotFound.
func (tx *Tx) WithdrawConsent(ctx context.Context, userID, clientID string) error {
	withdrawn, err := exec(ctx, tx.tx, `
		UPDATE consents SET revoked_at = now()
		WHERE user_id = @user AND client_id = @client AND revoked_at IS NULL`, args{"user": userID, "client": clientID})
	if err != nil {
		return fmt.Errorf("withdraw consent: %w", err)
	}
	ended, err := tx.EndSessions(ctx, Ending{Cause: ConsentWithdrawn, UserID: userID, ClientID: clientID})
	if err != nil {
		return err
	}
	if withdrawn == 0 && ended.Grants == 0 {
		return latchkey.ErrNotFound
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.ConsentRevoked, Subject: userID, ClientID: clientID,
		Detail: map[string]any{"grants": ended.Grants}})
}
