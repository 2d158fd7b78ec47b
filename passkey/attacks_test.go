package passkey_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"latchkey/passkey/passkeytest"
)

// attack bends one thing of an otherwise honest ceremony; status and code are
// what the server must answer. The numbers beside the names count the attacks
// that this suite was drawn from; what is missing here has a test of its own.
type attack struct {
	name   string
	bend   func(*passkeytest.Authenticator)
	status int
	code   string
}

// inGroups runs attacks, a few on each installation: one at a time within a
// group, so that what an attack left behind would fail the next ones, and the
// groups side by side.
func inGroups(t *testing.T, name string, attacks []attack, run func(*testing.T, *world, attack)) {
	t.Helper()
	for i := 0; i < len(attacks); i += 5 {
		group := attacks[i:min(i+5, len(attacks))]
		t.Run(name+" with "+group[0].name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			for _, attack := range group {
				t.Run(attack.name, func(t *testing.T) { run(t, w, attack) })
			}
		})
	}
}

func clientData(change func(*passkeytest.ClientData)) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.Bend.ClientData = change }
}

func authData(change func(*passkeytest.AuthData)) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.Bend.AuthData = change }
}

func authBytes(change func([]byte) []byte) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.Bend.AuthDataBytes = change }
}

func response(change func(map[string]any)) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.Bend.Response = change }
}

func wire(change func(*passkeytest.Wire)) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.Bend.Wire = change }
}

func key(alg int64, change func(passkeytest.COSEKey)) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.Algorithm, a.Bend.Key = alg, change }
}

// statement changes a packed self attestation, which is honest before.
func statement(change func(*passkeytest.Statement)) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) {
		a.Attestation, a.Bend.Statement = passkeytest.AttestSelf, change
	}
}

func idLength(n int) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.IDLength = n }
}

// from changes the origin; the rest of a good one follows its scheme, so that
// parts can be put between.
func from(change func(scheme, rest string) string) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) {
		scheme, rest, _ := strings.Cut(a.Origin, "://")
		a.Origin = change(scheme, rest)
	}
}

// at is a page somewhere else altogether.
func at(origin string) func(*passkeytest.Authenticator) {
	return func(a *passkeytest.Authenticator) { a.Origin = origin }
}

// bent returns a copy of b with one bit in the middle changed.
func bent(b []byte) []byte {
	out := slices.Clone(b)
	if len(out) > 0 {
		out[len(out)/2] ^= 1
	}
	return out
}

// oddNumber returns a positive odd number of exactly that many bits, as an RSA
// modulus has it; nobody needs its factors to be refused.
func oddNumber(bits int) []byte {
	out := make([]byte, bits/8)
	_, _ = rand.Read(out) // never fails (crypto/rand)
	out[0] |= 0x80
	out[len(out)-1] |= 1
	return out
}

func hashOf(host string) []byte {
	h := sha256.Sum256([]byte(host))
	return h[:]
}

