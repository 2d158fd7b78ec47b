package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/oidc"
	"latchkey/outbound"
)

// objectKeys are those of an application that signs its requests, one for each
// algorithm; the two of RSA are one.
type objectKeys map[string]crypto.Signer

func newObjectKeys(t testing.TB) objectKeys {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return objectKeys{"RS256": rsaKey, "PS256": rsaKey, "ES256": ecKey, "EdDSA": edKey}
}

// jwks has no kid, as those of many an application.
func (k objectKeys) jwks(t testing.TB) json.RawMessage {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k[alg].Public(), Use: "sig"})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (k objectKeys) sign(t testing.TB, alg, typ string, claims any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	if typ != "" {
		o = o.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: k[alg]}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, ok := claims.([]byte)
	if !ok {
		if payload, err = json.Marshal(claims); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// object is a good request object of an application; pairs change it, nil leaves
// out.
func (a *app) object(pairs ...any) map[string]any {
	claims := map[string]any{
		"iss": a.ID, "aud": a.w.issuer, "client_id": a.ID, "redirect_uri": a.RedirectURIs[0], "response_type": "code",
		"scope": "openid profile", "state": "inner", "nonce": "inner-nonce", "code_challenge": challenge(), "code_challenge_method": "S256",
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(claims, pairs[i].(string))
		} else {
			claims[pairs[i].(string)] = pairs[i+1]
		}
	}
	return claims
}

// by is the address of a request with an object, and what OpenID Connect Core
// §6.1 wants beside it.
func (a *app) by(object string, pairs ...string) string {
	q := url.Values{"client_id": {a.ID}, "response_type": {"code"}, "scope": {"openid"}, "request": {object}}
	return "/oauth2/authorize?" + changed(q, pairs...).Encode()
}

func signs(keys objectKeys, t testing.TB) func(*latchkey.Client) {
	return func(c *latchkey.Client) {
		c.Protocol.JWKS = keys.jwks(t)
		c.RedirectURIs = append(c.RedirectURIs, "https://wiki.example.com/second?keep=1")
	}
}

// TestRequestObject: what is in it counts, whatever stands beside it says, in
// every algorithm, with and without a type.
func TestRequestObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := newObjectKeys(t)
	a := w.app(t, "wiki", signs(keys, t))
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, alg := range latchkey.SigningAlgs() {
		for _, typ := range []string{"", "JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"} {
			object := keys.sign(t, alg, typ, a.object())
			to := b.get(t, a.by(object, "state", "outer", "nonce", "outer", "redirect_uri", "https://wiki.example.com/second?keep=1")).toApp(t)
			if to.address != callback || to.params.Get("state") != "inner" || to.params.Get("code") == "" {
				t.Errorf("%s %q: answered %v", alg, typ, to)
				continue
			}
			if claims := claimsIn(t, readTokens(t, a.exchange(t, to.params.Get("code"))).id); claims["nonce"] != "inner-nonce" {
				t.Errorf("%s %q: nonce %v", alg, typ, claims["nonce"])
			}
		}
	}
	// Values that are no text: a number, JSON, null.
	object := keys.sign(t, "ES256", "", a.object("max_age", 3600, "claims", map[string]any{"userinfo": map[string]any{"name": nil}}, "login_hint", json.RawMessage("null"), "prompt", []string{}, "exp", time.Now().Add(time.Minute).Unix()))
	if to := b.get(t, a.by(object)).toApp(t); to.params.Get("code") == "" {
		t.Errorf("answered %v", to)
	}
	if to := b.get(t, a.by(keys.sign(t, "ES256", "", a.object("max_age", 0)))); to.location(t).Path != "/login" {
		t.Errorf("max_age of 0 in the object was answered %v", to.header)
	}
	// An address that is in the object only, beside a wrong one.
	to := b.get(t, a.by(keys.sign(t, "RS256", "", a.object()), "redirect_uri", "https://evil.example/")).toApp(t)
	if to.address != callback || to.params.Get("code") == "" {
		t.Errorf("answered %v", to)
	}
	// By POST, and pushed.
	if waiting := b.post(t, "/oauth2/authorize", url.Values{"client_id": {a.ID}, "request": {keys.sign(t, "PS256", "", a.object())}}); b.get(t, waiting.location(t).String()).toApp(t).params.Get("state") != "inner" {
		t.Errorf("by POST: %v", waiting.header)
	}
	pushed := a.call(t, "/oauth2/par", url.Values{"request": {keys.sign(t, "EdDSA", "", a.object())}})
	if to := b.get(t, a.named(pushed.json(t)["request_uri"].(string))).toApp(t); to.params.Get("state") != "inner" || to.params.Get("code") == "" {
		t.Errorf("pushed: %v", to)
	}
}

