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

const purposeCode seal.Purpose = "authorization code"

// Verdict is what a statement on grants found. It is decided in SQL, by the
// database's clock; everything but the first group is a refusal.
type Verdict string

// The verdicts.
const (
	IsIssued  Verdict = "issued"  // a code, or the tokens of one
	IsCurrent Verdict = "current" // the newest refresh token
	IsGraced  Verdict = "grace"   // the one before it, soon enough
	IsActive  Verdict = "active"  // an access token that still counts

	IsConsentNeeded  Verdict = "consent"        // the person has not allowed these scopes
	IsUsed           Verdict = "used"           // the interaction ended already
	IsUnknown        Verdict = "unknown"        // never made here, or long gone
	IsReused         Verdict = "reused"         // was spent before
	IsExpired        Verdict = "expired"        //
	IsWrongClient    Verdict = "wrong_client"   // belongs to another application
	IsWrongRedirect  Verdict = "wrong_redirect" // redirect_uri is not that of the request
	IsWrongTarget    Verdict = "wrong_target"   // the grant is for none of the resources
	IsWrongVerifier  Verdict = "wrong_verifier" // code_verifier does not fit the challenge
	IsUserDisabled   Verdict = "user_disabled"
	IsClientDisabled Verdict = "client_disabled"
	IsNotAllowed     Verdict = "not_allowed"   // the person is in none of the allowed groups
	IsRevoked        Verdict = "revoked"       // the grant has ended
	IsSessionEnded   Verdict = "session_ended" // the sign-in that it hangs on is over
	IsEnded          Verdict = "ended"         // the token was issued before all tokens of its grant ended
)

// admitted is the rule of allowed_groups for application c and person u.
const admitted = `(NOT EXISTS (SELECT 1 FROM client_groups cg WHERE cg.client_id = c.id)
	OR EXISTS (SELECT 1 FROM client_groups cg JOIN memberships m ON m.group_id = cg.group_id
	           WHERE cg.client_id = c.id AND m.user_id = u.id))`

// peopleStand are the verdicts on person u and application c that every grant
// and every use of it obey.
const peopleStand = bothOn + `
	WHEN NOT ` + admitted + ` THEN 'not_allowed'`

const bothOn = `
	WHEN u.status <> 'active' THEN 'user_disabled'
	WHEN NOT c.enabled        THEN 'client_disabled'`

const grantColumns = `
	g.id, g.kind, g.state, g.client_id, g.user_id, g.session_id, g.code_expires_at, g.code_uses, g.redirect_uri,
	g.code_challenge, g.nonce, g.scopes_req, g.scopes, g.audience, g.acr, g.amr, g.auth_time, g.rt_gen, g.rt_salt,
	g.rt_rotated_at, g.rt_expires_at, g.expires_at, g.revoked_at, g.revoke_reason, g.access_not_before, g.created_at, g.claims`

// scanGrant reads grantColumns and what a query selects behind them.
func scanGrant(row pgx.CollectableRow, g *latchkey.Grant, more ...any) error {
	var user, session *string
	var claims []byte
	var codeExpires, authTime, rotated, refreshExpires, revoked, notBefore *time.Time
	into := append([]any{
		&g.ID, &g.Kind, &g.State, &g.ClientID, &user, &session, &codeExpires, &g.CodeUses, &g.RedirectURI,
		&g.CodeChallenge, &g.Nonce, &g.ScopesAsked, &g.Scopes, &g.Audience, &g.ACR, &g.AMR, &authTime, &g.RefreshGeneration, &g.RefreshSalt,
		&rotated, &refreshExpires, &g.ExpiresAt, &revoked, &g.RevokeReason, &notBefore, &g.CreatedAt, &claims,
	}, more...)
	if err := row.Scan(into...); err != nil {
		return err
	}
	if claims != nil {
		if err := json.Unmarshal(claims, &g.Claims); err != nil {
			return fmt.Errorf("read the claims of a grant: %w", err)
		}
	}
	g.UserID, g.SessionID = textOf(user), textOf(session)
	g.CodeExpiresAt, g.AuthTime, g.RefreshRotatedAt = timeOf(codeExpires), timeOf(authTime), timeOf(rotated)
	g.RefreshExpiresAt, g.RevokedAt, g.AccessNotBefore = timeOf(refreshExpires), timeOf(revoked), timeOf(notBefore)
	return nil
}

