package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"latchkey/storage/storagetest"
)

// TestSigningKeysByCommand: a new key is published before it signs, or signs at
// once; one that does not sign can be taken out.
func TestSigningKeysByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	list := func(arguments ...string) map[string][]object {
		t.Helper()
		byState := map[string][]object{}
		for _, item := range h.json(arguments...)["items"].([]any) {
			k := item.(object)
			if got := keys(k); got != "activate_at alg created_at delete_at kid not_fetched_by retire_at state" {
				t.Errorf("%v prints %v", arguments, k)
			}
			byState[k["state"].(string)] = append(byState[k["state"].(string)], k)
		}
		return byState
	}
	published := func() []string { return publishedBy(t, h.issuer) }
	first := list("keys", "list")
	if len(first["active"]) != 4 || len(first["announced"])+len(first["retired"]) != 0 || len(published()) != 6 { // two more are encrypted to
		t.Fatalf("at first there are %v", first)
	}
	made := h.json("client", "create", "--name", "Wiki", "--redirect-uri", callback, "--first-party")
	id, secret := made["client_id"].(string), made["client_secret"].(string)
	before := h.signIn(id, secret)
	if got, want := kidOf(t, before), ofAlg(first["active"], "RS256"); got != want {
		t.Errorf("signed by %s, want %s", got, want)
	}

	second := list("keys", "rotate", "--alg", "ES256")
	announced := ofAlg(second["announced"], "ES256")
	if announced == "" || len(second["announced"]) != 1 || len(second["active"]) != 4 {
		t.Fatalf("after a rotation there are %v", second)
	}
	h.soon("published", func() bool { return slices.Contains(published(), announced) })
	h.refused(exitRefused, "rotation_pending", "keys", "rotate")
	h.refused(exitRefused, "rotation_pending", "keys", "rotate", "--alg", "ES256")
	h.refused(exitRefused, "key_active", "keys", "retire", ofAlg(second["active"], "ES256"))
	h.refused(exitNotFound, "not_found", "keys", "retire", "nothing")
	h.refused(exitUsage, "validation_failed", "keys", "rotate", "--alg", "HS256")
	if third := list("keys", "retire", announced); len(third["active"]) != 4 || len(third["announced"]) != 0 || slices.ContainsFunc(third["active"], func(k object) bool { return k["retire_at"] != nil }) {
		t.Errorf("after taking the next key back there are %v", third)
	}
	h.soon("not published any more", func() bool { return !slices.Contains(published(), announced) })

	now := list("keys", "rotate", "--now")
	if len(now["active"]) != 4 || len(now["retired"]) != 4 {
		t.Fatalf("after a rotation at once there are %v", now)
	}
	old, next := ofAlg(now["retired"], "RS256"), ofAlg(now["active"], "RS256")
	h.soon("signs at once", func() bool { return kidOf(t, h.signIn(id, secret)) == next })
	if !slices.Contains(published(), old) {
		t.Error("the key before is not published any more, though its tokens live")
	}
	list("keys", "retire", old)
	h.soon("the old key is gone", func() bool { return !slices.Contains(published(), old) })
	all := published()
	list("keys", "rotate", "--alg", "ECDH-ES")
	h.soon("another key to encrypt to", func() bool {
		now := published()
		return len(now) == len(all) && slices.ContainsFunc(now, func(kid string) bool { return !slices.Contains(all, kid) })
	})
	if n := h.events("key.rotated"); n != 13 { // six and that of the checkpoints at the start, one announced, four at once, one to encrypt to
		t.Errorf("%d events key.rotated, want 13", n)
	}
	if n := h.events("key.retired"); n != 2 {
		t.Errorf("%d events key.retired, want 2", n)
	}
	if said := h.says("keys", "list"); !strings.Contains(said, next) || !strings.Contains(said, "active") || strings.Contains(said, old) {
		t.Errorf("keys list says %s", said)
	}
}

