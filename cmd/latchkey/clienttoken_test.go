package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
)

// register registers an application by the protocol, with a token.
func (h *house) register(token string, document object) (status int, answer object) {
	h.t.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.issuer+"/oauth2/register", bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, answer
}

// TestATokenForRegistrationByCommand: made, used by an application on a running
// server, listed, ended.
func TestATokenForRegistrationByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := h.json("client", "token", "create", "--name", "CI", "--uses", "2", "--ttl", "1d", "--scope", "openid email", "--profile", "oauth21")
	const members = "created_at expires_at id last_used_at max_uses name profile scopes state uses"
	if got := keys(made); got != "created_at expires_at id last_used_at max_uses name profile scopes state token uses" {
		t.Errorf("members %s", got)
	}
	token, _ := made["token"].(string)
	wiki := object{"client_name": "Wiki", "redirect_uris": []string{callback}}
	status, answer := h.register(token, wiki)
	if status != http.StatusCreated {
		t.Fatalf("registration answered %d %v", status, answer)
	}
	list := h.json("client", "token", "list")["items"].([]any)
	one := list[0].(object)
	if len(list) != 1 || keys(one) != members || one["uses"] != 1.0 || one["state"] != "open" || one["id"] != made["id"] {
		t.Errorf("the list says %v", list)
	}
	id, _ := answer["client_id"].(string)
	shown := h.json("client", "show", id)
	if by := shown["registration"].(object); by["token_name"] != "CI" || by["token_id"] != made["id"] || shown["profile"] != "oauth21" || shown["first_party"] != false {
		t.Errorf("the application is %v", shown)
	}
	if gone := h.json("client", "token", "revoke", made["id"].(string)); gone["deleted"] != made["id"] {
		t.Errorf("revoke printed %v", gone)
	}
	if status, _ := h.register(token, wiki); status != http.StatusUnauthorized {
		t.Errorf("a revoked token answers %d", status)
	}
	for _, no := range []struct {
		exit      int
		code      string
		arguments []string
	}{
		{exitNotFound, "not_found", []string{"client", "token", "revoke", made["id"].(string)}},
		{exitNotFound, "not_found", []string{"client", "token", "revoke", "x"}},
		{exitUsage, "usage", []string{"client", "token", "create"}},
		{exitUsage, "validation_failed", []string{"client", "token", "create", "--name", ""}},
		{exitUsage, "validation_failed", []string{"client", "token", "create", "--name", "x", "--uses", "0"}},
		{exitUsage, "validation_failed", []string{"client", "token", "create", "--name", "x", "--ttl", "366d"}},
		{exitUsage, "validation_failed", []string{"client", "token", "create", "--name", "x", "--ttl", "0s"}},
		{exitUsage, "validation_failed", []string{"client", "token", "create", "--name", "x", "--profile", "fapi2"}},
		{exitUsage, "validation_failed", []string{"client", "token", "create", "--name", "x", "--scope", `a"b`}},
	} {
		h.refused(no.exit, no.code, no.arguments...)
	}
	if h.events("initial_token.created") != 1 || h.events("initial_token.revoked") != 1 {
		t.Error("not every change is in the record once")
	}
}
