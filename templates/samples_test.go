package templates_test

import (
	"strings"
	"time"

	"latchkey"
	"latchkey/templates"
)

// sample is one state of one page: the normal one, an empty one, one with an
// error, or one with names longer than anybody planned for.
type sample struct {
	name string // of the address and the picture
	page templates.Page
	hash string // fragment of the address
}

var now = time.Date(2026, 11, 23, 22, 41, 7, 0, time.UTC)

func ago(d time.Duration) templates.When { return templates.At(now.Add(-d), now) }

const (
	day      = 24 * time.Hour
	longName = "Wolfeschlegelsteinhausenbergerdorff-Vandenberghe-Featherstonehaugh"
	longHost = "a-very-long-machine-name-that-nobody-wanted.internal.infrastructure.meridian.example"
)

func person(admin bool) templates.Base {
	return templates.Base{Person: &templates.Person{Name: "Ines Halvorsen", Detail: "ines@meridian.example", Admin: admin}}
}

func longPerson() templates.Base {
	return templates.Base{Person: &templates.Person{Name: longName, Detail: strings.ToLower(longName) + "@" + longHost, Admin: true}}
}

func failing(base templates.Base, code string) templates.Base {
	base.Alert = &templates.Alert{Code: code, Detail: code + " · 7f3a-91c2 · 22:41:07 UTC"}
	return base
}

func saying(base templates.Base, text string) templates.Base {
	base.Status = text
	return base
}

func samples() []sample {
	all := append(stageSamples(), accountSamples()...)
	return append(all, adminSamples()...)
}

func stageSamples() []sample {
	codes := []string{
		"K7QF-2MZD-4XPA-N6TW", "RB3C-WYEH-5UJL-7GQS", "D4NV-ZK2P-MXA6-3FTC", "H5LE-7RQY-BWU2-JSGN",
		"6PXT-CDA3-VM4K-ZQ7H", "YJ2S-NFLW-G5RB-E6UP", "3TQM-4HVK-XCZ7-A2DL", "WUG6-PE5N-SY3J-RBF4",
	}
	consent := templates.Consent{
		Base: person(false), App: "Field Notes", Host: "fieldnotes.example", Added: "Added by your administrator on 3 March 2026.",
		Read: []string{"Your name and username, and what else is in your profile", "Your e-mail address"}, Act: []string{"Add notes to your shared calendar"},
		Stay: []string{"For up to 90 days, also while you are away"}, Hidden: []templates.Hidden{{Name: "request", Value: "abc"}}, Switch: "/login?switch=1",
	}
	facts := templates.AppFacts{
		Logo:   "/logos/sample.png",
		Policy: "https://fieldnotes.example/privacy", Terms: "https://fieldnotes.example/terms", Contacts: []string{"help@fieldnotes.example"},
	}
	consentFacts := consent
	consentFacts.Facts = facts
	longConsent := consent
	longConsent.Base, longConsent.App, longConsent.Host = longPerson(), longName, longHost
	return []sample{
		{"setup", templates.Setup{}, "token=new"},
		{"setup-no-link", templates.Setup{}, ""},
		{"setup-used-link", templates.Setup{}, "token=used"},
		{"invite", templates.Invite{}, "token=new"},
		{"invite-no-link", templates.Invite{}, ""},
		{"login", templates.Login{}, ""},
		{"login-app", templates.Login{Request: "abc", App: "Wiki", Cancel: "/consent"}, ""},
		{"login-app-facts", templates.Login{Request: "abc", App: "Field Notes", Facts: facts, Cancel: "/consent"}, ""},
		{"consent-facts", consentFacts, ""},
		{"login-error", templates.Login{Base: failing(templates.Base{}, "cancelled"), Request: "abc", App: "Wiki", Cancel: "/consent"}, ""},
		{"login-disabled", templates.Login{Base: failing(templates.Base{}, "account_disabled")}, ""},
		{"login-long", templates.Login{Request: "abc", App: longName, Username: longName, Cancel: "/consent"}, ""},
		{"stepup", templates.StepUp{Base: person(false), Reason: "You are deleting a passkey. Your last sign-in was 42 minutes ago, so we ask again.", Return: "/account/passkeys", Back: "/account/passkeys"}, ""},
		{"stepup-app", templates.StepUp{Base: person(false), Reason: "Wiki asks for a fresh sign-in.", Request: "abc", App: "Wiki", Cancel: "/consent"}, ""},
		{"stepup-resume", templates.StepUp{Base: person(true), Reason: "You are about to change something that has to be protected.", Back: "/account", Resume: &templates.Resume{Action: "/admin/groups", Fields: []templates.Hidden{{Name: "name", Value: `"><script>`}}}}, ""},
		{"stepup-long", templates.StepUp{Base: longPerson(), Reason: "You are deleting a passkey.", Return: "/account/passkeys"}, ""},
		{"recover", templates.Recover{}, ""},
		{"recover-link", templates.Recover{}, "token=new"},
		{"recover-ready", templates.Recover{Ready: true}, ""},
		{"recover-error", templates.Recover{Base: failing(templates.Base{}, "recovery_failed")}, ""},
		{"recovery-codes", templates.RecoveryCodes{Base: person(false), Codes: codes, Username: "ines", Made: "23 November 2026", Next: "/account/passkeys"}, ""},
		{"consent", consent, ""},
		{"consent-long", longConsent, ""},
		{"form-post", templates.FormPost{App: "Wiki", URL: "https://wiki.meridian.example/callback", Hidden: []templates.Hidden{{Name: "code", Value: "abc"}, {Name: "state", Value: "def"}}}, ""},
		{"logout", templates.Logout{Base: person(false), Back: "/account/passkeys"}, ""},
		{"logout-app", templates.Logout{Base: person(false), App: "Wiki", Action: "/oauth2/logout", Hidden: []templates.Hidden{{Name: "request", Value: "abc"}}}, ""},
		{"signed-out", templates.SignedOut{Apps: told}, ""},
		{"signed-out-frames", templates.SignedOut{URL: "https://wiki.meridian.example/", App: "Wiki", Apps: append([]templates.ToldApp{{Name: longName, Browser: true}}, told...)}, ""},
		{"signed-out-app", templates.SignedOut{URL: "https://wiki.meridian.example/", App: "Wiki"}, ""},
		{"error", templates.Error{
			Code: "bad_redirect_uri", Title: "Wiki is not set up correctly",
			Text:   "Wiki asked us to send you to an address that is not registered for it. To keep your account safe, we stopped here. Nothing was shared.",
			Advice: "Go back to Wiki and try again. If it happens again, send the number below to your administrator.", Support: "7f3a-91c2-e05d",
			AdminTitle: "For the administrator of Wiki", AdminText: "Sent: https://wiki.meridian.example/callback/. Registered: https://wiki.meridian.example/callback. Addresses must match exactly; the last slash differs.",
			Back: "https://wiki.meridian.example/", BackLabel: "Back to Wiki",
		}, ""},
		{"error-not-found", templates.Error{Code: "not_found", Support: "7f3a-91c2-e05d"}, ""},
		{"error-set-up", templates.Error{Code: "setup_done", Support: "7f3a-91c2-e05d"}, ""},
		{"hand-over", templates.HandOver{App: "Wiki", URL: "com.meridian.wiki:/callback?code=abc"}, ""},
		{"error-not-allowed", templates.Error{Code: "not_allowed", Title: "You may not sign in to Grafana", Text: "Grafana is open to people in the group engineering. You are not in it.", Advice: "Ask your administrator to add you to engineering.", Back: "/account"}, ""},
	}
}

