package storage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const (
	purposeInteraction seal.Purpose = "interaction"
	purposeBrowser     seal.Purpose = "interaction browser"
	purposeConsentForm seal.Purpose = "consent form"
	purposeState       seal.Purpose = "browser state"
)

// interactionTTL is how long a request waits for the person (SECURITY: pending
// sign-in 15 min).
const interactionTTL = "15 minutes"

// CreateInteraction stores a validated request that waits for the person and
// returns its id, which exists only in the answer. browser is the raw value that
// names the browser; when it is empty, the first browser that comes with the id
// is bound (SetNeeds). Form, ClientID and Needs are taken from in.
func (qs *queries) CreateInteraction(ctx context.Context, in *latchkey.Interaction, browser string) (string, error) {
	return qs.createInteraction(ctx, "pending", in, browser)
}

// CreateLogout stores a request to sign out that waits for the person.
func (qs *queries) CreateLogout(ctx context.Context, in *latchkey.Interaction) (string, error) {
	return qs.createInteraction(ctx, "logout", in, "")
}

// CreatePushed stores a validated request that an application pushed (RFC 9126).
// It may begin a sign-in, several times until one is finished, for
// latchkey.PushedTTL.
func (qs *queries) CreatePushed(ctx context.Context, in *latchkey.Interaction) (string, error) {
	return qs.createInteraction(ctx, "pushed", in, "")
}

// FindPushed returns a pushed request of an application that may still begin a
// sign-in. One that is unknown, used, expired or another application's is
// ErrNotFound.
func (qs *queries) FindPushed(ctx context.Context, id, clientID string) (*latchkey.Interaction, error) {
	in, err := qs.findInteraction(ctx, "pushed", id, "")
	if err == nil && in.ClientID != clientID {
		return nil, latchkey.ErrNotFound
	}
	return in, err
}