// Authorization is what becomes a grant: the wishes of a validated request. Who signed in, when and how is taken from the session's row.
type Authorization struct {
	GrantID       string // from NewID
	ResponseType  string // for the event
	Code          string // from NewCode; empty when the response type has none
	ClientID      string
	SessionID     string
	RedirectURI   string // as sent; empty when none was
	CodeChallenge string
	Nonce         string
	ScopesAsked   []string
	Scopes        []string
	Audience      []string
	Claims        latchkey.AskedClaims // by name; what the scopes do not give needs consent, too
	APIs          []string             // of the audience, those that consent is needed for
	AskConsent    bool                 // consent is needed even if it was given before
	Consented     bool                 // consent was given for this very request
	Interaction   string               // raw id, spent with the code; empty when none waited
	Browser       string               // to which the interaction is bound
	Pushed        string               // raw id of the pushed request, spent with the code when no interaction waited
	CodeTTL       time.Duration        // how long the code works
	MaxAge        time.Duration        // absolute end, when it is later than the session's
}

// NewCode makes an authorization code of 256 random bits. It counts once
// Authorize has stored its hash.
func (qs *queries) NewCode() string {
	code, _ := qs.ring.NewToken(purposeCode)
	return code
}

// Authorize judges whether the person of the session may be given a code or
// tokens for the application, and gives them, in one statement: the grant, its
// event and the end of the interaction. With any verdict but IsIssued nothing
// changed.
func (qs *queries) Authorize(ctx context.Context, au Authorization) (verdict Verdict, err error) {
	kind, codeHash := "implicit", []byte(nil)
	if au.Code != "" {
		kind = "code"
		if codeHash, err = qs.ring.HashToken(purposeCode, au.Code); err != nil {
			return "", fmt.Errorf("authorize: %w", err)
		}
	}
	var interaction []byte
	if au.Interaction != "" {
		if interaction, err = qs.ring.HashToken(purposeInteraction, au.Interaction); err != nil {
			return IsUsed, nil
		}
	}
	detail := map[string]any{"scopes": texts(au.Scopes), "response_type": au.ResponseType}
	if names := latchkey.Names(au.Claims.Beyond(nil)); len(names) > 0 {
		detail["claims"] = names
	}
	if len(au.Audience) > 0 {
		detail["resources"] = au.Audience
	}
	a, err := qs.eventArgs(ctx, latchkey.Event{Kind: latchkey.AuthorizationGranted, ClientID: au.ClientID, GrantID: au.GrantID, Detail: detail})
	if err != nil {
		return "", err
	}
	a["grant"], a["grant_kind"], a["client"], a["login"], a["code"], a["salt"] = au.GrantID, kind, au.ClientID, au.SessionID, codeHash, newSalt()
	if err := askedArgs(a, au.Claims, au.Scopes); err != nil {
		return "", err
	}
	a["redirect"], a["challenge"], a["nonce"] = au.RedirectURI, au.CodeChallenge, au.Nonce
	a["asked"], a["scopes"], a["audience"] = texts(au.ScopesAsked), texts(au.Scopes), texts(au.Audience)
	a["apis"] = texts(au.APIs)
	a["ask"], a["consented"], a["code_ttl"], a["max_age"] = au.AskConsent, au.Consented, au.CodeTTL, au.MaxAge
	statement := authorize
	switch {
	case interaction != nil:
		statement = authorizeInteraction
		a["id"], a["kind"], a["browsers"] = interaction, "pending", qs.browserHashes(au.Browser)
	case au.Pushed != "":
		statement = authorizePushed
		if a["id"], err = qs.ring.HashToken(purposeInteraction, au.Pushed); err != nil {
			return IsUsed, nil
		}
	}
	err = qs.do(ctx, func(q querier) error {
		verdict, err = one(ctx, q, statement, a, pgx.RowTo[Verdict])
		return err
	})
	if err != nil {
		return "", fmt.Errorf("authorize: %w", err)
	}
	return verdict, nil
}

var (
	authorize            = authorizeAfter("", "")
	authorizeInteraction = authorizeAfter(`, used AS (
		UPDATE interactions SET used_at = now()
		WHERE `+interactionOpen+` AND client_id = @client AND EXISTS (SELECT 1 FROM facts WHERE verdict = 'issued')
		RETURNING pushed_hash
	), pushed AS (`+spendPushed+`)`, ` AND EXISTS (SELECT 1 FROM used WHERE pushed_hash IS NULL OR EXISTS (SELECT 1 FROM pushed))`)
	authorizePushed = authorizeAfter(`, used AS (
		UPDATE interactions SET used_at = now()
		WHERE id_hash = @id AND kind = 'pushed' AND client_id = @client AND used_at IS NULL AND EXISTS (SELECT 1 FROM facts WHERE verdict = 'issued')
		RETURNING 1
	)`, ` AND EXISTS (SELECT 1 FROM used)`)
)

