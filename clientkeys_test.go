package latchkey_test

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"latchkey"
)

// rsaJWK is a public key of so many bits, for its form only.
func rsaJWK(bits uint, e string) string {
	n := new(big.Int).SetBit(big.NewInt(1), int(bits-1), 1).Bytes()
	return `{"kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(n) + `","e":"` + e + `"}`
}

func ecJWK(curve string, size int) string {
	part := base64.RawURLEncoding.EncodeToString(make([]byte, size))
	return `{"kty":"EC","crv":"` + curve + `","x":"` + part + `","y":"` + part + `"}`
}

func edJWK(size int) string {
	return `{"kty":"OKP","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(make([]byte, size)) + `"}`
}

const unknownJWK = `{"kty":"OKP","crv":"X448","x":"AA"}`

func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// TestKeysInARegistration: each set alone, with what is wrong with it.
func TestKeysInARegistration(t *testing.T) {
	t.Parallel()
	right := rsaJWK(2048, "AQAB")
	for _, c := range []struct{ name, set, says string }{
		{"RSA", setOf(right), ""},
		{"RSA of 8192 bits", setOf(rsaJWK(8192, "AQAB")), ""},
		{"the curves", setOf(ecJWK("P-256", 32), ecJWK("P-384", 48), ecJWK("P-521", 66), edJWK(32)), ""},
		{"32 keys", setOf(strings.Split(strings.Repeat(right+";", 32), ";")[:32]...), ""},
		{"beside a kind that nobody knows", setOf(unknownJWK, right), ""},
		{"members that nobody knows", `{"more":1,"keys":[` + right + `]}`, ""},
		{"33 keys", setOf(strings.Split(strings.Repeat(right+";", 33), ";")[:33]...), "1 to 32"},
		{"no keys", setOf(), "1 to 32"},
		{"no set", `[]`, "1 to 32"},
		{"a key and no set", right, "1 to 32"},
		{"a text", `"x"`, "1 to 32"},
		{"kinds that nobody knows", setOf(unknownJWK, `{"kty":"XYZ"}`, `{"kty":"EC","crv":"secp256k1"}`, `{}`), "No key"},
		{"no keys in it", setOf(right, `1`), "no JSON object"},
		{"RSA of 2047 bits", setOf(right, rsaJWK(2047, "AQAB")), "2048"},
		{"RSA of 8193 bits", setOf(rsaJWK(8193, "AQAB")), "8192"},
		{"RSA with exponent 3", setOf(rsaJWK(2048, "Aw")), "65537"},
		{"RSA with a huge exponent", setOf(rsaJWK(2048, strings.Repeat("A", 20)+"AQAB"+strings.Repeat("A", 20))), "65537"},
		{"RSA without exponent", setOf(rsaJWK(2048, "")), "65537"},
		{"RSA in the wrong alphabet", setOf(`{"kty":"RSA","n":"+/+/","e":"AQAB"}`), "2048"},
		{"half a point", setOf(ecJWK("P-256", 31)), "no point"},
		{"a point of another curve", setOf(ecJWK("P-256", 48)), "no point"},
		{"a short Ed25519 key", setOf(edJWK(31)), "32 bytes"},
		{"a private key", setOf(`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}`), "private"},
		{"a private key of a kind that nobody knows", setOf(right, `{"kty":"XYZ","d":""}`), "private"},
		{"a secret", setOf(`{"kty":"oct","k":"AAAA"}`), "secret"},
		{"too large", setOf(right, `{"kty":"XYZ","x":"`+strings.Repeat("a", 64<<10)+`"}`), "64 KiB"},
	} {
		app := wiki(latchkey.TypeWeb)
		app.Protocol.JWKS = json.RawMessage(c.set)
		got := fields(t, app.Check())
		if c.says == "" && len(got) > 0 || c.says != "" && (len(got) != 1 || !strings.Contains(got["jwks"], c.says)) {
			t.Errorf("%s: got %v, want only jwks with %q", c.name, got, c.says)
		}
	}
	for uri, says := range map[string]string{
		"https://a.example/jwks": "", "http://a.lan/jwks": "", "ftp://a.example/": "https://", "a.example/jwks": "https://",
		"https://me@a.example/": "@", "https://a.example/#x": "#", "https://a example/": "space",
	} {
		app := wiki(latchkey.TypeWeb)
		app.Protocol.JWKSURI = uri
		if got := fields(t, app.Check()); says == "" && len(got) > 0 || says != "" && (len(got) != 1 || !strings.Contains(got["jwks_uri"], says)) {
			t.Errorf("%s: got %v, want only jwks_uri with %q", uri, got, says)
		}
	}
	both := wiki(latchkey.TypeWeb)
	both.Protocol.JWKS, both.Protocol.JWKSURI = json.RawMessage(setOf(right)), "https://a.example/jwks"
	if got := fields(t, both.Check()); len(got) != 1 || !strings.Contains(got["jwks_uri"], "not both") {
		t.Errorf("both: got %v", got)
	}
}

