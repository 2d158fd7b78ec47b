package main

import (
	"strings"
	"testing"
)

const calendar = "https://api.example.com/calendar"

// TestAnAPIByCommand: registered, changed, allowed, shown, taken, deleted; every
// change in the record once.
func TestAnAPIByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.json("client", "create", "--name", "Wiki", "--id", "wiki", "--redirect-uri", callback)
	h.json("client", "create", "--name", "Robot", "--id", "robot", "--type", "machine", "--scope", "jobs:run")
	h.json("client", "create", "--name", "Phone", "--id", "phone", "--type", "spa", "--redirect-uri", callback)
	made := h.json("api", "create", calendar, "--name", "Calendar", "--client", "wiki", "--access-token-format", "opaque", "--token-ttl", "5m",
		"--permission", "calendar.read=Read your calendar", "--permission", "calendar.write=Change your calendar", "--advertise", "calendar.read")
	const members = "access_token_format access_token_ttl client_id clients created_at id name permissions resource updated_at"
	if got := keys(made); got != "access access_token_format access_token_ttl client_id clients created_at id name permissions resource updated_at" {
		t.Errorf("members %s", got)
	}
	if made["access_token_format"] != "opaque" || made["access_token_ttl"] != 300.0 || made["client_id"] != "wiki" || len(made["access"].([]any)) != 0 {
		t.Errorf("made %v", made)
	}
	id := made["id"].(string)
	changed := h.json("api", "update", calendar, "--name", "Dates", "--client", "", "--access-token-format", "", "--token-ttl", "0s",
		"--permission", "calendar.read=See your dates", "--remove-permission", "calendar.write", "--hide", "calendar.read")
	permissions := changed["permissions"].([]any)
	if changed["name"] != "Dates" || changed["client_id"] != nil || changed["access_token_format"] != nil || changed["access_token_ttl"] != nil || len(permissions) != 1 ||
		permissions[0].(object)["description"] != "See your dates" || permissions[0].(object)["advertised"] != false || changed["resource"] != calendar {
		t.Errorf("changed to %v", changed)
	}
	h.json("api", "update", id, "--permission", "calendar.write=Change your dates")
	allowed := h.json("api", "allow", calendar, "wiki", "--permission", "calendar.read")
	if keys(allowed) != "api_id client_id itself itself_permissions people permissions" || allowed["people"] != true || allowed["itself"] != false || len(allowed["itself_permissions"].([]any)) != 0 {
		t.Errorf("allowed %v", allowed)
	}
	allowed = h.json("api", "allow", calendar, "robot")
	if allowed["people"] != false || allowed["itself"] != true || len(allowed["permissions"].([]any)) != 0 {
		t.Errorf("allowed a machine %v", allowed)
	}
	if allowed = h.json("api", "allow", calendar, "robot", "--itself", "calendar.write"); allowed["itself_permissions"].([]any)[0] != "calendar.write" {
		t.Errorf("allowed a machine %v", allowed)
	}
	shown := h.json("api", "show", id)
	if access := shown["access"].([]any); len(access) != 2 || access[0].(object)["client_id"] != "robot" || shown["clients"] != 2.0 {
		t.Errorf("shown %v", shown)
	}
	if text := h.says("api", "show", calendar); !strings.Contains(text, "See your dates") || !strings.Contains(text, "robot") {
		t.Errorf("in words: %s", text)
	}
	list := h.json("api", "list")["items"].([]any)
	if len(list) != 1 || keys(list[0].(object)) != members {
		t.Errorf("the list says %v", list)
	}
	if text := h.says("api", "list"); !strings.Contains(text, calendar) || !strings.Contains(text, "APPLICATIONS") {
		t.Errorf("in words: %s", text)
	}
	for _, no := range []struct {
		exit      int
		code      string
		says      string
		arguments []string
	}{
		{exitRefused, "api_exists", "resource", []string{"api", "create", calendar, "--name", "x"}},
		{exitUsage, "usage", "--name", []string{"api", "create", "https://x.example"}},
		{exitUsage, "validation_failed", "RESOURCE", []string{"api", "create", "https://x.example/#a", "--name", "x"}},
		{exitUsage, "validation_failed", "RESOURCE", []string{"api", "create", h.issuer, "--name", "x"}},
		{exitUsage, "validation_failed", "--name", []string{"api", "create", "https://x.example", "--name", " "}},
		{exitUsage, "validation_failed", "--client", []string{"api", "create", "https://x.example", "--name", "x", "--client", "nobody"}},
		{exitUsage, "validation_failed", "--client", []string{"api", "create", "https://x.example", "--name", "x", "--client", "phone"}},
		{exitUsage, "validation_failed", "--access-token-format", []string{"api", "create", "https://x.example", "--name", "x", "--access-token-format", "paper"}},
		{exitUsage, "validation_failed", "--token-ttl", []string{"api", "create", "https://x.example", "--name", "x", "--token-ttl", "29s"}},
		{exitUsage, "validation_failed", "--token-ttl", []string{"api", "create", "https://x.example", "--name", "x", "--token-ttl", "0s"}},
		{exitUsage, "validation_failed", "belongs to latchkey", []string{"api", "create", "https://x.example", "--name", "x", "--permission", "email=Read"}},
		{exitUsage, "validation_failed", "the API Dates", []string{"api", "create", "https://x.example", "--name", "x", "--permission", "calendar.read=Read"}},
		{exitUsage, "validation_failed", "the application Robot", []string{"api", "create", "https://x.example", "--name", "x", "--permission", "jobs:run=Run"}},
		{exitUsage, "validation_failed", "the application Robot", []string{"api", "update", calendar, "--permission", "jobs:run=Run"}},
		{exitUsage, "validation_failed", "Describe", []string{"api", "create", "https://x.example", "--name", "x", "--permission", "a="}},
		{exitUsage, "usage", "--permission", []string{"api", "create", "https://x.example", "--name", "x", "--permission", "a"}},
		{exitUsage, "usage", "--advertise", []string{"api", "create", "https://x.example", "--name", "x", "--advertise", "a"}},
		{exitUsage, "usage", "--hide", []string{"api", "update", calendar, "--hide", "a"}},
		{exitUsage, "usage", "--remove-permission", []string{"api", "update", calendar, "--remove-permission", "a"}},
		{exitNotFound, "not_found", "", []string{"api", "update", "https://x.example", "--name", "x"}},
		{exitNotFound, "not_found", "", []string{"api", "show", "0192d3c4-0000-7000-8000-000000000000"}},
		{exitNotFound, "not_found", "", []string{"api", "delete", "https://x.example"}},
		{exitNotFound, "not_found", "", []string{"api", "allow", "https://x.example", "wiki"}},
		{exitNotFound, "not_found", "", []string{"api", "allow", calendar, "nobody"}},
		{exitUsage, "validation_failed", "--permission", []string{"api", "allow", calendar, "robot", "--permission", "calendar.read"}},
		{exitUsage, "validation_failed", "--itself", []string{"api", "allow", calendar, "wiki", "--itself", "calendar.read"}},
		{exitUsage, "validation_failed", "--permission", []string{"api", "allow", calendar, "wiki", "--permission", "calendar.erase"}},
		{exitUsage, "validation_failed", "--itself", []string{"api", "allow", calendar, "robot", "--itself", "calendar.erase"}},
		{exitNotFound, "not_found", "", []string{"api", "deny", calendar, "phone"}},
		{exitNotFound, "not_found", "", []string{"api", "deny", "https://x.example", "wiki"}},
		{exitUsage, "validation_failed", "the API Dates", []string{"client", "create", "--name", "x", "--redirect-uri", callback, "--scope", "openid calendar.read"}},
		{exitUsage, "validation_failed", "the API Dates", []string{"client", "update", "wiki", "--scope", "openid calendar.read"}},
	} {
		if said := h.refused(no.exit, no.code, no.arguments...); !strings.Contains(said, no.says) {
			t.Errorf("%v says %q, want %q in it", no.arguments, said, no.says)
		}
	}
	if gone := h.json("api", "deny", calendar, "wiki"); gone["client_id"] != "wiki" || gone["api_id"] != id {
		t.Errorf("deny printed %v", gone)
	}
	if gone := h.json("api", "delete", calendar); gone["deleted"] != id {
		t.Errorf("delete printed %v", gone)
	}
	for kind, want := range map[string]int64{"api.created": 1, "api.updated": 2, "api.allowed": 3, "api.denied": 1, "api.deleted": 1} {
		if n := h.events(kind); n != want {
			t.Errorf("%d events %s, want %d", n, kind, want)
		}
	}
}
