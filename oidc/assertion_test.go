package oidc_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/oidc"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// Every algorithm of both methods, at each address where clients authenticate.
func TestAssertions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, alg := range []string{latchkey.RS256, latchkey.PS256, latchkey.ES256, latchkey.EdDSA, "HS256", "HS384", "HS512"} {
		t.Run(alg, func(t *testing.T) {
			s := newSigner(t, alg, 0)
			var a *app
			if strings.HasPrefix(alg, "HS") {
				a = w.appWith(t, alg, w.db.NewClientKey(), sharing)
				s.key = []byte(a.secret)
			} else {
				a = w.app(t, alg, signing(t, s))
			}
			call := func(path string, form url.Values) *answer {
				form.Set("client_assertion_type", assertionType)
				form.Set("client_assertion", s.sign(t, w.claims(a.ID)))
				return w.browser().do(t, w.form(t, path, form))
			}
			tk := readTokens(t, call("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {a.code(t, b)}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
			tk = readTokens(t, call("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tk.refresh}}))
			if got := call("/oauth2/introspect", url.Values{"token": {tk.access}}).json(t); got["active"] != true {
				t.Errorf("introspection answered %v", got)
			}
			if got := call("/oauth2/revoke", url.Values{"token": {tk.refresh}}); got.status != http.StatusOK {
				t.Errorf("revocation answered %d %s", got.status, got.body)
			}
		})
	}
}

// What is at the edge of the rules and still right.
func TestAssertionsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newSigner(t, latchkey.ES256, 0)
	w.app(t, "wiki", signing(t, s))
	now := time.Now().Unix()
	for name, change := range map[string]map[string]any{
		"the token endpoint as audience": {"aud": w.issuer + "/oauth2/token"},
		"a list of one audience":         {"aud": []string{w.issuer}},
		"just under ten minutes":         {"exp": now + 595},
		"a clock 8 s ahead":              {"nbf": now + 8, "iat": now + 8},
		"a clock 5 s behind":             {"exp": now - 5, "iat": now - 65},
		"parts of a second":              {"exp": float64(now) + 60.5},
		"without iat":                    {"iat": nil},
		"with nbf":                       {"nbf": now},
		"with other claims":              {"name": "x", "roles": []string{"y"}},
		"with its own id as well":        {},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.asserted(t, s.sign(t, bent(w.claims("wiki"), change)), "client_id", "wiki"); got.status != http.StatusOK {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		})
	}
}

// bent is claims with changes; nil takes one out.
func bent(claims, change map[string]any) map[string]any {
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// SECURITY cases 36 and 37: one thing is wrong each time, the answer is that for
// an unknown client, and the log names the thing.
func TestAssertionsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, rs, other := newSigner(t, latchkey.ES256, 0), newSigner(t, latchkey.RS256, 0), newSigner(t, latchkey.ES256, 1)
	other.kid = s.kid
	signed := w.app(t, "signed", signing(t, s, rs.public()))
	shared := w.app(t, "shared", sharing)
	secret := &signer{alg: "HS256", key: []byte(shared.secret)}
	basic := w.app(t, "basic")
	w.app(t, "off", signing(t, s), func(c *latchkey.Client) { c.Enabled = false })
	w.app(t, "one-alg", signing(t, s, rs.public()), func(c *latchkey.Client) { c.Protocol.AuthAlg = latchkey.RS256 })
	w.app(t, "fapi", signing(t, s, rs.public()), func(c *latchkey.Client) { c.Profile = latchkey.ProfileFAPI2 })
	w.app(t, "keyless", func(c *latchkey.Client) {
		c.AuthMethod, c.Protocol.JWKS = latchkey.AuthPrivateKeyJWT, []byte(`{"keys":[{"kty":"XYZ"}]}`)
	})
	now := time.Now().Unix()
	claims := func(change map[string]any) map[string]any { return bent(w.claims("signed"), change) }
	of := func(id string) map[string]any { return w.claims(id) }
	spent := s.sign(t, claims(nil))
	if got := w.asserted(t, spent); got.status != http.StatusOK {
		t.Fatalf("a good one answered %d %s", got.status, got.body)
	}
	none := func() string {
		parts := strings.Split(s.sign(t, claims(nil)), ".")
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	}
	unknown := w.asserted(t, s.sign(t, of("nobody")))
	for _, c := range []struct {
		name      string
		assertion string
		reason    string
		pairs     []string
	}{
		{"alg none", none(), "assertion_alg", nil},
		{"an HMAC with the public key as its secret", (&signer{alg: "HS256", key: publicPEM(t, rs)}).sign(t, claims(nil)), "wrong_method", nil},
		{"an algorithm that is not ours", signES384(t, claims(nil)), "assertion_alg", nil},
		{"an algorithm that is not the registered one", s.sign(t, of("one-alg")), "assertion_alg", nil},
		{"RS256 in profile fapi2", rs.sign(t, of("fapi")), "assertion_alg", nil},
		{"a list of one audience in profile fapi2", s.sign(t, bent(of("fapi"), map[string]any{"aud": []string{w.issuer}})), "assertion_audience", nil},
		{"the token endpoint as audience in profile fapi2", s.sign(t, bent(of("fapi"), map[string]any{"aud": w.issuer + "/oauth2/token"})), "assertion_audience", nil},
		{"expired", s.sign(t, claims(map[string]any{"exp": now - 15})), "assertion_expired", nil},
		{"expired long ago", s.sign(t, claims(map[string]any{"exp": -1e300})), "assertion_expired", nil},
		{"more than ten minutes ahead", s.sign(t, claims(map[string]any{"exp": now + 630})), "assertion_too_long_lived", nil},
		{"ten years ahead", s.sign(t, claims(map[string]any{"exp": 1e300})), "assertion_too_long_lived", nil},
		{"without exp", s.sign(t, claims(map[string]any{"exp": nil})), "assertion_no_end", nil},
		{"without jti", s.sign(t, claims(map[string]any{"jti": nil})), "assertion_no_id", nil},
		{"an empty jti", s.sign(t, claims(map[string]any{"jti": ""})), "assertion_no_id", nil},
		{"not yet", s.sign(t, claims(map[string]any{"nbf": now + 75})), "assertion_not_yet", nil},
		{"made in the future", s.sign(t, claims(map[string]any{"iat": now + 75})), "assertion_not_yet", nil},
		{"another issuer", s.sign(t, claims(map[string]any{"iss": "basic"})), "assertion_issuer", nil},
		{"no issuer", s.sign(t, claims(map[string]any{"iss": nil})), "assertion_issuer", nil},
		{"no subject", s.sign(t, claims(map[string]any{"sub": nil})), "assertion_issuer", nil},
		{"another audience", s.sign(t, claims(map[string]any{"aud": "https://other.example"})), "assertion_audience", nil},
		{"another address of ours as audience", s.sign(t, claims(map[string]any{"aud": w.issuer + "/oauth2/introspect"})), "assertion_audience", nil},
		{"the issuer with a slash", s.sign(t, claims(map[string]any{"aud": w.issuer + "/"})), "assertion_audience", nil},
		{"two audiences", s.sign(t, claims(map[string]any{"aud": []string{w.issuer, "https://other.example"}})), "assertion_audience", nil},
		{"two audiences of ours", s.sign(t, claims(map[string]any{"aud": []string{w.issuer, w.issuer + "/oauth2/token"}})), "assertion_audience", nil},
		{"no audience", s.sign(t, claims(map[string]any{"aud": nil})), "assertion_audience", nil},
		{"an empty list of audiences", s.sign(t, claims(map[string]any{"aud": []string{}})), "assertion_audience", nil},
		{"another key of the same kid", other.sign(t, claims(nil)), "assertion_signature", nil},
		{"a key of another client", s.sign(t, of("keyless")), "assertion_signature", nil},
		{"a changed signature", changeLast(s.sign(t, claims(nil))), "assertion_signature", nil},
		{"used before", spent, "assertion_replayed", nil},
		{"an unknown client", s.sign(t, of("nobody")), "unknown_client", nil},
		{"a disabled client", s.sign(t, of("off")), "unknown_client", nil},
		{"a client of method Basic", s.sign(t, of("basic")), "wrong_method", nil},
		{"a signature where a MAC is due", s.sign(t, of("shared")), "wrong_method", nil},
		{"a MAC where a signature is due", secret.sign(t, claims(nil)), "wrong_method", nil},
		{"the id of another client beside it", s.sign(t, claims(nil)), "two_clients", []string{"client_id", "basic"}},
		{"a secret beside it", s.sign(t, claims(nil)), "two_methods", []string{"client_id", "signed", "client_secret", "x"}},
		{"no type", s.sign(t, claims(nil)), "assertion_type", []string{"client_assertion_type", ""}},
		{"another type", s.sign(t, claims(nil)), "assertion_type", []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}},
		{"a type and nothing else", "", "malformed_assertion", []string{"client_assertion", ""}},
		{"no JWT", "x.y.z", "malformed_assertion", nil},
		{"no JSON in it", s.sign(t, []byte("x")), "malformed_assertion", nil},
		{"no object in it", s.sign(t, []byte("[]")), "malformed_assertion", nil},
		{"an id that is no text", s.sign(t, claims(map[string]any{"jti": 1})), "malformed_assertion", nil},
		{"a time that is no number", s.sign(t, claims(map[string]any{"exp": "soon"})), "malformed_assertion", nil},
		{"a list of what is no text", s.sign(t, claims(map[string]any{"aud": []int{1}})), "malformed_assertion", nil},
		{"one claim twice", s.sign(t, []byte(`{"iss":"signed","sub":"basic","sub":"signed"}`)), "malformed_assertion", nil},
		{"too long", s.sign(t, claims(map[string]any{"more": strings.Repeat("x", 16<<10)})), "assertion_too_long", nil},
		{"a subject that can be no client", s.sign(t, claims(map[string]any{"sub": "a\x00b", "iss": "a\x00b"})), "assertion_issuer", nil},
		{"a shared secret that is wrong", (&signer{alg: "HS256", key: []byte(signed.secret + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")}).sign(t, of("shared")), "assertion_signature", nil},
		{"a shared secret that is too short for the algorithm", shortMAC(t, w), "assertion_signature", nil},
		{"JSON instead of the compact spelling", "{}", "malformed_assertion", nil},
		{"secrets of a client without assertions", (&signer{alg: "HS256", key: []byte(basic.secret)}).sign(t, of("basic")), "wrong_method", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.events(t, latchkey.ClientAuthFailed, c.reason)
			got := w.asserted(t, c.assertion, c.pairs...)
			wantFault(t, got, 401, "invalid_client")
			if got.body != unknown.body || got.header.Get("WWW-Authenticate") != "" {
				t.Errorf("the answer differs from that for an unknown client: %s", got.body)
			}
			if n := w.events(t, latchkey.ClientAuthFailed, c.reason); n != before+1 {
				t.Errorf("%d events of %s, want one", n-before, c.reason)
			}
		})
	}
	// With Basic beside it, too; then the answer says so.
	r := w.form(t, "/oauth2/introspect", url.Values{"token": {"x"}, "client_assertion_type": {assertionType}, "client_assertion": {s.sign(t, claims(nil))}})
	r.SetBasicAuth("signed", "x")
	if got := w.browser().do(t, r); got.status != 401 || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("Basic beside it: answered %d %s", got.status, got.body)
	}
	if n := w.events(t, latchkey.ClientAuthFailed, "two_methods"); n != 2 {
		t.Errorf("%d events of two methods, want 2", n)
	}
}

// EdDSA is called Ed25519 by newer libraries (RFC 9864), in the header and in the
// registration; it is the same algorithm.
func TestAssertionsUnderTheNewerName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := newSigner(t, latchkey.EdDSA, 0), newSigner(t, latchkey.ES256, 0)
	newer := func(token string) string {
		parts := strings.Split(token, ".")
		signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"Ed25519","kid":"`+s.kid+`"}`)) + "." + parts[1]
		return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.key.(ed25519.PrivateKey), []byte(signed)))
	}
	for i, named := range []string{"", "EdDSA", "Ed25519"} {
		id := "client-" + string(rune('a'+i))
		w.app(t, id, signing(t, s, other.public()), func(c *latchkey.Client) { c.Protocol.AuthAlg = named })
		for name, assertion := range map[string]string{"older": s.sign(t, w.claims(id)), "newer": newer(s.sign(t, w.claims(id)))} {
			if got := w.asserted(t, assertion); got.status != http.StatusOK {
				t.Errorf("the %s name, %q registered: answered %d %s", name, named, got.status, got.body)
			}
		}
		if got := w.asserted(t, changeLast(newer(s.sign(t, w.claims(id))))); got.status != http.StatusUnauthorized {
			t.Errorf("a changed signature under the newer name answered %d", got.status)
		}
	}
	// Another kind of key under that name.
	parts := strings.Split(other.sign(t, w.claims("client-a")), ".")
	parts[0] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"Ed25519","kid":"` + other.kid + `"}`))
	if got := w.asserted(t, strings.Join(parts, ".")); got.status != http.StatusUnauthorized {
		t.Errorf("a key of another kind answered %d", got.status)
	}
}

