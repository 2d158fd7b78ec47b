package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"latchkey/keys"
)

// hint is what an ID token tells when it comes back as id_token_hint. It may be
// expired; it is never forged.
type hint struct {
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Issuer   string   `json:"iss"`
	Expires  int64    `json:"exp"` // long past, perhaps
	SID      string   `json:"sid"`
}

// audience is one value or a list (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON reads both forms.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

func (a audience) has(id string) bool { return slices.Contains(a, id) }

// errHint means an id_token_hint that we never signed, or not as an ID token.
var errHint = errors.New("no ID token of ours")

// readHint verifies an ID token of ours without regard to its end.
func (p *Provider) readHint(ctx context.Context, token string) (*hint, error) {
	payload, err := p.Keys.Verify(ctx, token, keys.TypeJWT)
	if errors.Is(err, keys.ErrUntrusted) {
		return nil, errHint
	}
	if err != nil {
		return nil, err
	}
	var h hint
	// What else is signed under the same type has no subject (authorization
	// responses, metadata) or no end (userinfo).
	if json.Unmarshal(payload, &h) != nil || h.Issuer != p.Issuer || h.Subject == "" || len(h.Audience) == 0 || h.Expires == 0 {
		return nil, errHint
	}
	return &h, nil
}
