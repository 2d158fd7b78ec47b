package oidc

import (
	"context"
	"errors"
	"strings"

	"latchkey"
	"latchkey/keys"
)

// openSealed returns the signed request object within one that is encrypted to
// us (RFC 9101 §6.1): what comes out has to stand every check that a plain one
// has to. One that is not encrypted comes back as it is, also of an application
// that registered an algorithm: that says how it encrypts, not that it does
// (OpenID Connect Registration §2). Whatever hinders the opening, the answer is
// the same.
func (p *Provider) openSealed(ctx context.Context, c *latchkey.Client, raw string) (string, error) {
	if strings.Count(raw, ".") != 4 { // RFC 7516 §9
		return raw, nil
	}
	content, err := p.Keys.Decrypt(ctx, raw, c.Protocol.RequestObjectEncAlg, c.Protocol.RequestObjectEnc)
	if errors.Is(err, keys.ErrNotForUs) {
		f := badObject("The request object could not be opened.", "object_encryption")
		f.cause = err
		return "", f
	}
	return string(content), err
}