// clientDataAttacks are the lies about where, what and for whom.
func clientDataAttacks(otherType string) []attack {
	refused := func(name string, bend func(*passkeytest.Authenticator)) attack {
		return attack{name, bend, 401, "verification_failed"}
	}
	return []attack{
		refused("the other ceremony's type", clientData(func(c *passkeytest.ClientData) { c.Type = otherType })),         // 1, 48
		refused("no type", clientData(func(c *passkeytest.ClientData) { c.Type = "" })),                                  // 1
		refused("another challenge", clientData(func(c *passkeytest.ClientData) { c.Challenge = challenge43 })),          // 2, 49
		refused("no challenge", clientData(func(c *passkeytest.ClientData) { c.Challenge = "" })),                        // 2
		refused("a challenge cut short", clientData(func(c *passkeytest.ClientData) { c.Challenge = c.Challenge[:22] })), // 2
		refused("http for https, or the other way round", from(func(scheme, rest string) string { // 8
			return map[string]string{"http": "https", "https": "http"}[scheme] + "://" + rest
		})),
		refused("another scheme", from(func(_, rest string) string { return "ftp://" + rest })),                                                 // 8
		refused("another site", at("https://evil.example")),                                                                                     // 51
		refused("another port", at("http://localhost:1")),                                                                                       // 51
		refused("our name as a suffix of another's", from(func(scheme, rest string) string { return scheme + "://evil-" + rest })),              // 9
		refused("our name as a prefix of another's", from(func(scheme, rest string) string { return scheme + "://" + rest + ".evil.example" })), // 9
		refused("a subdomain of ours", from(func(scheme, rest string) string { return scheme + "://www." + rest })),                             // 9
		refused("origin null", at("null")), // 10
		refused("no origin", at("")),       // 10
		refused("an origin with a slash", from(func(scheme, rest string) string { return scheme + "://" + rest + "/" })),                              // 11
		refused("an origin with a path", from(func(scheme, rest string) string { return scheme + "://" + rest + "/login" })),                          // 11
		refused("an origin with user-info", from(func(scheme, rest string) string { return scheme + "://alice@" + rest })),                            // 11
		refused("an origin in upper case", from(func(scheme, rest string) string { return strings.ToUpper(scheme) + "://" + strings.ToUpper(rest) })), // 11
		refused("an origin with a query", from(func(scheme, rest string) string { return scheme + "://" + rest + "?" })),                              // 11
		refused("inside a frame of another site", clientData(func(c *passkeytest.ClientData) { c.CrossOrigin = true })),                               // 12, 52
		refused("inside a frame, with the top named", clientData(func(c *passkeytest.ClientData) { // 52
			c.CrossOrigin, c.TopOrigin = true, "https://evil.example"
		})),
		refused("a top origin without a frame", clientData(func(c *passkeytest.ClientData) { c.TopOrigin = c.Origin })), // 13
		refused("a token binding of unknown status", clientData(func(c *passkeytest.ClientData) { // 14
			c.Extra = map[string]any{"tokenBinding": map[string]any{"status": "perhaps"}}
		})),
	}
}

const challenge43 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// clientDataShapes are client data that is not one well-formed object.
func clientDataShapes() []attack {
	malformed := func(name string, bend func(*passkeytest.Authenticator)) attack {
		return attack{name, bend, 400, "malformed_credential"}
	}
	return []attack{
		malformed("a byte order mark before client data", clientData(func(c *passkeytest.ClientData) { c.Before = []byte("\ufeff") })), // 45
		malformed("more JSON after client data", clientData(func(c *passkeytest.ClientData) { c.After = []byte(`{}`) })),               // 45
		malformed("client data that is no JSON", func(a *passkeytest.Authenticator) {
			a.Bend.ClientDataJSON = func([]byte) []byte { return []byte("type=webauthn.get") }
		}),
		malformed("empty client data", func(a *passkeytest.Authenticator) {
			a.Bend.ClientDataJSON = func([]byte) []byte { return nil }
		}),
	}
}

// authDataAttacks are the lies in authenticator data that both ceremonies know.
func authDataAttacks() []attack {
	return []attack{
		{"the RP ID hash of another host", authData(func(d *passkeytest.AuthData) { d.RPIDHash = hashOf("evil.example") }), 401, "verification_failed"}, // 15, 53
		{"nobody present", func(a *passkeytest.Authenticator) { a.UserPresent = false }, 401, "verification_failed"},                                    // 16, 55
		{"no verified user", func(a *passkeytest.Authenticator) { a.UserVerified = false }, 403, "user_verification_required"},                          // 17, 54
		{"backed up but not eligible", func(a *passkeytest.Authenticator) { a.BackupEligible = false }, 401, "verification_failed"},                     // 18
		{"extension flag without outputs", authData(func(d *passkeytest.AuthData) { d.Flags |= passkeytest.FlagED }), 400, "malformed_credential"},      // 20, 57
		{"outputs without the extension flag", authData(func(d *passkeytest.AuthData) { d.Extensions = []byte{0xa0} }), 400, "malformed_credential"},    // 20, 57
		{"bytes after authenticator data", authData(func(d *passkeytest.AuthData) { d.Trailing = []byte{0} }), 400, "malformed_credential"},             // 21, 57
		{"authenticator data of 36 bytes", authBytes(func(b []byte) []byte { return b[:36] }), 400, "malformed_credential"},                             // 22, 57
		{"no authenticator data", authBytes(func([]byte) []byte { return nil }), 400, "malformed_credential"},                                           // 22, 57
		{"an extension result nobody asked for", func(a *passkeytest.Authenticator) { // 43, 66
			a.ClientExtensions = map[string]any{"appid": true}
		}, 401, "verification_failed"},
	}
}