// TestKeysAreTheSameInEverySpelling: white space and the order of members change
// nothing.
func TestKeysAreTheSameInEverySpelling(t *testing.T) {
	t.Parallel()
	app := wiki(latchkey.TypeWeb)
	app.Protocol.JWKS = json.RawMessage(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`)
	for spelling, want := range map[string]int{
		`{ "keys": [ {"x":"AA", "crv":"Ed25519","kty":"OKP" } ] }`:   0,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AB"}]}`:          1,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}],"more":1}`: 1,
	} {
		other := app
		other.Protocol.JWKS = json.RawMessage(spelling)
		if got := latchkey.ChangedMembers(&app, &other); len(got) != want {
			t.Errorf("%s: changed %v", spelling, got)
		}
	}
	none := app
	none.Protocol.JWKS = nil
	if got := latchkey.ChangedMembers(&app, &none); len(got) != 1 {
		t.Errorf("without keys: changed %v", got)
	}
}

// TestAMethodTakesItsAlgorithmWithIt: an algorithm of the old method would be
// wrong for the new one.
func TestAMethodTakesItsAlgorithmWithIt(t *testing.T) {
	t.Parallel()
	app := wiki(latchkey.TypeWeb)
	for _, step := range []struct{ method, alg, want string }{
		{latchkey.AuthPrivateKeyJWT, latchkey.ES256, latchkey.ES256},
		{latchkey.AuthPrivateKeyJWT, latchkey.ES256, latchkey.ES256},
		{latchkey.AuthSecretJWT, latchkey.ES256, ""},
		{latchkey.AuthSecretJWT, "HS512", "HS512"},
		{latchkey.AuthBasic, "HS512", ""},
	} {
		app.Protocol.AuthAlg = step.alg
		if app.SetAuthMethod(step.method); app.Protocol.AuthAlg != step.want || app.AuthMethod != step.method {
			t.Errorf("%s with %s: got %q", step.method, step.alg, app.Protocol.AuthAlg)
		}
	}
}

// FuzzUsableKeys: what is let through is public, of a known kind and strong.
func FuzzUsableKeys(f *testing.F) {
	for _, set := range []string{setOf(rsaJWK(2048, "AQAB"), ecJWK("P-256", 32), edJWK(32), unknownJWK), setOf(rsaJWK(1024, "AQAB")), setOf(`{"kty":"oct","k":"AA"}`),
		setOf(`{"kty":"RSA","n":"AQAB","N":"AQAB","e":"AQAB","d":null}`), `{"keys":[1,"x",null,{}]}`, `[]`, `{}`, `{"keys":[{}]}{}`} {
		f.Add([]byte(set))
	}
	f.Fuzz(func(t *testing.T, set []byte) {
		keys, err := latchkey.UsableKeys(set)
		if err != nil {
			return
		}
		if len(keys) > 32 {
			t.Fatalf("%d keys", len(keys))
		}
		for _, key := range keys {
			var members map[string]any
			if err := json.Unmarshal(key, &members); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			if _, private := members["d"]; private || members["kty"] == "oct" {
				t.Fatalf("%s is not public", key)
			}
			if members["kty"] == "RSA" && (members["e"] != "AQAB" && !strings.HasSuffix(members["e"].(string), "AQAB") || len(members["n"].(string)) < 341) {
				t.Fatalf("%s is weak", key)
			}
		}
	})
}