func (qs *queries) createInteraction(ctx context.Context, kind string, in *latchkey.Interaction, browser string) (string, error) {
	form, err := json.Marshal(in.Form)
	needs, err2 := json.Marshal(in.Needs)
	if err := errors.Join(err, err2); err != nil {
		return "", fmt.Errorf("encode interaction: %w", err)
	}
	pushed := []byte(nil)
	if in.Pushed != "" {
		if pushed, err = qs.ring.HashToken(purposeInteraction, in.Pushed); err != nil {
			return "", fmt.Errorf("store interaction: %w", err)
		}
	}
	ttl := interactionTTL
	if kind == "pushed" {
		ttl = latchkey.PushedTTL.String()
	}
	id, hash := qs.ring.NewToken(purposeInteraction)
	err = qs.do(ctx, func(q querier) error {
		_, err := exec(ctx, q, `
			INSERT INTO interactions (id_hash, kind, client_id, form, needs, binding_hash, pushed_hash, expires_at)
			VALUES (@id, @kind, @client, @form, @needs, @binding, @pushed, now() + @ttl::interval)`,
			args{"id": hash, "kind": kind, "client": orNull(in.ClientID), "form": form, "needs": needs,
				"binding": qs.browserHash(browser), "pushed": pushed, "ttl": ttl})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("store interaction: %w", err)
	}
	return id, nil
}

// browserHash is the hash of the value that names a browser; null without one.
func (qs *queries) browserHash(browser string) []byte {
	if browser == "" {
		return nil
	}
	return qs.ring.Hash(purposeBrowser, browser)
}

// browserHashes are those under all live keys; never empty, so that a row with
// a binding matches nobody who brings none.
func (qs *queries) browserHashes(browser string) [][]byte {
	if browser == "" {
		return [][]byte{{}}
	}
	return qs.ring.HashAll(purposeBrowser, browser)
}

// interactionOpen is the condition under which an interaction may go on.
const interactionOpen = `id_hash = @id AND kind = @kind AND used_at IS NULL AND expires_at > now()
		  AND (binding_hash IS NULL OR binding_hash = ANY(@browsers))`

// FindInteraction returns an authorization request that waits for this browser.
// One that is unknown, used, expired or another browser's is ErrNotFound.
func (qs *queries) FindInteraction(ctx context.Context, id, browser string) (*latchkey.Interaction, error) {
	return qs.findInteraction(ctx, "pending", id, browser)
}

// FindLogout returns a request to sign out that waits for the person.
func (qs *queries) FindLogout(ctx context.Context, id string) (*latchkey.Interaction, error) {
	return qs.findInteraction(ctx, "logout", id, "")
}

func (qs *queries) findInteraction(ctx context.Context, kind, id, browser string) (*latchkey.Interaction, error) {
	hash, err := qs.ring.HashToken(purposeInteraction, id)
	if err != nil {
		return nil, latchkey.ErrNotFound
	}
	in := &latchkey.Interaction{ID: id}
	err = qs.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			SELECT client_id, form, needs, created_at, expires_at
			FROM interactions WHERE `+interactionOpen,
			args{"id": hash, "kind": kind, "browsers": qs.browserHashes(browser)},
			func(row pgx.CollectableRow) (string, error) { return id, scanInteraction(row, in) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find interaction: %w", err)
	}
	return in, nil
}

func scanInteraction(row pgx.CollectableRow, in *latchkey.Interaction) error {
	var client *string
	var form, needs []byte
	if err := row.Scan(&client, &form, &needs, &in.CreatedAt, &in.ExpiresAt); err != nil {
		return err
	}
	in.ClientID = textOf(client)
	return errors.Join(json.Unmarshal(form, &in.Form), json.Unmarshal(needs, &in.Needs))
}

// SetNeeds writes the verdict on an interaction and binds it to the browser when
// it is not bound yet.
func (qs *queries) SetNeeds(ctx context.Context, id, browser string, needs latchkey.Needs) error {
	hash, err := qs.ring.HashToken(purposeInteraction, id)
	if err != nil {
		return latchkey.ErrNotFound
	}
	verdict, err := json.Marshal(needs)
	if err != nil {
		return fmt.Errorf("encode needs: %w", err)
	}
	err = qs.do(ctx, func(q querier) error {
		n, err := exec(ctx, q, `
			UPDATE interactions SET needs = @needs, binding_hash = coalesce(binding_hash, @binding)
			WHERE `+interactionOpen,
			args{"id": hash, "kind": "pending", "needs": verdict,
				"binding": qs.browserHash(browser), "browsers": qs.browserHashes(browser)})
		if err == nil && n == 0 {
			return latchkey.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set needs of interaction: %w", err)
	}
	return nil
}

// UseInteraction ends an authorization request of this browser and records why,
// in one statement: of two calls one succeeds, the other gets ErrNotFound.
func (qs *queries) UseInteraction(ctx context.Context, id, browser string, ev latchkey.Event) error {
	return qs.useInteraction(ctx, "pending", id, browser, ev)
}

func (qs *queries) useInteraction(ctx context.Context, kind, id, browser string, ev latchkey.Event) error {
	hash, err := qs.ring.HashToken(purposeInteraction, id)
	if err != nil {
		return latchkey.ErrNotFound
	}
	a, err := qs.eventArgs(ctx, ev)
	if err != nil {
		return err
	}
	a["id"], a["kind"], a["browsers"] = hash, kind, qs.browserHashes(browser)
	err = qs.do(ctx, func(q querier) error {
		n, err := one(ctx, q, `
			WITH used AS (
				UPDATE interactions SET used_at = now() WHERE `+interactionOpen+` RETURNING pushed_hash
			), pushed AS (`+spendPushed+`), event AS (`+insertEventFrom(eventAsGiven, "used")+`)
			SELECT count(*) FROM used`, a, pgx.RowTo[int])
		if err == nil && n == 0 {
			return latchkey.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("use interaction: %w", err)
	}
	return nil
}

// spendPushed ends the pushed request that a waiting one came from, with it.
const spendPushed = `
	UPDATE interactions SET used_at = now()
	WHERE kind = 'pushed' AND used_at IS NULL AND id_hash IN (SELECT pushed_hash FROM used) RETURNING 1`

// BrowserState stands for a session in the browser that has it, for scripts to
// compare (OpenID Connect Session Management §3.2). It opens nothing.
func (qs *queries) BrowserState(sessionID string) string {
	return base64.RawURLEncoding.EncodeToString(qs.ring.Hash(purposeState, sessionID))
}

// ConsentToken is the hidden field of the consent form: bound to the request and
// to the session, so that no other page and no other person can have it, and to
// the scopes and the claims by name that the page shows, which are more once the
// application may have more. It is spent with the step of the interaction that it
// stands for.
func (qs *queries) ConsentToken(interactionID, sessionID string, scopes, claims []string) string {
	bound := strings.Join([]string{interactionID, sessionID, strings.Join(scopes, " "), strings.Join(claims, " ")}, "\x00")
	return base64.RawURLEncoding.EncodeToString(qs.ring.Hash(purposeConsentForm, bound))
}
