package oidc

import (
	"context"
	"errors"

	"latchkey"
	"latchkey/keys"
)

// recipientOf finds the key of an application to which something is encrypted by
// alg, before anything is spent or issued. It is nil when alg is "": then nothing
// is encrypted. Without a key there is a refusal, never an answer in clear.
func (p *Provider) recipientOf(ctx context.Context, c *latchkey.Client, alg, enc string) (*keys.Recipient, error) {
	if alg == "" {
		return nil, nil
	}
	key, err := p.encryptionKey(ctx, c, alg)
	if errors.Is(err, errNoKey) || errors.Is(err, errKeysAway) {
		f := refuse(codeInvalidRequest, "There is no key of the application to encrypt the answer to.").because("no_encryption_key")
		f.cause = err
		return nil, f
	}
	if err != nil {
		return nil, err
	}
	return &keys.Recipient{Key: key, Alg: alg, Enc: enc}, nil
}

// signFor signs claims as a JWT, and encrypts it when it is for a recipient: a
// nested JWT (RFC 7519 §3).
func (p *Provider) signFor(to *keys.Recipient, alg string, claims any) (string, error) {
	signed, err := p.Keys.Sign(alg, keys.TypeJWT, claims)
	if err != nil || to == nil {
		return signed, err
	}
	return keys.Encrypt(*to, []byte(signed), true)
}
