package latchkey

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func fieldsOf(err error) map[string]string {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p.Fields
	}
	return nil
}

// TestResources: RFC 8707 §2, in a spelling that compares letter by letter.
func TestResources(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"https://api.example.com": true, "https://api.example.com/a?b=c": true, "http://10.0.0.1:8080/x": true, "urn:example:api": true, "api://calendar": true,
		"": false, "/calendar": false, "calendar": false, "api.example.com/x": false, "https://": false, "https://a.example/#b": false, "https://a.example/#": false,
		"https://a.example/\x00": false, "https://a.example/a b": false, "https://ä.example/": false, "https://me@a.example/": false, "https://a.example/%zz": false,
		"https://a.example/" + strings.Repeat("a", 1982): true, "https://a.example/" + strings.Repeat("a", 1983): false, "urn:": false, "https:///x": false,
	} {
		if what := ResourceProblem(uri); (what == "") != want {
			t.Errorf("ResourceProblem(%.40q) = %q, want right: %v", uri, what, want)
		}
	}
}

// TestWhatAnAPIMayNotBe bends one thing at a time.
func TestWhatAnAPIMayNotBe(t *testing.T) {
	t.Parallel()
	right := func() *API {
		return &API{Resource: "https://api.example.com", Name: " API ", Permissions: []Permission{{Scope: "b", Description: " Read "}, {Scope: "a", Description: "Write"}}}
	}
	a := right()
	if err := a.Check(); err != nil || a.Name != "API" || a.Permissions[0].Scope != "a" || a.Permissions[1].Description != "Read" {
		t.Fatalf("a right one: %+v, %v", a, err)
	}
	for name, c := range map[string]struct {
		member string
		bend   func(*API)
	}{
		"resource":             {"resource", func(a *API) { a.Resource = "x" }},
		"no name":              {"name", func(a *API) { a.Name = " " }},
		"long name":            {"name", func(a *API) { a.Name = strings.Repeat("a", 129) }},
		"hidden name":          {"name", func(a *API) { a.Name = "a\u202eb" }},
		"format":               {"access_token_format", func(a *API) { a.AccessTokenFormat = "paper" }},
		"short life":           {"access_token_ttl", func(a *API) { a.AccessTokenTTL = 29 * time.Second }},
		"long life":            {"access_token_ttl", func(a *API) { a.AccessTokenTTL = 25 * time.Hour }},
		"no scope":             {"permissions", func(a *API) { a.Permissions[0].Scope = "a b" }},
		"scope about a person": {"permissions", func(a *API) { a.Permissions[0].Scope = "email" }},
		"scope twice":          {"permissions", func(a *API) { a.Permissions[0].Scope = "a" }},
		"no description":       {"permissions", func(a *API) { a.Permissions[0].Description = " " }},
		"long description":     {"permissions", func(a *API) { a.Permissions[0].Description = strings.Repeat("a", 257) }},
		"hidden description":   {"permissions", func(a *API) { a.Permissions[0].Description = "a\u202eb" }},
		"too many":             {"permissions", func(a *API) { a.Permissions = make([]Permission, 101) }},
	} {
		a := right()
		c.bend(a)
		if got := fieldsOf(a.Check()); len(got) != 1 || got[c.member] == "" {
			t.Errorf("%s: %v, want %s alone", name, got, c.member)
		}
	}
}
