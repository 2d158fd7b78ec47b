package latchkey

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Bounds of the keys of an application.
const (
	maxKeys    = 32       // in one set
	maxKeySet  = 64 << 10 // bytes of a set in the registration
	minRSABits = 2048     // RFC 7518 §3.3
	maxRSABits = 8192     // more only costs time
)

// ErrKeySet says that something is no set of public keys.
var ErrKeySet = errors.New("no set of public keys")

// UsableKeys reads a set of public keys (RFC 7517 §5) and returns those that may
// be used, as they are spelled. Keys of kinds that nobody here knows are passed
// over, as the RFC asks, and so are weak ones and private ones, which somebody
// published by mistake. What is no set, or one of more than 32 keys, is
// ErrKeySet.
func UsableKeys(set []byte) ([]json.RawMessage, error) {
	keys, err := keysIn(set)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(keys, func(key json.RawMessage) bool {
		problem, known := keyProblem(key)
		return problem != "" || !known
	}), nil
}

func keysIn(set []byte) ([]json.RawMessage, error) {
	var members struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := decodeAlone(set, &members); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	if len(members.Keys) == 0 {
		return nil, fmt.Errorf("%w: it holds none", ErrKeySet)
	}
	if len(members.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: it holds more than %d", ErrKeySet, maxKeys)
	}
	return members.Keys, nil
}

// keyProblem says what is wrong with one key; "" is nothing. known tells whether
// it is of a kind that is used here.
func keyProblem(key json.RawMessage) (problem string, known bool) {
	// Names of members are compared letter by letter, which a struct would not do.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(key, &members); err != nil || members == nil {
		return "a key is no JSON object.", false
	}
	text := func(name string) (s string) {
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return s
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, there := members[private]; there {
			return "there is a private or secret key in it. Send public keys only, and use that one no more.", true
		}
	}
	switch text("kty") {
	case "RSA":
		return rsaProblem(text("n"), text("e")), true
	case "EC":
		size, ok := map[string]int{"P-256": 32, "P-384": 48, "P-521": 66}[text("crv")]
		if !ok {
			return "", false
		}
		if len(octets(text("x"))) != size || len(octets(text("y"))) != size {
			return "a key of curve " + text("crv") + " is no point of it.", true
		}
		return "", true
	case "OKP":
		if text("crv") != "Ed25519" {
			return "", false
		}
		if len(octets(text("x"))) != 32 {
			return "a key of Ed25519 is not 32 bytes long.", true
		}
		return "", true
	}
	return "", false
}

func rsaProblem(n, e string) string {
	bits := new(big.Int).SetBytes(octets(n)).BitLen()
	switch {
	case bits < minRSABits:
		return fmt.Sprintf("an RSA key has fewer than %d bits.", minRSABits)
	case bits > maxRSABits:
		return fmt.Sprintf("an RSA key has more than %d bits.", maxRSABits)
	case !new(big.Int).SetBytes(octets(e)).IsInt64() || new(big.Int).SetBytes(octets(e)).Int64() != 65537:
		return "the exponent of an RSA key is not 65537."
	}
	return ""
}

// octets are the bytes of a member (RFC 7518 §2, Base64urlUInt); nil when it is
// none.
func octets(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// checkKeys judges where the keys of an application are, and what they are when
// they stand in the registration.
func (c *Client) checkKeys(p problems) {
	there := len(c.Protocol.JWKS) > 0
	if there && c.Protocol.JWKSURI != "" { // RFC 7591 §2
		p.add("jwks_uri", "The keys stand in jwks or at jwks_uri, not both.")
	}
	if there {
		c.checkKeySet(p)
	}
	if uri := c.Protocol.JWKSURI; uri != "" {
		checkList(p, "jwks_uri", []string{uri}, fetchedProblem)
	}
	if c.AuthMethod == AuthPrivateKeyJWT && !there && c.Protocol.JWKSURI == "" {
		p.add("jwks_uri", "With private_key_jwt, the application has a key of its own. Say where its public keys are: jwks_uri, or the keys themselves as jwks.")
	}
	if alg := c.Protocol.AuthAlg; alg != "" && !slices.Contains(AuthAlgs(c.AuthMethod), alg) {
		what := "There are RS256, PS256, ES256 and EdDSA for private_key_jwt, HS256, HS384 and HS512 for client_secret_jwt."
		if c.AuthMethod != AuthPrivateKeyJWT && c.AuthMethod != AuthSecretJWT {
			what = "Nothing is signed with method " + c.AuthMethod + ". Leave it out."
		}
		p.add("token_endpoint_auth_signing_alg", "%s", what)
	}
}

func (c *Client) checkKeySet(p problems) {
	if len(c.Protocol.JWKS) > maxKeySet {
		p.add("jwks", "This is larger than %d KiB. Put the keys at jwks_uri.", maxKeySet>>10)
		return
	}
	keys, err := keysIn(c.Protocol.JWKS)
	if err != nil {
		p.add("jwks", "This is no set of 1 to %d keys: {\"keys\": […]} (RFC 7517).", maxKeys)
		return
	}
	usable := 0
	for _, key := range keys {
		problem, known := keyProblem(key)
		if problem != "" {
			p.add("jwks", "In this set, %s", problem)
		}
		if known {
			usable++
		}
	}
	if usable == 0 {
		p.add("jwks", "No key of this set can be used. There are RSA, the curves P-256, P-384 and P-521, and Ed25519.")
	}
}

// AuthAlgs are the algorithms of the assertions of a method (RFC 7523), the
// first one the plainest; none for a method without assertions.
func AuthAlgs(method string) []string {
	switch method {
	case AuthPrivateKeyJWT:
		return ClientAlgs()
	case AuthSecretJWT:
		return []string{"HS256", "HS384", "HS512"}
	}
	return nil
}

// ed25519 is the newer name of EdDSA on the one curve of it that is used here
// (RFC 9864 §2.2). We sign under the older one, which everybody knows.
const ed25519 = "Ed25519"

// ClientAlgs are the algorithms that applications may sign with.
func ClientAlgs() []string { return append(SigningAlgs(), ed25519) }

// SameAlg tells whether two names are those of one algorithm.
func SameAlg(a, b string) bool {
	old := func(alg string) string {
		if alg == ed25519 {
			return EdDSA
		}
		return alg
	}
	return old(a) == old(b)
}

// macBytes is the length of the hash of an HMAC algorithm, and the least length
// of its key (RFC 7518 §3.2).
func macBytes(alg string) int {
	switch alg {
	case "HS384":
		return 48
	case "HS512":
		return 64
	}
	return 32
}

// Fetched are the addresses of an application that latchkey itself goes to, by
// their members: each is judged before it is stored.
func (c *Client) Fetched() map[string][]string {
	return map[string][]string{
		"jwks_uri": {c.Protocol.JWKSURI}, "request_uris": c.Protocol.RequestURIs, "sector_identifier_uri": {c.Protocol.SectorIdentifierURI},
		"backchannel_logout_uri": {c.Protocol.BackchannelLogoutURI}, "logo_uri": {c.Metadata.LogoURI},
	}
}

// fetchedProblem judges the spelling of an address that latchkey goes to. Where
// it leads, and whether http is allowed there, the guarded client judges.
func fetchedProblem(uri string) string { return linkProblem(uri, false) }