// TestParametersBesideARequestObject: OpenID Connect Core §6.1 lets them count
// when they are not in the object; RFC 9101 §6.3 does not. An application that
// has to sign its requests, or asks for no openid beside the object, means the
// latter.
func TestParametersBesideARequestObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := newObjectKeys(t)
	lax := w.app(t, "lax", signs(keys, t))
	strict := w.app(t, "strict", signs(keys, t), func(c *latchkey.Client) { c.Protocol.RequireSignedRequest = true })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for what, c := range map[string]struct {
		app   *app
		scope string
		state string
	}{
		"OpenID Connect": {lax, "openid", "outer"}, "OAuth": {lax, "profile", ""}, "no scope beside it": {lax, "", ""}, "has to sign": {strict, "openid", ""},
	} {
		object := keys.sign(t, "ES256", "", c.app.object("state", nil))
		to := b.get(t, c.app.by(object, "state", "outer", "scope", c.scope)).toApp(t)
		if to.params.Get("state") != c.state || to.params.Get("code") == "" {
			t.Errorf("%s: answered %v", what, to)
		}
	}
	before := w.events(t, latchkey.AuthorizationRefused, "not_signed")
	w.wantRedirect(t, "not signed", b.get(t, strict.request()), "invalid_request")
	wantFault(t, strict.call(t, "/oauth2/par", strict.params()), 400, "invalid_request")
	if n := w.events(t, latchkey.AuthorizationRefused, "not_signed"); n != before+2 {
		t.Errorf("%d events", n-before)
	}
}

