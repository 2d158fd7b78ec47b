package templates_test

import (
	"time"

	"latchkey/templates"
)

func registrationSamples() []sample {
	form := templates.InitialTokenForm{
		MaxUses:  "1",
		Days:     []templates.Option{{Value: "1", Text: "1 day"}, {Value: "7", Text: "7 days", Chosen: true}},
		Profiles: []templates.Option{{Value: "oidc", Text: "OpenID Connect: PKCE where it is sent", Chosen: true}, {Value: "oauth21", Text: "OAuth 2.1: every request needs PKCE"}},
	}
	page := templates.AdminRegistration{Base: saying(person(true), "The token ended. Applications that registered with it stay."), Mode: "token", Form: form, Tokens: []templates.InitialTokenItem{
		{ID: "t1", Name: "Partner installations", Used: "3 of 10 applications", Gives: "OAuth 2.1, openid email", Ends: templates.At(now.Add(6*day), now)},
		{ID: "t2", Name: longName, Used: "100000 of 100000 applications", Over: "Used up", Gives: "OpenID Connect, " + longHost, Ends: ago(time.Hour)},
	}}
	wrong := page
	wrong.Base, wrong.Mode = failing(person(true), "validation_failed"), "open"
	wrong.Form.Name, wrong.Form.MaxUses, wrong.Form.Scope = longName, "many", "a\"b"
	wrong.Form.Errors = map[string]string{"name": "This is longer than 128 characters.", "max_uses": "It is for 1 to 100000 applications.", "scope": "“a\"b” cannot be a scope.",
		"ttl": "It lives from a minute to a year.", "profile": "A profile is oidc or oauth21."}
	return []sample{
		{"admin-registration", page, ""},
		{"admin-registration-empty", templates.AdminRegistration{Base: person(true), Mode: "off", Form: form}, ""},
		{"admin-registration-error", wrong, ""},
		{"admin-token-done", templates.AdminTokenDone{Base: person(true), Name: "Partner installations", Token: "lk_iat_AZ9QxT4vN2mKc7RzBw8HfYpL3sJd6UaEgX9QxT4vN2mKc", Used: "10 applications", Ends: templates.At(now.Add(7*day), now)}, ""},
	}
}
