package storage

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const purposeRefresh seal.Purpose = "refresh token"

// RefreshPrefix begins every refresh token.
const RefreshPrefix = "lk_rt_"

// A refresh token is its prefix and base64url of: grant id (16), generation (4,
// big endian), key version (1), inner MAC (32), outer MAC (16). The inner MAC
// covers the grant's salt, which only the row has, so that neither a stolen key
// nor a stolen dump makes one. The outer MAC covers all before it, so that
// garbage is refused without a question to the database. No row per token: the
// child of a generation is the same string each time.
const (
	refreshHead  = 16 + 4 + 1
	refreshInner = refreshHead + sha256.Size
	refreshSize  = refreshInner + 16
)

// RefreshToken is a refresh token that was made here, by its outer MAC. Whether
// it counts, only its row says.
type RefreshToken struct {
	GrantID    string
	Generation int
	raw        []byte
}

func newSalt() []byte {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails: it ends the program instead
	return salt
}

// MintRefresh spells the refresh token of one generation of a grant.
func (qs *queries) MintRefresh(g *latchkey.Grant, generation int) (string, error) {
	raw, err := qs.refreshRaw(qs.ring.Current(), g.ID, generation, g.RefreshSalt)
	if err != nil {
		return "", fmt.Errorf("make refresh token: %w", err)
	}
	return RefreshPrefix + base64.RawURLEncoding.EncodeToString(raw), nil
}

func (qs *queries) refreshRaw(version uint32, grantID string, generation int, salt []byte) ([]byte, error) {
	id, err := uuid.Parse(grantID)
	if err != nil {
		return nil, err
	}
	key, err := qs.ring.DeriveKey(purposeRefresh, version)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 0, refreshSize)
	raw = append(raw, id[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(generation))
	raw = append(raw, byte(version))
	raw = append(raw, mac(key, "inner", raw, salt)...)
	return append(raw, mac(key, "outer", raw, nil)[:refreshSize-refreshInner]...), nil
}

func mac(key []byte, label string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(label))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// ParseRefresh reads a refresh token that somebody sent. Whatever was not made
// here is refused without a question to the database.
func (qs *queries) ParseRefresh(token string) (*RefreshToken, bool) {
	if len(token) != len(RefreshPrefix)+base64.RawURLEncoding.EncodedLen(refreshSize) || token[:len(RefreshPrefix)] != RefreshPrefix {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token[len(RefreshPrefix):])
	if err != nil || len(raw) != refreshSize {
		return nil, false
	}
	key, err := qs.ring.DeriveKey(purposeRefresh, uint32(raw[refreshHead-1]))
	if err != nil || !hmac.Equal(raw[refreshInner:], mac(key, "outer", raw[:refreshInner], nil)[:refreshSize-refreshInner]) {
		return nil, false
	}
	id, err := uuid.FromBytes(raw[:16])
	if err != nil {
		return nil, false
	}
	return &RefreshToken{GrantID: id.String(), Generation: int(binary.BigEndian.Uint32(raw[16:20])), raw: raw}, true
}

// genuine tells whether the token was made for the row that it names.
func (qs *queries) genuine(t *RefreshToken, g *latchkey.Grant) bool {
	want, err := qs.refreshRaw(uint32(t.raw[refreshHead-1]), g.ID, t.Generation, g.RefreshSalt)
	return err == nil && hmac.Equal(want, t.raw) && bytes.Equal(want[:16], t.raw[:16])
}

// inGrace tells whether the generation before the newest still works. No grace is
// none: of two calls at once, the later may see a time before that of the
// rotation it waited for.
const inGrace = `(@grace::interval > interval '0' AND g.rt_rotated_at + @grace::interval > now())`

// FindRefresh judges a refresh token without changing anything: IsCurrent and
// IsGraced may be rotated, the rest are refusals. grace is how long the previous
// generation still works.
func (qs *queries) FindRefresh(ctx context.Context, t *RefreshToken, clientID string, grace time.Duration) (*Redeemed, error) {
	return qs.findRefresh(ctx, t, clientID, grace)
}

