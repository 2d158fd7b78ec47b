package latchkey

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Algorithms that a key is encrypted or agreed by (RFC 7518 §4.1). Those with a
// shared secret (dir, A128KW and their like) are left out: they would need the
// client secret itself, and only its hash is kept. RSA1_5 is broken.
const (
	RSAOAEP      = "RSA-OAEP"
	RSAOAEP256   = "RSA-OAEP-256"
	ECDHES       = "ECDH-ES"
	ECDHESA128KW = "ECDH-ES+A128KW"
	ECDHESA256KW = "ECDH-ES+A256KW"
)

// Algorithms that content is encrypted by (RFC 7518 §5.1).
const (
	A128CBCHS256 = "A128CBC-HS256" // the default of OpenID Connect Registration §2
	A256CBCHS512 = "A256CBC-HS512"
	A128GCM      = "A128GCM"
	A256GCM      = "A256GCM"
)

// EncryptionAlgs are the algorithms by which answers are encrypted to a key of
// an application.
func EncryptionAlgs() []string {
	return []string{RSAOAEP, RSAOAEP256, ECDHES, ECDHESA128KW, ECDHESA256KW}
}

// ContentEncs are the algorithms of encrypted content, both ways.
func ContentEncs() []string { return []string{A128CBCHS256, A256CBCHS512, A128GCM, A256GCM} }

// DecryptionAlgs are the algorithms by which something may be encrypted to us.
// There is a published key of each.
func DecryptionAlgs() []string { return []string{RSAOAEP256, ECDHES} }

// EncryptionKey is a key to which applications encrypt, for one algorithm.
type EncryptionKey struct {
	KID        string // RFC 7638 thumbprint
	Alg        string
	PrivateKey []byte // PKCS #8; sealed at rest
	CreatedAt  time.Time
	RetireAt   time.Time // when it left the JWKS; zero = it is there
	DeleteAt   time.Time // until when it opens what was encrypted to it; zero = not decided
}

// EncryptsTo tells whether a key may be encrypted to by alg: its kty is of the
// kind that alg needs, and its use and its own alg, which may be absent, do not
// speak against it (RFC 7517 §4, RFC 7518 §4.1).
func EncryptsTo(kty, use, named, alg string) bool {
	kind := kty == "RSA" && strings.HasPrefix(alg, "RSA-OAEP") || kty == "EC" && strings.HasPrefix(alg, ECDHES)
	return kind && use != "sig" && (named == "" || named == alg)
}

// checkEncryption judges how answers are encrypted to the application, and its
// requests to us. Without a key of its own there is nothing to encrypt to.
func (c *Client) checkEncryption(p problems) {
	checkAlg(p, "request_object_encryption_alg", c.Protocol.RequestObjectEncAlg, DecryptionAlgs())
	checkEnc(p, "request_object_encryption", c.Protocol.RequestObjectEncAlg, c.Protocol.RequestObjectEnc)
	for _, e := range []struct{ what, alg, enc string }{
		{"id_token_encrypted_response", c.Protocol.IDTokenEncAlg, c.Protocol.IDTokenEnc},
		{"userinfo_encrypted_response", c.Protocol.UserinfoEncAlg, c.Protocol.UserinfoEnc},
		{"authorization_encrypted_response", c.Protocol.AuthorizationEncAlg, c.Protocol.AuthorizationEnc},
	} {
		checkAlg(p, e.what+"_alg", e.alg, EncryptionAlgs())
		checkEnc(p, e.what, e.alg, e.enc)
		switch {
		case e.alg == "":
		case c.Protocol.JWKSURI != "": // what stands there is seen when it is needed
		case len(c.Protocol.JWKS) == 0:
			p.add(e.what+"_alg", "Answers are encrypted to a key of the application. Say where its public keys are: jwks_uri, or the keys themselves as jwks.")
		case !c.hasKeyFor(e.alg):
			p.add(e.what+"_alg", "In jwks there is no key for %s: of kty %s, of use enc or none, and of this alg or none.", e.alg, kindFor(e.alg))
		}
	}
}

// checkEnc judges how content is encrypted. It says nothing without a word on the
// key (OpenID Connect Registration §2).
func checkEnc(p problems, what, alg, enc string) {
	checkAlg(p, what+"_enc", enc, ContentEncs())
	if alg == "" && enc != "" {
		p.add(what+"_enc", "This goes with %s_alg, which says how the key is encrypted.", what)
	}
}

// hasKeyFor tells whether a key that stands in the registration can be encrypted
// to by alg.
func (c *Client) hasKeyFor(alg string) bool {
	usable, err := UsableKeys(c.Protocol.JWKS)
	if err != nil {
		return false // the set itself is refused
	}
	return slices.ContainsFunc(usable, func(raw json.RawMessage) bool {
		var key map[string]any // names are compared letter by letter
		if json.Unmarshal(raw, &key) != nil {
			return false
		}
		text := func(name string) string { s, _ := key[name].(string); return s }
		return EncryptsTo(text("kty"), text("use"), text("alg"), alg)
	})
}

func kindFor(alg string) string {
	if strings.HasPrefix(alg, ECDHES) {
		return "EC"
	}
	return "RSA"
}
