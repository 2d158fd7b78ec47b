package templates_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"latchkey/templates"
)

// codes are the failures that pages have to put into words: those of the
// browser, and those of the API.
var codes = []string{
	"cancelled", "no_passkey_here", "already_registered", "wrong_site", "insecure", "not_supported", "no_screen_lock",
	"key_needs_pin", "provider_failed", "challenge_expired", "unknown_credential", "account_disabled", "verification_failed",
	"credential_exists", "not_discoverable", "unsupported_key", "last_passkey", "username_taken", "token_expired",
	"invalid_token", "setup_done", "session_required", "reauthentication_required", "policy_restricted", "clone_suspected",
	"rate_limited", "offline", "unavailable", "internal", "malformed_request", "malformed_credential",
	"user_verification_required", "cross_origin_request", "not_found", "validation_failed", "not_allowed", "forbidden", "sign_up_off",
	"request_expired", "form_expired", "unknown_client", "bad_redirect_uri", "invalid_request", "method_not_allowed",
}

func TestEveryFailureHasWords(t *testing.T) {
	t.Parallel()
	page := render(t, templates.Login{})
	for _, code := range codes {
		if !strings.Contains(page, `<template data-failure="`+code+`">`) {
			t.Errorf("the sign-in page has no words for %s", code)
		}
	}
}

func TestWordsKeepTheTone(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("locales/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Failures map[string]struct{ Title, Text string }
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for code, words := range file.Failures {
		if words.Title == "" || words.Text == "" || strings.HasSuffix(words.Title, ".") || !strings.HasSuffix(words.Text, ".") {
			t.Errorf("%s: a title without a full stop and a text of whole sentences are wanted: %q, %q", code, words.Title, words.Text)
		}
		for _, word := range []string{"please", "oops", "successful", "invalid", "!", "sorry", "error"} {
			if strings.Contains(strings.ToLower(words.Title+" "+words.Text), word) {
				t.Errorf("%s says %q", code, word)
			}
		}
	}
}

func TestErrorPageTakesWordsFromTheCatalogue(t *testing.T) {
	t.Parallel()
	page := render(t, templates.Error{Code: "account_disabled"})
	for _, want := range []string{`data-page="error"`, `data-code="account_disabled"`, "<h1>This account is turned off</h1>"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}

func TestUnknownCodeKeepsItsCode(t *testing.T) {
	t.Parallel()
	page := render(t, templates.Error{Code: "brand_new"})
	for _, want := range []string{`data-code="brand_new"`, "<h1>Something went wrong on our side</h1>"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}

// TestARefusalIsNoFaultOfOurs: a code that has no words of its own comes with
// what was refused.
func TestARefusalIsNoFaultOfOurs(t *testing.T) {
	t.Parallel()
	page := render(t, templates.Error{Code: "brand_new", Text: "The moon is full."})
	for _, want := range []string{`data-code="brand_new"`, "<h1>This did not work</h1>", "The moon is full."} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}
