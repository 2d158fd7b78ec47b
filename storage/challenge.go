package storage

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const (
	purposeChallenge seal.Purpose = "challenge"
	purposeBinding   seal.Purpose = "browser binding"
)

// The bounds of open ceremonies (SECURITY: limits). Options is open to
// everyone and writes a row.
const (
	maxChallengesPerBinding = 20
	maxChallenges           = 50_000
	trimEvery               = 64 // one put in so many looks at the whole table
)

// Challenge is one open WebAuthn ceremony: what was promised to one browser.
type Challenge struct {
	Type    string // registration or authentication
	Purpose string // setup, invite, signup, add, recover, login or reauth
	UserID  string // whose, where that is known before; else empty
	Binding string // raw cookie value of the browser; only its hash is stored
	Data    []byte // what the ceremony has to remember; sealed at rest
}

// PutChallenge stores an open ceremony for ttl and returns the id by which the
// same browser takes it. A browser has at most 20 open: the oldest goes. At
// 50,000 in all the oldest of the network that holds most goes.
func (qs *queries) PutChallenge(ctx context.Context, c Challenge, ttl time.Duration) (id string, expiresAt time.Time, err error) {
	id, hash := qs.ring.NewToken(purposeChallenge)
	sealed, err := qs.seal("challenges", "challenge_data", hex.EncodeToString(hash), c.UserID, c.Data)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("seal a challenge: %w", err)
	}
	b := &pgx.Batch{}
	b.Queue(`
		WITH spare AS (
			DELETE FROM challenges WHERE id_hash IN (
				SELECT id_hash FROM challenges WHERE binding_hash = @binding
				ORDER BY created_at DESC OFFSET @others))
		INSERT INTO challenges (id_hash, user_id, challenge_type, purpose, binding_hash, challenge_data, address_prefix, expires_at)
		VALUES (@id, @user, @type, @purpose, @binding, @data, @prefix, now() + @ttl)
		RETURNING expires_at`,
		args{
			"id": hash, "user": orNull(c.UserID), "type": c.Type, "purpose": c.Purpose,
			"binding": qs.ring.Hash(purposeBinding, c.Binding), "data": sealed, "ttl": ttl,
			"prefix": latchkey.AddressPrefix(latchkey.ActorFrom(ctx).Address), "others": maxChallengesPerBinding - 1,
		}).QueryRow(func(row pgx.Row) error { return row.Scan(&expiresAt) })
	if rand.IntN(trimEvery) == 0 {
		queueTrim(b, maxChallenges)
	}
	err = qs.do(ctx, func(q querier) error { return send(ctx, q, b) })
	if err != nil {
		return "", time.Time{}, fmt.Errorf("store a challenge: %w", err)
	}
	return id, expiresAt.UTC(), nil
}

// queueTrim brings the table down to limit: the rank of a row is how many
// newer ones its network holds, so the highest ranks are the oldest rows of
// the busiest networks.
func queueTrim(b *pgx.Batch, limit int) {
	b.Queue(`
		DELETE FROM challenges WHERE id_hash IN (
			SELECT id_hash FROM (
				SELECT id_hash, row_number() OVER (PARTITION BY address_prefix ORDER BY created_at DESC) AS newer
				FROM challenges) AS ranked
			ORDER BY newer DESC
			LIMIT greatest(0, (SELECT count(*) FROM challenges) - @limit))`, args{"limit": limit})
}

// TakeChallenge removes an open ceremony and returns it. Doing both in one
// statement is what makes a challenge single-use when two requests race; it
// commits before the caller verifies anything, so that a failed try is spent.
//
// bindings are the raw cookie values of this browser. What was made for another
// browser or another kind of ceremony, is unknown, used or old, is ErrNotFound
// alike, and stays as it is.
func (db *DB) TakeChallenge(ctx context.Context, id, kind string, bindings ...string) (*Challenge, error) {
	c, _, err := db.TakeChallengeAs(ctx, Cookie{}, id, kind, bindings...)
	return c, err
}

// Cookie is the cookie of a session, to be looked up on the way (FindSession).
type Cookie struct {
	RawToken string        // empty = none
	Idle     time.Duration // by which the use moves the session's idle end
}

// TakeChallengeAs is TakeChallenge that also looks up the live session of a
// cookie, in the same round trip. The session is nil when there is none, and is
// returned beside ErrNotFound too.
func (db *DB) TakeChallengeAs(ctx context.Context, cookie Cookie, id, kind string, bindings ...string) (*Challenge, *latchkey.Session, error) {
	b := &pgx.Batch{}
	var live *latchkey.Session
	if token, err := db.ring.HashToken(purposeSession, cookie.RawToken); err == nil {
		b.Queue(findSession, args{"token": token, "idle": cookie.Idle}).Query(collect(&live, scanSession))
	}
	var taken *Challenge
	hash, err := db.ring.HashToken(purposeChallenge, id)
	if err == nil {
		b.Queue(takeChallenge, args{"id": hash, "bindings": db.bindingHashes(bindings), "type": kind}).Query(collect(&taken, scanChallenge))
	}
	if b.Len() > 0 {
		if err := db.do(ctx, func(q querier) error { return send(ctx, q, b) }); err != nil {
			return nil, nil, fmt.Errorf("take a challenge: %w", err)
		}
	}
	if taken == nil {
		return nil, live, latchkey.ErrNotFound
	}
	taken.Type = kind
	taken.Data, err = db.open("challenges", "challenge_data", hex.EncodeToString(hash), taken.UserID, taken.Data)
	if err != nil {
		return nil, nil, fmt.Errorf("open a challenge: %w", err)
	}
	return taken, live, nil
}

const takeChallenge = `
	DELETE FROM challenges
	WHERE id_hash = @id AND binding_hash = ANY(@bindings) AND challenge_type = @type AND expires_at > now()
	RETURNING purpose, user_id, challenge_data`

func scanChallenge(row pgx.CollectableRow) (*Challenge, error) {
	var user *string
	c := &Challenge{}
	err := row.Scan(&c.Purpose, &user, &c.Data)
	c.UserID = textOf(user)
	return c, err
}

// bindingHashes are those of all that names this browser, under all live keys.
func (qs *queries) bindingHashes(bindings []string) (hashes [][]byte) {
	for _, binding := range bindings {
		if binding != "" {
			hashes = append(hashes, qs.ring.HashAll(purposeBinding, binding)...)
		}
	}
	return hashes
}