// TestOldSigningKeysRotate: a node that finds an old key announces its successor,
// and every node publishes that without being started again.
func TestOldSigningKeysRotate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	storagetest.SQL(t, h.url, `UPDATE signing_keys SET activate_at = activate_at - interval '90 days' WHERE alg = 'PS256'`)
	keyFile := filepath.Join(h.arguments[slices.Index(h.arguments, "--data-dir")+1], "keys.json")
	address := strings.Replace(freeAddress(t), "127.0.0.1", "localhost", 1)
	start(t, "--listen", address, "--issuer", "http://"+address, "--database-url", h.url, "--data-dir", t.TempDir(), "--key-file", keyFile)
	h.soon("the successor is published", func() bool {
		return storagetest.Value[int](t, h.url, `SELECT count(*) FROM signing_keys WHERE activate_at > now() + interval '23 hours'`) == 1
	})
	listed := h.json("keys", "list")["items"].([]any)
	announced := ""
	for _, item := range listed {
		if k := item.(object); k["state"] == "announced" && k["alg"] == "PS256" {
			announced = k["kid"].(string)
		}
	}
	if len(listed) != 5 || announced == "" {
		t.Fatalf("there are %v", listed)
	}
	for _, node := range []string{h.issuer, "http://" + address} {
		h.soon("published by "+node, func() bool { return slices.Contains(publishedBy(t, node), announced) })
	}
}

// publishedBy are the kids in the JWKS of a node.
func publishedBy(t *testing.T, issuer string) (kids []string) {
	t.Helper()
	res, err := http.Get(issuer + "/oauth2/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		kids = append(kids, k.Kid)
	}
	return kids
}

// TestKeysListSaysWhoLacksAKey: in words and in JSON, for new keys only.
func TestKeysListSaysWhoLacksAKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := h.json("client", "create", "--name", "Wiki", "--redirect-uri", callback, "--first-party")
	storagetest.SQL(t, h.url, `INSERT INTO client_callers (client_id, address_prefix, agent, expires_at) VALUES ($1, '198.51.100.1/32', 'node', now() + interval '1 day')`, made["client_id"])
	fetched := `INSERT INTO jwks_fetches (address_prefix, agent, newest_key, expires_at) VALUES ('198.51.100.1/32', 'curl', now(), now() + interval '1 day')`
	listed := func(arguments ...string) (lists map[string]any) {
		lists = map[string]any{}
		for _, item := range h.json(arguments...)["items"].([]any) {
			if k := item.(object); k["not_fetched_by"] != nil {
				lists[k["alg"].(string)] = k["not_fetched_by"]
			}
		}
		return lists
	}
	if got := listed("keys", "list"); len(got) != 0 {
		t.Errorf("before there is a new key: %v", got)
	}
	if said := h.says("keys", "list"); strings.Contains(said, "fetched") {
		t.Errorf("before there is a new key: %s", said)
	}
	got := listed("keys", "rotate", "--alg", "RS256")
	readers, _ := got["RS256"].([]any)
	if len(got) != 1 || len(readers) != 1 {
		t.Fatalf("after the announcement: %v", got)
	}
	reader := readers[0].(object)
	if reader["client_id"] != made["client_id"] || reader["client_name"] != "Wiki" || reader["callers"] != 1.0 || reader["fetched"] != 0.0 || reader["perhaps"] != 0.0 ||
		reader["fetched_at"] != nil || !strings.HasSuffix(reader["called_at"].(string), "Z") {
		t.Errorf("who lacks it: %v", reader)
	}
	storagetest.SQL(t, h.url, fetched)
	if said := h.says("keys", "list"); !strings.Contains(said, "The new RS256 key was not fetched yet by:") || !strings.Contains(said, "0 of 1 places have it, 1 perhaps") || !strings.Contains(said, "Wiki") {
		t.Errorf("it says %s", said)
	}
	storagetest.SQL(t, h.url, `UPDATE jwks_fetches SET agent = 'node'`)
	if got := listed("keys", "list"); len(got) != 1 || len(got["RS256"].([]any)) != 0 {
		t.Errorf("when everybody has it: %v", got)
	}
	if said := h.says("keys", "list"); !strings.Contains(said, "Every application that is known to need the new RS256 key has fetched it.") {
		t.Errorf("it says %s", said)
	}
}

func ofAlg(keys []object, alg string) string {
	for _, k := range keys {
		if k["alg"] == alg {
			return k["kid"].(string)
		}
	}
	return ""
}

// kidOf is the key that signed an ID token.
func kidOf(t *testing.T, tokens *oauth2.Token) string {
	t.Helper()
	raw, _ := tokens.Extra("id_token").(string)
	var header struct{ Kid string }
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
	if err == nil {
		err = json.Unmarshal(decoded, &header)
	}
	if err != nil {
		t.Fatal(err)
	}
	return header.Kid
}