// attestationAttacks are the lies that only a registration can tell.
func attestationAttacks() []attack {
	malformed := func(name string, bend func(*passkeytest.Authenticator)) attack {
		return attack{name, bend, 400, "malformed_credential"}
	}
	refused := func(name string, bend func(*passkeytest.Authenticator)) attack {
		return attack{name, bend, 401, "verification_failed"}
	}
	return []attack{
		malformed("no attested credential, by its flag", authData(func(d *passkeytest.AuthData) { d.Flags &^= passkeytest.FlagAT })), // 19
		malformed("no attested credential at all", authData(func(d *passkeytest.AuthData) { // 19
			d.Flags &^= passkeytest.FlagAT
			d.Key = nil
		})),
		malformed("bytes after the attestation object", func(a *passkeytest.Authenticator) { // 23
			a.Bend.AttestationObject = func(b []byte) []byte { return append(b, 0) }
		}),
		malformed("an attestation object that is no CBOR", func(a *passkeytest.Authenticator) {
			a.Bend.AttestationObject = func([]byte) []byte { return []byte(`{"fmt":"none"}`) }
		}),
		refused("format none with a statement", func(a *passkeytest.Authenticator) { // 30
			a.Bend.Statement = func(s *passkeytest.Statement) { s.Fields["sig"] = []byte{1} }
		}),
		refused("an unknown format", func(a *passkeytest.Authenticator) { // 31
			a.Bend.Statement = func(s *passkeytest.Statement) { s.Format = "wax-seal" }
		}),
		refused("packed with a bent signature", statement(func(s *passkeytest.Statement) { // 32
			s.Fields["sig"] = bent(s.Fields["sig"].([]byte))
		})),
		refused("packed with another algorithm", statement(func(s *passkeytest.Statement) { s.Fields["alg"] = passkeytest.RS256 })), // 33
		refused("packed without a signature", statement(func(s *passkeytest.Statement) { delete(s.Fields, "sig") })),                // 34
		refused("packed ECDAA", statement(func(s *passkeytest.Statement) { s.Fields["ecdaaKeyId"] = []byte{1} })),                   // 35
		refused("packed with a chain that is no certificate", statement(func(s *passkeytest.Statement) {
			s.Fields["x5c"] = [][]byte{[]byte("not a certificate")}
		})),
		refused("packed, signed by another credential's key", func(a *passkeytest.Authenticator) { // 32
			a.Algorithm, a.Attestation, a.SignWith = passkeytest.ES256, passkeytest.AttestSelf, anotherKey()
		}),
		malformed("an attested id that is not the id", authData(func(d *passkeytest.AuthData) { d.CredentialID = bent(d.CredentialID) })), // 37
		malformed("an id of 1024 bytes", idLength(1024)),                                                                                     // 39
		{"an id of 15 bytes", idLength(15), 422, "unsupported_key"},                                                                          // 40
		{"an id of 1 byte", idLength(1), 422, "unsupported_key"},                                                                             // 40
		{"a credential that cannot be discovered", func(a *passkeytest.Authenticator) { a.CredProps = new(false) }, 422, "not_discoverable"}, // 44
	}
}

