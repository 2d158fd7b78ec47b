// Package demo is a sample application that signs people in with latchkey: the
// code an application needs, short enough to read, careful enough to copy.
//
// It owns one browser's way through the code flow (PKCE, state, nonce), the
// checks on what comes back, and the pages that show it. It owns no users and
// stores nothing: sessions live in memory, bounded, and end with the process.
// It knows latchkey only through discovery, like any other application, and
// imports nothing of the provider but its page parts.
//
// It answers the threats an application has to answer itself: an answer that
// belongs to another browser (state), a token that belongs to another sign-in
// (nonce), another application (aud) or another provider (iss, signature), a
// stolen code (PKCE), and a page that makes a visitor act without knowing
// (SameSite cookie and origin check on every POST).
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"latchkey/templates"
)

// Options says which provider the application trusts and who it is there.
type Options struct {
	// Issuer is the provider's address, exactly as its discovery document
	// spells it. Required.
	Issuer string
	// ClientID is the application's id at the provider. Required.
	ClientID string
	// ClientSecret is sent as HTTP Basic (client_secret_basic). Empty means a
	// public client, which proves itself by PKCE alone.
	ClientSecret string
	// BaseURL is where browsers reach the application, without a final slash,
	// such as http://127.0.0.1:8090. BaseURL + "/callback" must be registered as
	// redirect URI, BaseURL + "/" as post-logout redirect URI. Required.
	BaseURL string
	// HTTPClient talks to the provider. Nil means one with a timeout of 10 s.
	HTTPClient *http.Client
	// Log receives refusals and failures, never tokens. Nil means slog.Default.
	Log *slog.Logger
	// Now tells the time. Nil means time.Now.
	Now func() time.Time
}

// App is the sample application; it is an http.Handler for its whole host.
type App struct {
	base       *url.URL
	issuer     string
	provider   *oidc.Provider
	metadata   metadata
	keys       oidc.KeySet
	oauth2     oauth2.Config
	client     *http.Client
	log        *slog.Logger
	now        func() time.Time
	sessions   *sessions
	cookieName string
	pages      *templates.Demo
	handler    http.Handler
}

// metadata is what go-oidc does not keep of the discovery document.
type metadata struct {
	EndSession     string `json:"end_session_endpoint"`
	JWKS           string `json:"jwks_uri"`
	IssuerInAnswer bool   `json:"authorization_response_iss_parameter_supported"`
}

// ErrOtherIssuer means that the provider calls itself by another name than the
// application was told: no trying again makes it right.
var ErrOtherIssuer = errors.New("the provider is another issuer")

// New reads the provider's discovery document and returns the application. It
// fails when the provider cannot be reached, and with ErrOtherIssuer when it
// calls itself by another name.
func New(ctx context.Context, o Options) (*App, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || base.Path != "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("base URL %q: want scheme and host only, such as http://127.0.0.1:8090", o.BaseURL)
	}
	if o.Issuer == "" || o.ClientID == "" {
		return nil, errors.New("issuer and client id are required")
	}
	a := &App{base: base, issuer: o.Issuer, client: o.HTTPClient, log: o.Log, now: o.Now}
	if a.client == nil {
		a.client = &http.Client{Timeout: 10 * time.Second}
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	if a.now == nil {
		a.now = time.Now
	}
	if err := a.discover(ctx, o); err != nil {
		return nil, err
	}
	a.sessions = newSessions(a.now)
	a.cookieName = cookieName(base)
	if a.pages, err = templates.NewDemo(); err != nil {
		return nil, fmt.Errorf("load pages: %w", err)
	}
	a.handler = a.routes()
	return a, nil
}

func (a *App) discover(ctx context.Context, o Options) error {
	ctx = oidc.ClientContext(ctx, a.client)
	provider, err := oidc.NewProvider(ctx, o.Issuer)
	if other := (*oidc.IssuerMismatchError)(nil); errors.As(err, &other) {
		return fmt.Errorf("%w: it calls itself %q, not %q", ErrOtherIssuer, other.Discovered, other.Provided)
	}
	if err != nil {
		return fmt.Errorf("read the discovery document of %s: %w", o.Issuer, err)
	}
	if err := provider.Claims(&a.metadata); err != nil {
		return fmt.Errorf("read the discovery document of %s: %w", o.Issuer, err)
	}
	a.provider = provider
	a.keys = oidc.NewRemoteKeySet(ctx, a.metadata.JWKS)
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if o.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	a.oauth2 = oauth2.Config{
		ClientID:     o.ClientID,
		ClientSecret: o.ClientSecret,
		Endpoint:     endpoint,
		RedirectURL:  a.base.String() + "/callback",
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email", "groups", oidc.ScopeOfflineAccess},
	}
	return nil
}

// routes lists every address of the application.
func (a *App) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /sign-in", a.signIn)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /refresh", a.refresh)
	mux.HandleFunc("POST /sign-out", a.signOut)
	mux.Handle("GET /static/", a.pages.Static())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, problem{status: http.StatusNotFound, code: "not_found", title: "There is no such page", text: "This sample application has one page. It starts at its front door."})
	})
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, problem{status: http.StatusForbidden, code: "cross_origin_request", title: "This came from another site", text: "Another site tried to press a button of this application for you. Nothing happened."})
	}))
	return a.headers(guard.Handler(http.MaxBytesHandler(mux, 4<<10)))
}

// headers sets what every answer carries. form-action names the provider,
// because browsers apply it to the redirects that follow the sign-out form.
func (a *App) headers(next http.Handler) http.Handler {
	provider, _, _ := strings.Cut(a.issuer, "?")
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"form-action 'self' " + provider + "; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers one request of a browser.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }
