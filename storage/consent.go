package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// GrantConsent remembers that a person allowed an application some scopes and
// claims and takes the interaction one step on (needs), in one statement. It is good once
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
	detail := map[string]any{"scopes": c.Scopes}
	if len(c.Claims) > 0 {
		detail["claims"] = c.Claims
	}
	if len(c.APIs) > 0 {
		detail["resources"] = c.APIs
	}
	a, err := qs.eventArgs(ctx, latchkey.Event{Kind: latchkey.ConsentGranted, Subject: c.UserID, ClientID: c.ClientID, Detail: detail})
	if err != nil {
		return err
	}
	a["id"], a["kind"], a["browsers"], a["needs"] = hash, "pending", qs.browserHashes(browser), needs
	a["user"], a["client"], a["scopes"], a["claims"], a["apis"] = c.UserID, c.ClientID, texts(c.Scopes), texts(c.Claims), texts(c.APIs)
	err = qs.do(ctx, func(q querier) error {
		n, err := one(ctx, q, `
			WITH step AS (
				UPDATE interactions SET needs = @needs
				WHERE `+interactionOpen+` AND client_id = @client AND needs->>'reason' = 'consent'
				RETURNING client_id
			), kept AS (
				INSERT INTO consents AS k (user_id, client_id, scopes, claims, audience)
				SELECT @user::uuid, client_id, @scopes, (SELECT coalesce(jsonb_object_agg(n, true), '{}') FROM unnest(@claims::text[]) n), @apis FROM step
				ON CONFLICT (user_id, client_id) DO UPDATE
				SET scopes = CASE WHEN k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
				                  THEN ARRAY(SELECT DISTINCT s FROM unnest(k.scopes || excluded.scopes) s ORDER BY s)
				                  ELSE excluded.scopes END,
				    claims = CASE WHEN k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
				                  THEN k.claims || excluded.claims ELSE excluded.claims END,
				    audience = CASE WHEN k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
				                    THEN ARRAY(SELECT DISTINCT r FROM unnest(k.audience || excluded.audience) r ORDER BY r)
				                    ELSE excluded.audience END,
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

// Apps returns the applications of a person, by name: those with a consent of
// theirs, and those that administrators provide without asking for one, as far
// as the person's groups let them in.
func (qs *queries) Apps(ctx context.Context, userID string) ([]latchkey.AppUse, error) {
	var items []latchkey.AppUse
	err := qs.do(ctx, func(q querier) (err error) {
		items, err = list(ctx, q, `
			SELECT c.id, c.name, coalesce(c.metadata->>'client_uri', ''), c.redirect_uris, c.first_party,
			       coalesce(k.scopes, '{}'), ARRAY(SELECT jsonb_object_keys(k.claims) ORDER BY 1), k.granted_at,
			       (SELECT max(greatest(g.created_at, g.rt_rotated_at)) FROM grants g
			        WHERE g.user_id = @user AND g.client_id = c.id AND g.revoked_at IS NULL AND g.expires_at > now() AND g.code_uses > 0)
			FROM clients c
			LEFT JOIN consents k ON k.client_id = c.id AND k.user_id = @user
			                    AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
			WHERE k.user_id IS NOT NULL
			   OR (c.first_party AND c.enabled AND 'authorization_code' = ANY(c.grant_types)
			       AND (NOT EXISTS (SELECT FROM client_groups cg WHERE cg.client_id = c.id)
			            OR EXISTS (SELECT FROM client_groups cg JOIN memberships m ON m.group_id = cg.group_id
			                       WHERE cg.client_id = c.id AND m.user_id = @user)))
			ORDER BY lower(c.name), c.id`, args{"user": userID}, scanApp)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the applications of a person: %w", err)
	}
	return items, nil
}

func scanApp(row pgx.CollectableRow) (latchkey.AppUse, error) {
	var a latchkey.AppUse
	err := row.Scan(&a.ClientID, &a.Name, &a.URI, &a.RedirectURIs, &a.FirstParty, &a.Scopes, &a.Claims, orZero{&a.AllowedAt}, orZero{&a.UsedAt})
	return a, err
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