// authorizeAfter makes the grant if the rest of the condition holds too.
func authorizeAfter(step, condition string) string {
	return `
	WITH facts AS (
		SELECT u.id AS user_id, s.id AS session_id, s.auth_time, s.acr, s.amr, s.expires_at, CASE
			WHEN s.kind <> 'full' OR s.idle_expires_at <= now() OR s.expires_at <= now() THEN 'session_ended'` + peopleStand + `
			WHEN NOT @consented AND (@ask OR NOT (c.first_party OR EXISTS (
				SELECT 1 FROM consents k
				WHERE k.user_id = u.id AND k.client_id = c.id AND k.scopes @> @scopes::text[] AND k.audience @> @apis::text[]
				  AND NOT EXISTS (SELECT 1 FROM unnest(@beyond::text[], @beyond_scopes::text[]) n (claim, scope)
				                  WHERE NOT (k.claims ? n.claim OR n.scope = ANY(k.scopes)))
				  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())))) THEN 'consent'
			ELSE 'issued' END AS verdict
		FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = @client
		WHERE s.id = @login
	)` + step + `, made AS (
		INSERT INTO grants (id, kind, state, client_id, user_id, session_id, code_hash, code_expires_at, redirect_uri,
		                    code_challenge, nonce, scopes_req, scopes, audience, claims, acr, amr, auth_time, rt_salt, expires_at)
		SELECT @grant, @grant_kind, 'active', @client, user_id, session_id, @code, now() + @code_ttl::interval, @redirect,
		       @challenge, @nonce, @asked, @scopes, @audience, @claims::jsonb, acr, amr, auth_time, @salt,
		       greatest(expires_at, now() + @max_age::interval)
		FROM facts
		WHERE verdict = 'issued'` + condition + `
		RETURNING user_id, session_id
	), event AS (` + insertEventFrom(eventShape{subject: "user_id", session: "session_id"}, "made") + `)
	SELECT CASE
		WHEN NOT EXISTS (SELECT 1 FROM facts) THEN 'session_ended'
		WHEN EXISTS (SELECT 1 FROM made)      THEN 'issued'
		ELSE (SELECT CASE verdict WHEN 'issued' THEN 'used' ELSE verdict END FROM facts) END`
}

// Redemption is an attempt to exchange a code for tokens.
type Redemption struct {
	ClientID      string // authenticated
	Code          string
	RedirectURI   string
	Challenge     string // S256 of the verifier; empty when none was sent
	MayRefresh    bool   // the application may have refresh tokens
	AlwaysRefresh bool   // also without offline_access
	RefreshIdle   time.Duration
	Resources     []string // that the tokens are to be for; none = all of the grant
	Allowed       []string // that the application may have tokens for
	Issuer        string   // our own name as a resource
	Besides       string   // why the attempt is refused whatever the code is worth; it is spent all the same
}

// Redeemed is the verdict on a code, refresh token or access token with the
// grant it belongs to.
type Redeemed struct {
	Verdict Verdict
	Grant   latchkey.Grant
	Subject string         // `sub` of the person
	Person  *latchkey.User // as userinfo tells of them; nil unless the grant asks for claims in its ID token
	At      time.Time      // the database's time
}

