package oidc

import (
	"net/url"
	"slices"
	"testing"

	"latchkey"
)

// FuzzRequestObject: whatever is signed, what comes of it is one client's
// request: no claim of the JWT, nothing internal and no further object gets in,
// and each parameter is text.
func FuzzRequestObject(f *testing.F) {
	for _, payload := range []string{
		`{"iss":"wiki","aud":"https://id.example.com","client_id":"wiki","scope":"openid","response_type":"code","max_age":0,"claims":{"userinfo":{"name":null}}}`,
		`{"resource":["https://a.example","https://b.example"],"prompt":null,"state":"\u0000"}`, `{"hinted_subject":"x","request":"y"}`, `{"scope":["openid"],"nonce":{}}`,
		`{"a":1e400}`, `{"exp":"1"}`, `{"a":{"b":[[[[]]]]}}`, `{"client_id":7}`, `[]`, `null`, ``, `{"a":"\ud800"}`, `{"aud":[]}`, `{"sub":"wiki"}`,
	} {
		f.Add([]byte(payload), "scope=openid&response_type=code&state=s")
	}
	f.Add([]byte(`{"response_type":"token id_token"}`), "scope=openid&response_type=id_token+token")
	p := &Provider{}
	f.Fuzz(func(t *testing.T, payload []byte, beside string) {
		form, err := url.ParseQuery(beside)
		if err != nil || hasObject(form) || form.Has(hintedSubject) {
			return
		}
		claims, err := readObjectClaims(payload)
		if err != nil {
			return
		}
		for _, c := range []*latchkey.Client{fuzzed("web"), {ID: "strict", Profile: latchkey.ProfileOIDC, Protocol: latchkey.ClientProtocol{RequireSignedRequest: true}}} {
			joined, err := p.joinObject(c, form, claims)
			if err != nil {
				continue
			}
			if joined.Get("client_id") != c.ID || len(joined["client_id"]) != 1 || joined.Has(hintedSubject) {
				t.Fatalf("%s makes %v", payload, joined)
			}
			for name, values := range joined {
				if len(values) == 0 || slices.Contains(jwtClaims(), name) && !form.Has(name) || c.ID == "strict" && claims[name] == nil && name != "client_id" {
					t.Fatalf("%s makes %q=%q", payload, name, values)
				}
			}
		}
	})
}