// TestRequestObjectRefused: each alone. The refusal goes to a registered address
// that stands beside the object, with what stands there.
func TestRequestObjectRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys, others := newObjectKeys(t), newObjectKeys(t)
	a := w.app(t, "wiki", signs(keys, t))
	only := w.app(t, "only", signs(keys, t), func(c *latchkey.Client) { c.Protocol.RequestObjectAlg = "ES256" })
	must := w.app(t, "must", signs(keys, t), func(c *latchkey.Client) { c.Protocol.RequireSignedRequest = true })
	b := w.browser().signIn(t, w.user(t, "alice"))
	now := time.Now()
	good := func(pairs ...any) string { return keys.sign(t, "ES256", "", a.object(pairs...)) }
	part := func(object string, i int, with string) string {
		parts := strings.Split(object, ".")
		parts[i] = with
		return strings.Join(parts, ".")
	}
	const none = "eyJhbGciOiJub25lIn0"
	whole := good()
	for what, c := range map[string]struct {
		app          *app
		object       string
		code, reason string
	}{
		"garbage":                       {a, "garbage", "invalid_request_object", "malformed_object"},
		"empty parts":                   {a, "..", "invalid_request_object", "malformed_object"},
		"unsigned":                      {a, none + "." + strings.Split(whole, ".")[1] + ".", "request_not_supported", "object_unsigned"},
		"unsigned where one must sign":  {must, none + "." + strings.Split(whole, ".")[1] + ".", "invalid_request_object", "object_unsigned"},
		"by another's key":              {a, others.sign(t, "ES256", "", a.object()), "invalid_request_object", "object_signature"},
		"without its signature":         {a, part(whole, 2, ""), "invalid_request_object", "object_signature"},
		"altered":                       {a, part(whole, 1, strings.Split(good("scope", "openid email"), ".")[1]), "invalid_request_object", "object_signature"},
		"by another algorithm":          {only, keys.sign(t, "RS256", "", only.object()), "invalid_request_object", "object_alg"},
		"of another type":               {a, keys.sign(t, "ES256", "at+jwt", a.object()), "invalid_request_object", "object_type"},
		"too long":                      {a, keys.sign(t, "ES256", "", a.object("extra", strings.Repeat("x", 65<<10))), "invalid_request_object", "object_too_long"},
		"no object":                     {a, keys.sign(t, "ES256", "", []byte("[]")), "invalid_request_object", "malformed_object"},
		"a name twice":                  {a, keys.sign(t, "ES256", "", []byte(`{"scope":"openid","scope":"openid email"}`)), "invalid_request_object", "malformed_object"},
		"from another application":      {a, good("iss", "only"), "invalid_request_object", "object_issuer"},
		"of another application":        {a, good("client_id", "only"), "invalid_request_object", "object_issuer"},
		"for another provider":          {a, good("aud", "https://other.example"), "invalid_request_object", "object_audience"},
		"for nobody":                    {a, good("aud", []string{}), "invalid_request_object", "object_audience"},
		"for a number":                  {a, good("aud", 7), "invalid_request_object", "object_audience"},
		"a client assertion":            {a, good("sub", "wiki"), "invalid_request_object", "object_subject"},
		"another object in it":          {a, good("request", whole), "invalid_request_object", "object_nested"},
		"another address in it":         {a, good("request_uri", "https://wiki.example.com/r"), "invalid_request_object", "object_nested"},
		"expired":                       {a, good("exp", now.Add(-time.Minute).Unix()), "invalid_request_object", "object_expired"},
		"not yet valid":                 {a, good("nbf", now.Add(2*time.Minute).Unix()), "invalid_request_object", "object_not_yet"},
		"made tomorrow":                 {a, good("iat", now.Add(24*time.Hour).Unix()), "invalid_request_object", "object_not_yet"},
		"an end that is a text":         {a, good("exp", "tomorrow"), "invalid_request_object", "object_times"},
		"another response type than by": {a, good("response_type", "id_token"), "invalid_request_object", "object_response_type"},
	} {
		if strings.Contains(what, "too long") {
			got := b.post(t, "/oauth2/authorize", url.Values{"client_id": {c.app.ID}, "request": {c.object}, "redirect_uri": {callback}, "state": {"s t&ate"}})
			w.wantRedirect(t, what, got, c.code)
			continue
		}
		before := w.events(t, latchkey.AuthorizationRefused, c.reason)
		w.wantRedirect(t, what, b.get(t, c.app.by(c.object, "redirect_uri", callback, "state", "s t&ate")), c.code)
		// Two addresses are registered: without one there is nowhere to go.
		if got := b.get(t, c.app.by(c.object)); got.status != 400 || got.header.Get("Location") != "" {
			t.Errorf("%s, without an address: answered %d %s", what, got.status, got.header.Get("Location"))
		}
		wantPage(t, b.get(t, c.app.by(c.object, "redirect_uri", "https://evil.example/")), 400, "bad_redirect_uri")
		wantFault(t, c.app.call(t, "/oauth2/par", url.Values{"request": {c.object}, "response_type": {"code"}, "scope": {"openid"}}), 400, c.code)
		if n := w.events(t, latchkey.AuthorizationRefused, c.reason); n != before+2 {
			t.Errorf("%s: %d events %s", what, n-before, c.reason)
		}
	}
	// What is right about the object is judged as ever: its address, its scope.
	wantPage(t, b.get(t, a.by(good("redirect_uri", "https://evil.example/"), "redirect_uri", callback)), 400, "bad_redirect_uri")
	if to := b.get(t, a.by(good("scope", "unheard_of"))).toApp(t); to.params.Get("error") != "invalid_scope" || to.params.Get("state") != "inner" {
		t.Errorf("answered %v", to)
	}
	w.wantRedirect(t, "by value and by address", b.get(t, a.by(whole, "request_uri", "https://wiki.example.com/r", "redirect_uri", callback, "state", "s t&ate")), "invalid_request")
	wantPage(t, b.get(t, a.by(whole, "client_id", "nobody")), 400, "unknown_client")
	w.noGrant(t)
	// 10 s are within what clocks differ by.
	for _, claims := range []map[string]any{a.object("nbf", now.Add(8*time.Second).Unix()), a.object("exp", now.Add(-5*time.Second).Unix())} {
		if to := b.get(t, a.by(keys.sign(t, "ES256", "", claims))).toApp(t); to.params.Get("code") == "" {
			t.Errorf("%v was answered %v", claims, to)
		}
	}
}

// TestRequestURI: an object is fetched from a registered address by the guarded
// client. The fragment is for caches and never decides (OpenID Connect Core §6.2).
func TestRequestURI(t *testing.T) {
	t.Parallel()
	var served atomic.Pointer[string]
	var fetched atomic.Int64
	store := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		if r.URL.Path == "/gone" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/jwt")
		_, _ = rw.Write([]byte(*served.Load() + "\n"))
	}))
	t.Cleanup(store.Close)
	w := newWorld(t, func(o *oidc.Options) {
		o.Outbound = outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	})
	keys := newObjectKeys(t)
	a := w.app(t, "wiki", signs(keys, t), func(c *latchkey.Client) {
		c.Protocol.RequestURIs = []string{store.URL + "/plain", store.URL + "/hashed#GfVmVSmTNYrqQfz9S1Eg4vqmAgHVVh8KzzBSQVJ3nMY", store.URL + "/gone", "https://10.0.0.1/private"}
	})
	b := w.browser().signIn(t, w.user(t, "alice"))
	object := keys.sign(t, "RS256", "", a.object())
	served.Store(&object)
	at := func(uri string, pairs ...string) string {
		return a.by("", append([]string{"request", "", "request_uri", uri, "redirect_uri", callback, "state", "s t&ate"}, pairs...)...)
	}
	for _, uri := range []string{store.URL + "/plain", store.URL + "/plain#another-hash", store.URL + "/hashed#GfVmVSmTNYrqQfz9S1Eg4vqmAgHVVh8KzzBSQVJ3nMY"} {
		if to := b.get(t, at(uri)).toApp(t); to.params.Get("code") == "" || to.params.Get("state") != "inner" {
			t.Errorf("%s: answered %v", uri, to)
		}
	}
	count := fetched.Load()
	for what, c := range map[string]struct{ uri, code, reason string }{
		"not registered":              {store.URL + "/other", "invalid_request_uri", "request_uri_not_registered"},
		"another hash than its own":   {store.URL + "/hashed#other", "invalid_request_uri", "request_uri_not_registered"},
		"with a query":                {store.URL + "/plain?x", "invalid_request_uri", "request_uri_not_registered"},
		"no address":                  {"garbage", "invalid_request_uri", "request_uri_not_registered"},
		"a pushed one of ours, upper": {"URN:ietf:params:oauth:request_uri:x", "invalid_request_uri", "request_uri_not_registered"},
		"private":                     {"https://10.0.0.1/private", "invalid_request_uri", "request_uri_fetch"},
	} {
		before := w.events(t, latchkey.AuthorizationRefused, c.reason)
		w.wantRedirect(t, what, b.get(t, at(c.uri)), c.code)
		if n := w.events(t, latchkey.AuthorizationRefused, c.reason); n != before+1 {
			t.Errorf("%s: %d events", what, n-before)
		}
	}
	if fetched.Load() != count {
		t.Error("an address that is not registered was asked")
	}
	if n := w.events(t, latchkey.OutboundBlocked, "private"); n != 1 {
		t.Errorf("%d events of a blocked fetch", n)
	}
	w.wantRedirect(t, "not there", b.get(t, at(store.URL+"/gone")), "invalid_request_uri")
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(object, ".")[1] + "."
	served.Store(&unsigned)
	w.wantRedirect(t, "unsigned", b.get(t, at(store.URL+"/plain")), "request_uri_not_supported")
	forged := newObjectKeys(t).sign(t, "RS256", "", a.object())
	served.Store(&forged)
	w.wantRedirect(t, "forged", b.get(t, at(store.URL+"/plain")), "invalid_request_object")
	wantFault(t, a.call(t, "/oauth2/par", url.Values{"request_uri": {store.URL + "/plain"}}), 400, "invalid_request")
}