// keyAttacks are public keys that could never sign in again, or that anybody
// could sign with.
func keyAttacks() []attack {
	unsupported := func(name string, bend func(*passkeytest.Authenticator)) attack {
		return attack{name, bend, 422, "unsupported_key"}
	}
	algorithm := func(alg int64) func(passkeytest.COSEKey) {
		return func(k passkeytest.COSEKey) { k[passkeytest.KeyAlg] = alg }
	}
	return []attack{
		unsupported("an algorithm that was not offered", key(passkeytest.ES384, nil)),            // 24
		unsupported("EdDSA on an EC2 key", key(passkeytest.ES256, algorithm(passkeytest.EdDSA))), // 25
		unsupported("RS256 on an EC2 key", key(passkeytest.ES256, algorithm(passkeytest.RS256))), // 25
		unsupported("ES256 on an OKP key", key(passkeytest.EdDSA, algorithm(passkeytest.ES256))), // 25
		unsupported("ES256 on an RSA key", key(passkeytest.RS256, algorithm(passkeytest.ES256))), // 25
		unsupported("ES256 with a key of P-384", func(a *passkeytest.Authenticator) { // 26
			a.Algorithm = passkeytest.ES256
			a.NewKey = func(int64) (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }
		}),
		unsupported("ES256 with a P-256 key called P-521", key(passkeytest.ES256, func(k passkeytest.COSEKey) { k[passkeytest.KeyCrv] = 3 })), // 26
		unsupported("EdDSA with a key called X25519", key(passkeytest.EdDSA, func(k passkeytest.COSEKey) { k[passkeytest.KeyCrv] = 4 })),      // 26
		unsupported("a point off the curve", key(passkeytest.ES256, func(k passkeytest.COSEKey) { // 27
			k[passkeytest.KeyY] = bent(k[passkeytest.KeyY].([]byte))
		})),
		unsupported("the point at zero", key(passkeytest.ES256, func(k passkeytest.COSEKey) { // 27
			k[passkeytest.KeyX], k[passkeytest.KeyY] = make([]byte, 32), make([]byte, 32)
		})),
		unsupported("a point without y", key(passkeytest.ES256, func(k passkeytest.COSEKey) { delete(k, passkeytest.KeyY) })),                                       // 27
		unsupported("RSA of 512 bits", key(passkeytest.RS256, func(k passkeytest.COSEKey) { k[passkeytest.KeyN] = oddNumber(512) })),                                // 28
		unsupported("RSA of 2040 bits", key(passkeytest.RS256, func(k passkeytest.COSEKey) { k[passkeytest.KeyN] = oddNumber(2040) })),                              // 28
		unsupported("RSA of 8192 bits", key(passkeytest.RS256, func(k passkeytest.COSEKey) { k[passkeytest.KeyN] = oddNumber(8192) })),                              // 28
		unsupported("RSA with exponent 1", key(passkeytest.RS256, func(k passkeytest.COSEKey) { k[passkeytest.KeyE] = []byte{1} })),                                 // 28
		unsupported("RSA with exponent 3", key(passkeytest.RS256, func(k passkeytest.COSEKey) { k[passkeytest.KeyE] = []byte{3} })),                                 // 28
		unsupported("RSA with an exponent of nine bytes", key(passkeytest.RS256, func(k passkeytest.COSEKey) { k[passkeytest.KeyE] = bytes.Repeat([]byte{1}, 9) })), // 28
		unsupported("Ed25519 of 31 bytes", key(passkeytest.EdDSA, func(k passkeytest.COSEKey) { k[passkeytest.KeyX] = k[passkeytest.KeyX].([]byte)[:31] })),         // 29
		unsupported("Ed25519 of 33 bytes", key(passkeytest.EdDSA, func(k passkeytest.COSEKey) { k[passkeytest.KeyX] = append(k[passkeytest.KeyX].([]byte), 0) })),   // 29
		unsupported("a key without an algorithm", key(passkeytest.ES256, func(k passkeytest.COSEKey) { delete(k, passkeytest.KeyAlg) })),                            // 24
		unsupported("a key of unknown kind", key(passkeytest.ES256, func(k passkeytest.COSEKey) { k[passkeytest.KeyType] = 99 })),
	}
}

func anotherKey() crypto.Signer {
	key, err := passkeytest.GenerateKey(passkeytest.ES256)
	if err != nil {
		panic(err)
	}
	return key
}