func publicPEM(t *testing.T, s *signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.public().Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func signES384(t *testing.T, claims any) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return (&signer{alg: string(jose.ES384), key: key}).sign(t, claims)
}

// shortMAC is signed by the right secret, which is shorter than the hash
// (RFC 7518 §3.2).
func shortMAC(t *testing.T, w *world) string {
	t.Helper()
	a := w.appWith(t, "short", w.db.NewClientSecret(), sharing)
	payload, err := json.Marshal(w.claims("short"))
	if err != nil {
		t.Fatal(err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS512"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha512.New, []byte(a.secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// changeLast changes a byte of the signature.
func changeLast(token string) string {
	i := strings.LastIndexByte(token, '.') + 5
	return token[:i] + map[bool]string{true: "B", false: "A"}[token[i] == 'A'] + token[i+1:]
}

// SECURITY case 38: of twenty at once, one is believed.
func TestAssertionsCountOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newSigner(t, latchkey.ES256, 0)
	w.app(t, "wiki", signing(t, s))
	w.app(t, "blog", signing(t, s))
	for round := range 3 {
		assertion := s.sign(t, w.claims("wiki"))
		var group sync.WaitGroup
		var mu sync.Mutex
		answers := map[int]int{}
		for range 20 {
			group.Go(func() {
				got := w.asserted(t, assertion)
				mu.Lock()
				defer mu.Unlock()
				answers[got.status]++
			})
		}
		group.Wait()
		if answers[200] != 1 || answers[401] != 19 {
			t.Errorf("round %d: %v, want one 200 and nineteen 401", round, answers)
		}
	}
	// The same id of another client is another assertion.
	claims := w.claims("wiki")
	for _, id := range []string{"wiki", "blog"} {
		if got := w.asserted(t, s.sign(t, bent(claims, map[string]any{"iss": id, "sub": id}))); got.status != 200 {
			t.Errorf("%s answered %d", id, got.status)
		}
	}
	// What is refused for another reason is not used up.
	id := rand.Text()
	if got := w.asserted(t, newSigner(t, latchkey.ES256, 1).sign(t, bent(w.claims("wiki"), map[string]any{"jti": id}))); got.status != 401 {
		t.Errorf("a forged one answered %d", got.status)
	}
	if got := w.asserted(t, s.sign(t, bent(w.claims("wiki"), map[string]any{"jti": id}))); got.status != 200 {
		t.Errorf("the right one after a forged one of its id answered %d", got.status)
	}
	// Its trace lives as long as it could be used.
	if n := w.count(t, `SELECT count(*) FROM spent WHERE kind = 'assertion' AND expires_at BETWEEN now() + interval '1 minute' AND now() + interval '3 minutes'`); n != 6 {
		t.Errorf("%d traces, want 6", n)
	}
}

// Each live secret signs, an ended one does not; the last use is shown.
func TestSharedSecretsRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", sharing)
	old, next := a.secret, w.db.NewClientSecret()
	add := func(secret string) {
		t.Helper()
		err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
			_, err := tx.AddClientSecret(t.Context(), a.ID, secret, 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.db.PollCaches(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	try := func(secret string) int {
		return w.asserted(t, (&signer{alg: "HS256", key: []byte(secret)}).sign(t, w.claims(a.ID))).status
	}
	add(next)
	if try(old) != 200 || try(next) != 200 {
		t.Error("not both secrets sign")
	}
	if err := w.db.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, `SELECT count(*) FROM client_secrets WHERE last_used_at IS NOT NULL`); n != 2 {
		t.Errorf("the last use is shown for %d", n)
	}
	w.sql(t, `UPDATE client_secrets SET expires_at = now() - interval '1 second' WHERE created_at = (SELECT min(created_at) FROM client_secrets)`)
	w.sql(t, `UPDATE cache_version SET version = version + 1 WHERE name = 'clients'`)
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	if try(old) != 401 || try(next) != 200 {
		t.Error("the ended secret signs, or the other one does not")
	}
	// A dump of the database holds no secret.
	sealed := storagetest.Value[[]byte](t, w.url, `SELECT secret FROM client_secrets ORDER BY created_at DESC LIMIT 1`)
	if len(sealed) == 0 || strings.Contains(string(sealed), next) {
		t.Errorf("the sealed copy is %q", sealed)
	}
}

// A sealed secret that was moved to another client opens nowhere: that is a
// fault of ours, and not a failed authentication.
func TestASharedSecretStaysWithItsClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(*oidc.Options) {})
	a, b := w.app(t, "wiki", sharing), w.app(t, "blog", sharing)
	w.sql(t, `UPDATE client_secrets SET secret = (SELECT secret FROM client_secrets WHERE client_id = 'wiki') WHERE client_id = 'blog'`)
	got := w.asserted(t, (&signer{alg: "HS256", key: []byte(a.secret)}).sign(t, w.claims(b.ID)))
	if got.status != http.StatusInternalServerError || !strings.Contains(got.body, "sealed value mismatch") {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}
