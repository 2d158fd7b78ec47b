package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/outbound/outboundtest"
	"latchkey/server"
)

const ownKeys = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`

// TestHowAnApplicationProvesItself: the page goes through the methods, shows a
// secret where one is made, and no table of secrets where there are none.
func TestHowAnApplicationProvesItself(t *testing.T) {
	t.Parallel()
	c := open(t)
	id, path, first := c.wiki()
	change := func(with url.Values) *page { return c.submit(c.open(path), path, with) }

	p := change(url.Values{"token_endpoint_auth_method": {"client_secret_jwt"}}).want(http.StatusOK, "admin-client-done")
	if secret := secretOn(p); secret == first || !p.shows("New secret for", "We keep it sealed") {
		t.Errorf("the page shows %s", p.text())
	}
	if p = c.open(path); !p.shows("client_secret_jwt") || p.find("form", "action", path+"/secrets") == nil {
		t.Errorf("the page shows %s", p.text())
	}
	if p = c.submit(p, path+"/secrets", nil).want(http.StatusOK, "admin-client-done"); len(secretOn(p)) < 64 {
		t.Errorf("a further secret is too short to sign")
	}

	p = change(url.Values{"token_endpoint_auth_method": {"private_key_jwt"}}).want(http.StatusUnprocessableEntity, "admin-client-detail")
	if !strings.Contains(p.problem("jwks_uri"), "private_key_jwt") {
		t.Errorf("without keys it says %s", p.text())
	}
	c.done(change(url.Values{"token_endpoint_auth_method": {"private_key_jwt"}, "jwks": {ownKeys}}), path, "saved", "Settings saved")
	p = c.open(path)
	if p.find("form", "action", path+"/secrets") != nil || !p.shows("Signature of its own key") && !p.shows("A signature of its own key") {
		t.Errorf("the page shows %s", p.text())
	}
	c.done(c.submit(p, path, nil), path, "same", "Nothing was different")
	c.done(change(url.Values{"jwks": {""}, "jwks_uri": {" https://9.9.9.9/jwks "}}), path, "saved", "Settings saved")
	got, err := c.DB.FindClient(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got.AuthMethod != latchkey.AuthPrivateKeyJWT || got.Protocol.JWKSURI != "https://9.9.9.9/jwks" || got.Protocol.JWKS != nil || len(got.Secrets) != 0 {
		t.Errorf("stored is %+v", got.Protocol)
	}
}

// TestAddressesAreJudgedBeforeTheyAreStored: whatever latchkey will go to. The
// page names the setting, the log the member and the reason, and nothing changes.
func TestAddressesAreJudgedBeforeTheyAreStored(t *testing.T) {
	t.Parallel()
	names := &outboundtest.Names{}
	c := open(t, func(o *server.Options) { o.Outbound = outboundtest.Client(t, names, "10.1.0.0/16") })
	_, path, _ := c.wiki()
	names.Set("lan.example.com", "10.1.2.3")
	names.Set("home.example.com", "192.168.1.1")
	names.Set("meta.example.com", "169.254.169.254")
	before := c.changes()
	for uri, says := range map[string]string{
		"https://127.0.0.1/jwks": "--outbound-allow 127.0.0.1/32", "https://home.example.com/": "--outbound-allow 192.168.1.1/32",
		"https://meta.example.com/": "--outbound-allow 169.254.169.254/32", "http://9.9.9.9/": "Write https", "https://0x7f.1/": "number",
	} {
		p := c.submit(c.open(path), path, url.Values{"jwks_uri": {uri}}).want(http.StatusUnprocessableEntity, "admin-client-detail")
		if got := p.problem("jwks_uri"); !strings.Contains(got, says) {
			t.Errorf("%s: it says %q, want %q", uri, got, says)
		}
	}
	if c.changes() != before {
		t.Error("a refused address changed something")
	}
	got := c.Text(t, "SELECT string_agg(reason || ' ' || (detail->>'member') || ' ' || success, ', ' ORDER BY reason) FROM audit_pending WHERE kind = 'outbound.blocked'")
	if want := "loopback jwks_uri false, metadata jwks_uri false, not_https jwks_uri false, numeric_host jwks_uri false, private jwks_uri false"; got != want {
		t.Errorf("the log says %s, want %s", got, want)
	}
	c.done(c.submit(c.open(path), path, url.Values{"jwks_uri": {"http://lan.example.com/jwks"}}), path, "saved", "Settings saved")
}