// findRefresh is FindRefresh; without a client, whose token it is does not matter.
func (qs *queries) findRefresh(ctx context.Context, t *RefreshToken, clientID string, grace time.Duration) (*Redeemed, error) {
	out := Redeemed{Verdict: IsUnknown}
	err := qs.do(ctx, func(q querier) error {
		rows, err := list(ctx, q, `
			SELECT`+grantColumns+`, CASE
				WHEN @client <> '' AND g.client_id <> @client THEN 'wrong_client'
				WHEN @generation > g.rt_gen THEN 'unknown'`+peopleStand+`
				WHEN g.revoked_at IS NOT NULL THEN 'revoked'
				WHEN @generation < g.rt_gen - 1
				  OR @generation < g.rt_gen AND NOT `+inGrace+` THEN 'reused'
				WHEN g.expires_at <= now() OR g.rt_expires_at IS NULL OR g.rt_expires_at <= now() THEN 'expired'
				WHEN NOT 'offline_access' = ANY(g.scopes) AND NOT EXISTS (
					SELECT 1 FROM sessions s
					WHERE s.id = g.session_id AND s.idle_expires_at > now() AND s.expires_at > now()) THEN 'session_ended'
				WHEN @generation < g.rt_gen THEN 'grace'
				ELSE 'current' END, u.subject, now(), `+toldPerson+`
			FROM grants g JOIN users u ON u.id = g.user_id JOIN clients c ON c.id = g.client_id
			WHERE g.id = @grant`,
			args{"grant": t.GrantID, "client": clientID, "generation": t.Generation, "grace": grace},
			scanRedeemed)
		if err == nil && len(rows) > 0 {
			out = rows[0]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find refresh token: %w", err)
	}
	if out.Verdict != IsUnknown && !qs.genuine(t, &out.Grant) {
		return &Redeemed{Verdict: IsUnknown}, nil
	}
	return &out, nil
}

// Rotation is the use of a refresh token that FindRefresh found good.
type Rotation struct {
	Token    *RefreshToken
	ClientID string
	Grace    time.Duration
	Idle     time.Duration // idle end of the successor
	From     string        // where the call came from: address prefix and agent
	Scopes   []string      // of the access token
}

// RotateRefresh compares and sets the generation and records it, in one
// statement. The grace is part of its condition, so that of many parallel calls
// all get the same successor. false means that the token stopped being good
// since it was judged.
func (qs *queries) RotateRefresh(ctx context.Context, r Rotation) (bool, error) {
	a, err := qs.eventArgs(ctx, latchkey.Event{Kind: latchkey.TokenRefreshed, ClientID: r.ClientID, GrantID: r.Token.GrantID,
		Detail: map[string]any{"scopes": texts(r.Scopes)}})
	if err != nil {
		return false, err
	}
	a["grant"], a["client"], a["generation"] = r.Token.GrantID, r.ClientID, r.Token.Generation
	a["grace"], a["idle"], a["from"] = r.Grace, r.Idle, r.From
	var n int
	err = qs.do(ctx, func(q querier) error {
		n, err = one(ctx, q, rotateRefresh, a, pgx.RowTo[int])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("rotate refresh token: %w", err)
	}
	return n > 0, nil
}

// The payload keeps where the rotation came from and where its repetition did:
// a different one is worth its own kind of event.
var rotateRefresh = `
	WITH turned AS (
		UPDATE grants g SET
			rt_gen        = CASE WHEN g.rt_gen = @generation THEN g.rt_gen + 1 ELSE g.rt_gen END,
			rt_rotated_at = CASE WHEN g.rt_gen = @generation THEN now() ELSE g.rt_rotated_at END,
			rt_expires_at = CASE WHEN g.rt_gen = @generation THEN least(now() + @idle::interval, g.expires_at) ELSE g.rt_expires_at END,
			payload       = CASE WHEN g.rt_gen = @generation THEN jsonb_build_object('from', @from::text)
			                     ELSE g.payload || jsonb_build_object('again', @from::text) END
		WHERE g.id = @grant AND g.client_id = @client AND g.revoked_at IS NULL
		  AND (g.rt_gen = @generation OR g.rt_gen = @generation + 1 AND ` + inGrace + `)
		RETURNING g.user_id, g.session_id, g.payload->>'again' AS again, g.payload->>'from' AS origin
	), event AS (` + insertEventFrom(eventShape{
	kind:    "CASE WHEN again IS NULL OR again = origin THEN 'token.refreshed' ELSE 'refresh.grace_used' END",
	subject: "user_id", session: "session_id",
	reason: "CASE WHEN again IS NULL THEN 'rotated' ELSE 'grace' END",
}, "turned") + `)
	SELECT count(*) FROM turned`

// EndRefreshFamily ends a grant because an old refresh token of it came back,
// and records it. A grant that ended already stays as it is.
func (qs *queries) EndRefreshFamily(ctx context.Context, t *RefreshToken, clientID string) error {
	_, err := qs.endGrant(ctx, t.GrantID, clientID, "refresh_reused", latchkey.Event{
		Kind: latchkey.RefreshReused, ClientID: clientID, GrantID: t.GrantID, Outcome: latchkey.Failure, Reason: string(IsReused),
		Detail: map[string]any{"generation": t.Generation},
	})
	return err
}

// RevokeRefresh ends the grant of a refresh token at its own client's request
// (RFC 7009). Another client's token is IsWrongClient and stays; one that
// is unknown or ended is IsUnknown.
func (qs *queries) RevokeRefresh(ctx context.Context, t *RefreshToken, clientID string) (Verdict, error) {
	return qs.endGrant(ctx, t.GrantID, clientID, "token_revoked", latchkey.Event{
		Kind: latchkey.TokenRevoked, ClientID: clientID, GrantID: t.GrantID, Reason: "refresh_token",
	})
}

// endGrant revokes a grant of one client and records ev for the person it is of.
func (qs *queries) endGrant(ctx context.Context, id, clientID, reason string, ev latchkey.Event) (Verdict, error) {
	a, err := qs.eventArgs(ctx, ev)
	if err != nil {
		return "", err
	}
	a["grant"], a["client"], a["why"] = id, clientID, reason
	var verdict Verdict
	err = qs.do(ctx, func(q querier) error {
		verdict, err = one(ctx, q, `
			WITH ended AS (
				UPDATE grants SET revoked_at = now(), revoke_reason = @why
				WHERE id = @grant AND client_id = @client AND revoked_at IS NULL
				RETURNING user_id, session_id
			), event AS (`+insertEventFrom(eventShape{subject: "user_id", session: "session_id"}, "ended")+`)
			SELECT CASE
				WHEN EXISTS (SELECT 1 FROM ended) THEN 'revoked'
				WHEN EXISTS (SELECT 1 FROM grants WHERE id = @grant AND client_id <> @client) THEN 'wrong_client'
				ELSE 'unknown' END`, a, pgx.RowTo[Verdict])
		return err
	})
	if err != nil {
		return "", fmt.Errorf("end grant: %w", err)
	}
	return verdict, nil
}

// PeekRefresh judges a refresh token for introspection: IsCurrent, or a reason
// why it would not work for its own client.
func (qs *queries) PeekRefresh(ctx context.Context, t *RefreshToken) (*Redeemed, error) {
	return qs.findRefresh(ctx, t, "", 0)
}
