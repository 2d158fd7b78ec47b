package server

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"latchkey"
)

func TestOriginGuard(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) {
		r.POST("/api/guarded", e.origin, e.page(fine))
		r.GET("/api/guarded", e.origin, e.page(fine))
		r.POST("/oauth2/token", e.page(fine))
	})
	for _, c := range []struct {
		name, method, path string
		headers            []string
		status             int
	}{
		{"no browser", "POST", "/api/guarded", nil, 200},
		{"same origin", "POST", "/api/guarded", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"typed by the person", "POST", "/api/guarded", []string{"Sec-Fetch-Site", "none"}, 200},
		{"cross site", "POST", "/api/guarded", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same site, other origin", "POST", "/api/guarded", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"unknown word", "POST", "/api/guarded", []string{"Sec-Fetch-Site", "friendly"}, 403},
		{"foreign Origin", "POST", "/api/guarded", []string{"Origin", "https://evil.example"}, 403},
		{"opaque Origin", "POST", "/api/guarded", []string{"Origin", "null"}, 403},
		{"the issuer behind a proxy that changed Host", "POST", "/api/guarded", []string{"Origin", "https://id.example.com"}, 200},
		{"the issuer's name over http", "POST", "/api/guarded", []string{"Origin", "http://id.example.com"}, 403},
		{"reading across sites", "GET", "/api/guarded", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"protocol route", "POST", "/oauth2/token", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"}, 200},
	} {
		got := send(t, s, c.method, c.path, "", c.headers...)
		if got.StatusCode != c.status {
			t.Errorf("%s: status is %d, want %d", c.name, got.StatusCode, c.status)
		}
		if c.status == 403 {
			if code := got.problem(t)["code"]; code != "cross_origin_request" {
				t.Errorf("%s: code is %v", c.name, code)
			}
		}
	}
}

func TestCORS(t *testing.T) {
	e, _ := newTestEdge(t)
	var fault error
	allowed := func(_ context.Context, origin string) (bool, error) {
		return origin == "https://spa.example" || origin == "null", fault
	}
	s := serve(t, e, func(r *gin.Engine) {
		token := e.cors(allowed, http.MethodPost)
		r.POST("/oauth2/token", token, e.page(fine))
		r.OPTIONS("/oauth2/token", token)
		r.GET("/oauth2/jwks", e.corsAny, e.page(fine))
		r.OPTIONS("/oauth2/jwks", e.corsAny)
		r.GET("/oauth2/authorize", e.page(fine))
		r.GET("/api/v1/me", e.page(fine))
	})
	for _, c := range []struct {
		name, method, path, origin string
		status                     int
		allow                      string
	}{
		{"registered", "POST", "/oauth2/token", "https://spa.example", 200, "https://spa.example"},
		{"unregistered", "POST", "/oauth2/token", "https://evil.example", 200, ""},
		{"opaque", "POST", "/oauth2/token", "null", 200, ""},
		{"no origin", "POST", "/oauth2/token", "", 200, ""},
		{"preflight", "OPTIONS", "/oauth2/token", "https://spa.example", 204, "https://spa.example"},
		{"preflight of a stranger", "OPTIONS", "/oauth2/token", "https://evil.example", 204, ""},
		{"public", "GET", "/oauth2/jwks", "https://evil.example", 200, "*"},
		{"public preflight", "OPTIONS", "/oauth2/jwks", "https://evil.example", 204, "*"},
		{"authorize", "GET", "/oauth2/authorize", "https://spa.example", 200, ""},
		{"authorize preflight", "OPTIONS", "/oauth2/authorize", "https://spa.example", 405, ""},
		{"API", "GET", "/api/v1/me", "https://spa.example", 200, ""},
		{"API preflight", "OPTIONS", "/api/v1/me", "https://spa.example", 405, ""},
	} {
		got := send(t, s, c.method, c.path, "", "Origin", c.origin)
		if got.StatusCode != c.status || got.Header.Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s: %d, Allow-Origin %q; want %d, %q", c.name, got.StatusCode, got.Header.Get("Access-Control-Allow-Origin"), c.status, c.allow)
		}
		if got.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", c.name)
		}
		if c.path == "/oauth2/token" && got.Header.Get("Vary") != "Origin" {
			t.Errorf("%s: Vary is %q", c.name, got.Header.Get("Vary"))
		}
		if methods := got.Header.Get("Access-Control-Allow-Methods"); (methods != "") != (c.status == 204 && c.allow != "") {
			t.Errorf("%s: Allow-Methods is %q", c.name, methods)
		}
	}
	fault = errors.Join(latchkey.ErrUnavailable)
	if got := send(t, s, "POST", "/oauth2/token", "", "Origin", "https://spa.example"); got.StatusCode != 503 {
		t.Errorf("with the database away: %d, want 503", got.StatusCode)
	}
}
