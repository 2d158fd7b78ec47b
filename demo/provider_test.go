package demo_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// provider is a small OpenID provider whose every answer can be bent. It shares
// no code with latchkey, so that the application is judged by the standard.
type provider struct {
	*httptest.Server
	key *rsa.PrivateKey
	now func() time.Time

	mu         sync.Mutex
	codes      map[string]url.Values // authorization requests by code
	refreshes  int
	bendID     func(claims map[string]any)
	bendAnswer func(answer map[string]any)
	sign       func(t *testing.T, claims map[string]any) string
	tokenError string // error code answered by the token endpoint
	userinfo   map[string]any
	noIss      bool
	t          *testing.T
}

const (
	clientID     = "sample"
	clientSecret = "a-secret-with-/-and-:"
	subject      = "subject-of-alice"
)

func newProvider(t *testing.T, now func() time.Time) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	p := &provider{key: key, now: now, codes: map[string]url.Values{}, t: t}
	p.userinfo = map[string]any{"sub": subject, "name": "Alice Example", "email": "alice@example.com", "email_verified": true, "groups": []string{"staff"}}
	p.sign = func(t *testing.T, claims map[string]any) string { return signRS256(t, p.key, claims) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer":                                p.URL,
			"authorization_endpoint":                p.URL + "/authorize",
			"token_endpoint":                        p.URL + "/token",
			"userinfo_endpoint":                     p.URL + "/userinfo",
			"jwks_uri":                              p.URL + "/jwks",
			"end_session_endpoint":                  p.URL + "/logout",
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"authorization_response_iss_parameter_supported": true,
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.userinfo == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, http.StatusOK, p.userinfo)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// allow plays the person at the authorization endpoint: it returns the query
// of the answer to the redirect URI.
func (p *provider) allow(request url.Values) url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := rand.Text()
	p.codes[code] = request
	answer := url.Values{"code": {code}, "state": {request.Get("state")}, "iss": {p.URL}}
	if p.noIss {
		answer.Del("iss")
	}
	return answer
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if p.tokenError != "" {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": p.tokenError})
		return
	}
	if id != clientID || secret != clientSecret {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	access := signRS256(p.t, p.key, map[string]any{"iss": p.URL, "sub": subject, "client_id": clientID, "scope": "openid", "jti": rand.Text()})
	claims := map[string]any{
		"iss": p.URL, "sub": subject, "aud": clientID, "at_hash": halfHash(access),
		"iat": p.now().Unix(), "exp": p.now().Add(time.Hour).Unix(), "auth_time": p.now().Unix(),
		"acr": "phr", "amr": []string{"pop", "user", "mfa"},
	}
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		request := p.codes[r.PostFormValue("code")]
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if request == nil || request.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || r.PostFormValue("redirect_uri") != request.Get("redirect_uri") {
			writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		claims["nonce"] = request.Get("nonce")
	case "refresh_token":
		p.refreshes++
	}
	if p.bendID != nil {
		p.bendID(claims)
	}
	answer := map[string]any{"access_token": access, "refresh_token": rand.Text(), "token_type": "Bearer", "expires_in": 600, "id_token": p.sign(p.t, claims)}
	if p.bendAnswer != nil {
		p.bendAnswer(answer)
	}
	maps.DeleteFunc(answer, func(_ string, value any) bool { return value == nil })
	writeJSON(w, http.StatusOK, answer)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err)
	}
}

// halfHash is at_hash for RS256 (OpenID Connect Core 3.1.3.6).
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func signRS256(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	return signWith(t, jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, claims)
}

func signWith(t *testing.T, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		t.Fatalf("make a signer: %v", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatalf("marshal claims: %v", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatalf("serialize: %v", err)
	}
	return token
}

// unsigned makes a token of algorithm none.
func unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatalf("marshal claims: %v", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + "."
}