// ExchangeCode judges, spends and records the exchange of a code in one
// statement. The first attempt of its own client spends it, whatever else is
// wrong; another client's attempt changes nothing and is recorded. A second
// use ends everything that came from the first.
func (db *DB) ExchangeCode(ctx context.Context, rd Redemption) (*Redeemed, error) {
	out := &Redeemed{Verdict: IsUnknown}
	ev := latchkey.Event{Kind: latchkey.TokenRefused, ClientID: rd.ClientID, Outcome: latchkey.Failure, Reason: string(IsUnknown)}
	hash, err := db.ring.HashToken(purposeCode, rd.Code)
	if err != nil {
		return out, db.RecordRefusal(ctx, ev)
	}
	a, err := db.eventArgs(ctx, ev)
	if err != nil {
		return nil, err
	}
	a["code"], a["client"], a["redirect"], a["challenge"] = hash, rd.ClientID, rd.RedirectURI, rd.Challenge
	a["may"], a["always"], a["idle"], a["besides"] = rd.MayRefresh, rd.AlwaysRefresh, rd.RefreshIdle, rd.Besides
	a["resources"], a["allowed"], a["issuer"] = texts(rd.Resources), texts(rd.Allowed), rd.Issuer
	found := false
	err = db.do(ctx, func(q querier) error {
		rows, err := list(ctx, q, exchangeCode, a, scanRedeemed)
		if err == nil && len(rows) > 0 {
			*out, found = rows[0], true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("exchange code: %w", err)
	}
	if !found {
		return out, db.RecordRefusal(ctx, ev)
	}
	return out, nil
}

// codeStands is what has to be right about the attempt itself. The statement
// asks it twice: of the row before, to decide what changes, and of the row
// after, to say why not.
const codeStands = `(@besides::text = '' AND g.code_expires_at > now() AND g.redirect_uri = @redirect AND g.code_challenge = @challenge
	AND u.status = 'active' AND c.enabled AND a.admitted AND ` + targetStands + `)`

// targetStands is what has to be right about the resources that tokens are asked
// for (RFC 8707 §2.2): all were granted, or some are left of the grant when none
// is named. Ours needs no grant where openid was granted.
const targetStands = `(CASE WHEN @resources::text[] = '{}' THEN g.audience = '{}' OR g.audience && @allowed::text[]
	ELSE @resources::text[] <@ (g.audience || CASE WHEN g.audience = '{}' OR 'openid' = ANY(g.scopes) THEN ARRAY[@issuer::text] ELSE '{}' END) END)`

const codeRefreshes = `(g.code_uses = 0 AND g.revoked_at IS NULL AND @may AND (@always OR 'offline_access' = ANY(g.scopes))
	AND ` + codeStands + `)`

// The row lock makes parallel attempts take turns: the second sees the count of
// the first. That is why there is one UPDATE and no reading before it. OFFSET 0
// keeps the planner from copying the rule of groups to the six places that ask
// for its result: setting those up cost more than all the rest.
var exchangeCode = `
	WITH spent AS (
		UPDATE grants g SET
			code_uses     = g.code_uses + 1,
			revoked_at    = CASE WHEN g.code_uses > 0 OR NOT ` + codeStands + ` THEN coalesce(g.revoked_at, now()) ELSE g.revoked_at END,
			revoke_reason = CASE WHEN g.revoked_at IS NOT NULL THEN g.revoke_reason
			                     WHEN g.code_uses > 0          THEN 'code_reused'
			                     WHEN NOT ` + codeStands + `   THEN 'code_refused'
			                     ELSE '' END,
			rt_gen        = CASE WHEN ` + codeRefreshes + ` THEN 1 ELSE g.rt_gen END,
			rt_rotated_at = CASE WHEN ` + codeRefreshes + ` THEN now() ELSE g.rt_rotated_at END,
			rt_expires_at = CASE WHEN ` + codeRefreshes + ` THEN least(now() + @idle::interval, g.expires_at) ELSE g.rt_expires_at END
		FROM users u, clients c, LATERAL (SELECT ` + admitted + ` AS admitted OFFSET 0) a
		WHERE g.code_hash = @code AND g.client_id = @client AND u.id = g.user_id AND c.id = g.client_id
		RETURNING g.*, u.subject, CASE
			WHEN g.code_uses > 1                  THEN 'reused'
			WHEN @besides::text <> ''             THEN @besides::text
			WHEN g.code_expires_at <= now()       THEN 'expired'
			WHEN g.redirect_uri <> @redirect      THEN 'wrong_redirect'
			WHEN g.code_challenge <> @challenge   THEN 'wrong_verifier'` + bothOn + `
			WHEN NOT a.admitted                   THEN 'not_allowed'
			WHEN NOT ` + targetStands + `         THEN 'wrong_target'
			WHEN g.revoked_at IS NOT NULL         THEN 'revoked'
			ELSE 'issued' END AS verdict
	), foreign_grant AS (
		SELECT g.*, ''::text AS subject, 'wrong_client' AS verdict
		FROM grants g WHERE g.code_hash = @code AND g.client_id <> @client
	), found AS (
		SELECT * FROM spent UNION ALL SELECT * FROM foreign_grant
	), event AS (` + insertEventFrom(eventShape{
	kind:    "CASE verdict WHEN 'issued' THEN 'token.issued' WHEN 'reused' THEN 'code.reused' ELSE 'token.refused' END",
	subject: "user_id", session: "session_id", success: "verdict = 'issued'",
	reason: "CASE verdict WHEN 'issued' THEN 'authorization_code' ELSE verdict END",
	detail: "jsonb_build_object('grant_id', id, 'scopes', scopes)",
}, "found") + `)
	SELECT` + grantColumns + `, g.verdict, g.subject, now(), CASE WHEN g.verdict = 'issued' THEN ` + toldPerson + ` END FROM found g`