func profileForm() templates.ProfileForm {
	return templates.ProfileForm{Version: "3", Checked: true, Values: map[string]string{
		"name": "Ines Halvorsen", "given_name": "Ines", "family_name": "Halvorsen", "email": "ines@meridian.example", "birthdate": "0000-05-07",
		"locale": "nb-NO", "zoneinfo": "Europe/Oslo", "website": "https://ines.example/", "picture": "https://" + longHost + "/ines.png",
		"phone_number": "+4722123456", "street_address": "Karl Johans gate 1\nOppgang B", "postal_code": "0154", "locality": "Oslo", "country": "Norway",
	}}
}

// told is one application of each state.
var told = []templates.ToldApp{
	templates.ToldOf(latchkey.Notice{App: "Wiki", State: latchkey.NoticeDelivered}),
	templates.ToldOf(latchkey.Notice{App: "Grafana", State: latchkey.NoticePending}),
	templates.ToldOf(latchkey.Notice{App: "Field Notes", State: latchkey.NoticePending, Reason: latchkey.NoticeNoAnswer}),
	templates.ToldOf(latchkey.Notice{App: "Old Portal", State: latchkey.NoticeFailed, Reason: "status_404"}),
}

func accountSamples() []sample {
	passkeys := []templates.PasskeyItem{
		{ID: "p1", Name: "MacBook Pro", Kind: "laptop", Provider: "iCloud Keychain", Synced: true, Current: true, Created: ago(264 * day), LastUsed: ago(27 * time.Minute)},
		{ID: "p2", Name: "Pixel 9", Kind: "phone", Provider: "Google Password Manager", Synced: true, Created: ago(196 * day), LastUsed: ago(14 * time.Hour)},
		{ID: "p3", Name: "YubiKey in the safe", Kind: "usb", Provider: "Security key", Created: ago(264 * day), LastUsed: ago(187 * day)},
	}
	renaming := []templates.PasskeyItem{passkeys[0], passkeys[1]}
	renaming[1].Open, renaming[1].Error, renaming[1].Typed = true, "Enter a name of 1 to 64 characters", "  "
	long := []templates.PasskeyItem{{ID: "p1", Name: longName, Kind: "usb", Provider: longName, Created: ago(day), LastUsed: templates.At(time.Time{}, now)}}
	codes := templates.RecoveryState{Left: 6, Total: 8, Made: ago(264 * day), LastUsed: ago(82 * day)}
	apps := []templates.AppItem{
		{ClientID: "fn", Name: "Field Notes", Host: "fieldnotes.example", Allowed: ago(42 * day), Used: ago(46 * time.Minute), Stays: true, Can: []string{"Read your name and e-mail", "Add notes to your shared calendar"}},
		{ClientID: "g", Name: "Grafana", Host: "grafana.meridian.example", Allowed: ago(264 * day), Can: []string{"Read your name and e-mail", "Read your groups"}},
	}
	facts := []templates.Fact{{Name: "Username", Value: "ines"}, {Name: "E-mail", Value: "ines@meridian.example, verified"}}
	profile := templates.AccountProfile{Base: saying(person(true), "Your profile was saved."), Facts: facts, Form: profileForm()}
	empty := templates.AccountProfile{Base: person(false), Facts: facts, Form: templates.ProfileForm{Values: map[string]string{"name": longName}}}
	wrong := templates.AccountProfile{Base: failing(person(false), "validation_failed"), Facts: facts, Form: profileForm()}
	wrong.Form.Values["birthdate"], wrong.Form.Values["picture"], wrong.Form.Values["name"], wrong.Form.Values["formatted"] = "31.12.1990", "javascript:alert(1)", "", longName
	wrong.Form.Errors = map[string]string{"name": "Enter a name of 1 to 128 characters, without hidden ones.", "birthdate": "Write a day as 1990-12-31 or 0000-12-31, or only the year.",
		"picture": "Enter a web address in full, such as https://example.com/.", "phone_number": "Write it with the country in front, such as +1 425 555 1212.", "formatted": "Use up to 500 characters."}
	return []sample{
		{"account-profile", profile, ""},
		{"account-profile-empty", empty, ""},
		{"account-profile-error", wrong, ""},
		{"account-passkeys", templates.AccountPasskeys{Base: person(true), Items: passkeys, Codes: codes}, ""},
		{"account-passkeys-rename", templates.AccountPasskeys{Base: saying(person(true), "Passkey added. Give it a name that you know it by."), Items: renaming, Codes: codes}, ""},
		{"account-passkeys-one", templates.AccountPasskeys{Base: person(false), Items: passkeys[:1], Codes: templates.RecoveryState{}}, ""},
		{"account-passkeys-error", templates.AccountPasskeys{Base: failing(person(false), "not_found"), Items: passkeys, Codes: templates.RecoveryState{Left: 1, Total: 8, Made: ago(day)}}, ""},
		{"account-passkeys-long", templates.AccountPasskeys{Base: longPerson(), Items: long, Codes: codes}, ""},
		{"account-passkey-remove", templates.AccountPasskeyRemove{Base: person(true), ID: "p2", Name: "Pixel 9", Where: "Google Password Manager"}, ""},
		{"account-passkey-remove-last", templates.AccountPasskeyRemove{Base: person(true), ID: "p2", Name: "Pixel 9", Current: true, Typed: "ines"}, ""},
		{"account-passkey-remove-unconfirmed", templates.AccountPasskeyRemove{Base: failing(person(true), "validation_failed"), ID: "p2", Name: "Pixel 9", Current: true, Typed: "ines", Error: "This is not your username. Nothing was deleted."}, ""},
		{"account-passkey-remove-refused", templates.AccountPasskeyRemove{Base: person(true), ID: "p2", Name: "Pixel 9", Refused: "This is your only passkey, and you have no recovery codes. Add another passkey first."}, ""},
		{"account-recovery", templates.AccountRecovery{Base: saying(person(true), "Your new codes work from now on. The old ones stopped working."), Codes: templates.RecoveryState{Left: 8, Total: 8, Made: ago(time.Second)}}, ""},
		{"account-sessions", templates.AccountSessions{Base: person(true), Told: told, ToldAt: ago(3 * time.Minute), Length: "A session ends 1 hour after you last did something, and never lasts longer than 12 hours.", Items: []templates.SessionItem{
			{ID: "s1", Name: "Firefox on macOS", Kind: "laptop", Current: true, Place: "192.0.2.17", Passkey: "MacBook Pro", SignedIn: ago(27 * time.Minute)},
			{ID: "s2", Name: "Chrome on Android", Kind: "phone", Place: "2001:db8:85a3:8d3:1319:8a2e:370:7348", Passkey: "Pixel 9", SignedIn: ago(9 * time.Hour), LastSeen: ago(3 * time.Hour)},
			{ID: "s3", Name: "Edge on Windows", Kind: "laptop", Recovery: true, SignedIn: ago(4 * time.Minute), LastSeen: ago(0)},
		}}, ""},
		{"account-apps", templates.AccountApps{Base: person(true), Items: apps, Provided: []templates.AppItem{{Name: "Wiki", Host: "wiki.meridian.example", URL: "https://wiki.meridian.example/", Used: ago(2 * time.Hour)}}}, ""},
		{"account-apps-empty", templates.AccountApps{Base: person(false)}, ""},
		{"account-apps-long", templates.AccountApps{Base: longPerson(), Items: []templates.AppItem{{ClientID: "x", Name: longName, Host: longHost, Allowed: ago(day), Stays: true, Can: []string{longName}}}}, ""},
	}
}
