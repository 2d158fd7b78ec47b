package main

import (
	"net/http"
	"strings"
	"testing"

	"latchkey/outbound/outboundtest"
)

// TestNoticesByCommand: the running server tells an application of a sign-out
// that a command made, and `client show` says what became of it.
func TestNoticesByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "--outbound-allow", "127.0.0.1")
	address := outboundtest.PlainHost(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("logout_token") == "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	register := func(id, uri string) {
		made := h.json("client", "create", "--id", id, "--name", id, "--redirect-uri", callback, "--first-party",
			"--metadata", h.file(id+".json", `{"backchannel_logout_uri": "`+uri+`"}`))
		if made["backchannel_logout_uri"] != uri {
			t.Errorf("client create prints %v", made)
		}
		h.signIn(id, made["client_secret"].(string))
	}
	register("wiki", address)
	register("blog", "http://127.0.0.1:1/")
	if said := h.says("client", "show", "wiki"); !strings.Contains(said, address) || !strings.Contains(said, "Nobody signed out of it") {
		t.Errorf("before: %s", said)
	}
	h.says("user", "sign-out", "alice")
	notices := func(id string) object { n, _ := h.json("client", "show", id)["logout_notices"].(object); return n }
	h.soon("wiki was told", func() bool { return notices("wiki")["delivered"] == 1.0 })
	h.soon("blog was tried", func() bool { return notices("blog")["newest"].([]any)[0].(object)["reason"] == "no_answer" })
	told, tried := notices("wiki")["newest"].([]any)[0].(object), notices("blog")["newest"].([]any)[0].(object)
	if told["state"] != "delivered" || told["reason"] != "" || told["attempts"] != 1.0 || told["next_at"] != nil || told["done_at"] == nil || told["created_at"] == nil {
		t.Errorf("told: %v", told)
	}
	if tried["state"] != "pending" || tried["next_at"] == nil || tried["done_at"] != nil || notices("blog")["pending"] != 1.0 {
		t.Errorf("tried: %v", tried)
	}
	if said := h.says("client", "show", "blog"); !strings.Contains(said, "pending") || !strings.Contains(said, "It did not answer.") {
		t.Errorf("client show says %s", said)
	}
	if n := h.events("logout.delivered") + h.events("logout.failed"); n != 2 {
		t.Errorf("%d events", n)
	}
	// What is shown may be given back.
	back := h.file("back.json", h.says("client", "show", "wiki", "--json"))
	if same := h.json("client", "update", "wiki", "--metadata", back); same["version"] != 1.0 {
		t.Errorf("what show prints changes something: %v", same)
	}
}
