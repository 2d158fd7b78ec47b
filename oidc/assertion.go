package oidc

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
)

// assertionType is the one kind of client assertion (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Bounds of client assertions.
const (
	maxAssertion  = 16 << 10         // bytes
	maxAssertLife = 10 * time.Minute // how far ahead exp may be
	skew          = 10 * time.Second // by which clocks may differ at the end
	skewAhead     = 60 * time.Second // and at the beginning
)

// assertion is a client assertion as it was sent. Until verified, everything in
// it is somebody's claim.
type assertion struct {
	signed *jose.JSONWebSignature
	alg    string
	claims assertionClaims
}

// assertionClaims are those of RFC 7523 §3.
type assertionClaims struct {
	Issuer    string      `json:"iss"`
	Subject   string      `json:"sub"`
	Audience  oneAudience `json:"aud"`
	Expires   *float64    `json:"exp"`
	NotBefore *float64    `json:"nbf"`
	IssuedAt  *float64    `json:"iat"`
	ID        string      `json:"jti"`
}

// oneAudience is an audience that is one text, or a list of one; of others
// nothing is kept, and they are none (RFC 7519 §4.1.3).
type oneAudience struct {
	value  string
	inList bool
}

// UnmarshalJSON reads both spellings.
func (a *oneAudience) UnmarshalJSON(raw []byte) error {
	if jsontext.Value(raw).Kind() != '[' {
		return json.Unmarshal(raw, &a.value)
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	if a.inList = true; len(list) == 1 {
		a.value = list[0]
	}
	return nil
}

// readAssertion decodes an assertion without believing it. why is the reason of
// a refusal; empty means that there is something to check.
func readAssertion(raw string) (a *assertion, why string) {
	if len(raw) > maxAssertion {
		return nil, "assertion_too_long"
	}
	signed, err := jose.ParseSignedCompact(raw, assertionAlgs())
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) {
		return nil, "assertion_alg" // none among them
	}
	if err != nil || len(signed.Signatures) != 1 {
		return nil, "malformed_assertion"
	}
	a = &assertion{signed: signed, alg: signed.Signatures[0].Protected.Algorithm}
	// What stands twice in it, or is no text, is read in different ways elsewhere.
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &a.claims); err != nil {
		return nil, "malformed_assertion"
	}
	return a, ""
}

// assertionAlgs are those of both methods. Which of them a client may use is
// judged later.
func assertionAlgs() (algs []jose.SignatureAlgorithm) {
	for _, alg := range authAlgs() {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	return algs
}

func authAlgs() []string {
	return append(latchkey.AuthAlgs(latchkey.AuthPrivateKeyJWT), latchkey.AuthAlgs(latchkey.AuthSecretJWT)...)
}

// checkAssertion judges the assertion of a client whose method it is. The reason
// comes in the order in which it costs: the signature last, and then the one
// statement that spends it.
func (p *Provider) checkAssertion(ctx context.Context, c *latchkey.Client, a *assertion) (why string, err error) {
	if why = p.judgeClaims(c, a); why != "" {
		return why, nil
	}
	if why, err = p.checkSignature(ctx, c, a); why != "" || err != nil {
		return why, err
	}
	first, err := p.DB.SpendAssertion(ctx, c.ID, a.claims.ID, instant(*a.claims.Expires).Add(skew))
	if err == nil && !first {
		why = "assertion_replayed"
	}
	return why, err
}

// judgeClaims holds the claims against RFC 7523 §3 and our own bounds.
func (p *Provider) judgeClaims(c *latchkey.Client, a *assertion) (why string) {
	now := p.DB.Clock()
	claims := &a.claims
	after := func(t *float64, bound time.Time) bool { return t != nil && instant(*t).After(bound) }
	switch {
	case !slices.Contains(latchkey.AuthAlgs(c.AuthMethod), a.alg) || c.Protocol.AuthAlg != "" && !latchkey.SameAlg(a.alg, c.Protocol.AuthAlg):
		return "assertion_alg"
	case c.Profile == latchkey.ProfileFAPI2 && a.alg == latchkey.RS256:
		return "assertion_alg"
	case claims.Issuer != c.ID || claims.Subject != c.ID:
		return "assertion_issuer"
	case !p.meantForUs(c, claims.Audience):
		return "assertion_audience"
	case claims.Expires == nil:
		return "assertion_no_end"
	case !after(claims.Expires, now.Add(-skew)):
		return "assertion_expired"
	case after(claims.Expires, now.Add(maxAssertLife+skew)):
		return "assertion_too_long_lived"
	case after(claims.NotBefore, now.Add(skewAhead)) || after(claims.IssuedAt, now.Add(skewAhead)):
		return "assertion_not_yet"
	case claims.ID == "":
		return "assertion_no_id"
	}
	return ""
}

// meantForUs tells whether an assertion names us and nobody else: one that is
// good at two servers can be used at the other by either. The token endpoint is
// what RFC 7523 suggests; in profile fapi2 only the issuer counts, as a text.
func (p *Provider) meantForUs(c *latchkey.Client, aud oneAudience) bool {
	if c.Profile == latchkey.ProfileFAPI2 {
		return aud.value == p.Issuer && !aud.inList
	}
	return aud.value == p.Issuer || aud.value == p.Issuer+pathToken
}

// checkSignature verifies the assertion by the client's public keys, or by its
// secrets.
func (p *Provider) checkSignature(ctx context.Context, c *latchkey.Client, a *assertion) (why string, err error) {
	if c.AuthMethod == latchkey.AuthSecretJWT {
		return p.checkMAC(c, a)
	}
	_, err = p.verifySigned(ctx, c, a.signed)
	switch {
	case errors.Is(err, errKeysAway):
		return "keys_unavailable", nil
	case errors.Is(err, errNoKey):
		return "assertion_signature", nil
	}
	return "", err
}

// checkMAC tries every live secret, as it is spelled (OpenID Connect Core §10.1).
// One that is shorter than the hash signs nothing: the library refuses it
// (RFC 7518 §3.2).
func (p *Provider) checkMAC(c *latchkey.Client, a *assertion) (why string, err error) {
	for i := range c.Secrets {
		secret, err := p.DB.OpenSecret(&c.Secrets[i])
		if err != nil {
			return "", err
		}
		if _, err := a.signed.Verify(secret); err == nil && len(secret) > 0 {
			p.DB.CountSecret(c.Secrets[i].ID)
			return "", nil
		}
	}
	return "assertion_signature", nil
}

// instant is a NumericDate (RFC 7519 §2). What no clock shows is as far away as
// one goes.
func instant(seconds float64) time.Time {
	const most = 1 << 40
	whole, part := math.Modf(min(max(seconds, -most), most))
	return time.Unix(int64(whole), int64(part*1e9))
}
