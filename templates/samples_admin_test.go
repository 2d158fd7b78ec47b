package templates_test

import (
	"strings"
	"time"

	"latchkey/templates"
)

func adminSamples() []sample {
	groups := []templates.Choice{{Value: "engineering", Chosen: true}, {Value: "ops"}, {Value: "sales"}}
	form := templates.ClientForm{
		Name: "Grafana", Type: "web", RedirectURIs: "https://grafana.meridian.example/login/generic_oauth", PostLogoutRedirectURIs: "https://grafana.meridian.example/",
		Groups: groups, FirstParty: true, Scope: "openid profile email groups offline_access", Version: "3",
		More: &templates.ClientMore{
			AuthMethods:   []templates.Option{{Value: "client_secret_basic", Text: "Secret in a header", Chosen: true}, {Value: "client_secret_post", Text: "Secret in the body"}},
			Profiles:      []templates.Option{{Value: "oidc", Text: "OpenID Connect", Chosen: true}, {Value: "oauth21", Text: "OAuth 2.1: every request needs PKCE"}},
			AccessFormats: []templates.Option{{Value: "jwt", Text: "JWT: whoever has it can read and check it", Chosen: true}, {Value: "opaque", Text: "Opaque: only latchkey can read it, resource servers ask"}},
			IDTokenAlgs:   []templates.Option{{Value: "RS256", Text: "RS256", Chosen: true}, {Value: "ES256", Text: "ES256"}},
		},
	}
	settings := templates.ClientSettings{ID: "grafana-7k2m", Secret: true, Scope: form.Scope, Redirects: []string{form.RedirectURIs}, SignedOut: []string{form.PostLogoutRedirectURIs}}
	machine := templates.ClientSettings{ID: "nightly-7k2m", Secret: true, Machine: true}
	wrong := form
	wrong.Name, wrong.RedirectURIs, wrong.Groups = "", "http://grafana.meridian.example/login", nil
	more := *form.More
	more.Open, more.AccessTokenTTL, more.Origins = true, "5", "https://grafana.meridian.example/"
	wrong.More = &more
	wrong.Errors = map[string]string{"access_token_ttl": "This is 30 to 86400 seconds.", "allowed_cors_origins": "https://grafana.meridian.example/: write the origin as browsers send it: https://grafana.meridian.example", "name": "Enter a name", "redirect_uris": "http is allowed for localhost only; use https", "group": "Choose at least one group, or open it to everyone"}
	facts := []templates.Fact{{Name: "Client ID", Value: "grafana-7k2m", Code: true}, {Name: "Issuer", Value: "https://id.meridian.example", Code: true}, {Name: "Type", Value: "Server web app"}, {Name: "Connected", Value: "4 March 2026"}}
	secrets := []templates.SecretItem{
		{ID: "k1", Prefix: "lk_cs_9Qx", Made: ago(359 * day), LastUsed: ago(4 * time.Minute), Ends: templates.At(now.Add(6*day), now), EndsSoon: true},
		{ID: "k2", Prefix: "lk_cs_T4v", Made: ago(time.Minute), LastUsed: templates.At(time.Time{}, now), Ends: templates.At(time.Time{}, now)},
	}
	clients := []templates.ClientItem{
		{ID: "wiki", Name: "Wiki", Host: "wiki.meridian.example", Type: "Server web app", Who: "Everyone", Enabled: true, Created: ago(264 * day)},
		{ID: "grafana", Name: "Grafana", Host: "grafana.meridian.example", Type: "Server web app", Who: "engineering", Enabled: true, Created: ago(30 * day)},
		{ID: "fn", Name: "Field Notes", Host: "fieldnotes.example", Type: "Browser app", Who: "Everyone", Consent: true, Enabled: true, Self: true, Created: ago(9 * time.Hour)},
		{ID: "nb", Name: "Nightly backup", Type: "Machine", Who: "No person", Enabled: true, Created: ago(3 * day)},
		{ID: "crm", Name: "Old CRM", Host: "crm.meridian.example", Type: "Server web app", Who: "sales", Created: ago(500 * day)},
		{ID: "long", Name: longName, Host: longHost, Type: "Mobile or desktop app", Who: longName, Enabled: true, Created: ago(day)},
	}
	detail := templates.AdminClient{Base: saying(person(true), "Settings saved."), ID: "grafana-7k2m", Name: "Grafana", Lead: "grafana.meridian.example · Server web app", Enabled: true, Secrets: secrets, Facts: facts, Form: form, Settings: settings}
	detail.Notices = &templates.ClientNotices{Address: "https://grafana.meridian.example/backchannel-logout", Counts: "12 delivered, 2 waiting, 1 given up"}
	for i, n := range told {
		item := templates.NoticeItem{ToldApp: n, When: ago(time.Duration(i) * 7 * time.Hour), Attempts: "1"}
		item.Text, _, _ = strings.Cut(n.Text, " We ")
		if !n.Done && !n.Failed {
			item.Next = templates.At(now.Add(20*time.Minute), now)
		}
		detail.Notices.Items = append(detail.Notices.Items, item)
	}
	public := detail
	public.Public, public.Secrets, public.Enabled, public.Base = true, nil, false, person(true)
	stale := detail
	stale.Base, stale.Form, stale.Secrets = failing(person(true), "conflict"), wrong, nil
	done := templates.AdminClientDone{Base: person(true), ID: "grafana-7k2m", Name: "Grafana", Secret: "lk_cs_9QxT4vN2mKc7RzBw8HfYpL3sJd6UaEgX", Settings: settings, Facts: []templates.Fact{
		{Name: "Sign-in", Value: "Code flow"}, {Name: "Consent", Value: "Not asked, it is your own application"}, {Name: "Who may sign in", Value: "engineering"},
	}}
	added := done
	added.Added, added.Facts, added.Ends = true, nil, templates.At(now.Add(365*day), now)
	open := done
	open.Secret, open.Settings.Secret = "", false
	nightly := done
	nightly.Name, nightly.Settings, nightly.Facts = "Nightly backup", machine, []templates.Fact{{Name: "Sign-in", Value: "Nobody: client credentials"}}
	job := detail
	job.Base, job.ID, job.Name, job.Lead, job.Settings, job.Secrets = person(true), "nightly-7k2m", "Nightly backup", "Machine", machine, nil
	job.Facts = []templates.Fact{{Name: "Client ID", Value: "nightly-7k2m", Code: true}, {Name: "Issuer", Value: "https://id.meridian.example", Code: true}, {Name: "Proves itself by", Value: "The secret, in a header (client_secret_basic)"}, {Name: "Connected", Value: "4 March 2026"}}
	open2 := *form.More
	open2.Open = true
	job.Form = templates.ClientForm{Name: "Nightly backup", Type: "machine", Version: "1", More: &open2}
	alone := templates.ClientForm{Type: "web"}
	return append(append(peopleSamples(groups), registrationSamples()...), []sample{
		{"admin-clients", templates.AdminClients{Base: person(true), Items: clients, Count: "6 of 14", Next: "?cursor=abc"}, ""},
		{"admin-clients-empty", templates.AdminClients{Base: person(true)}, ""},
		{"admin-clients-none", templates.AdminClients{Base: person(true), Query: "grifana", Count: "0 of 14"}, ""},
		{"admin-client-new", templates.AdminClientNew{Base: person(true), Form: templates.ClientForm{Groups: groups}}, ""},
		{"admin-client-new-alone", templates.AdminClientNew{Base: person(true), Form: alone}, ""},
		{"admin-client-new-error", templates.AdminClientNew{Base: failing(person(true), "validation_failed"), Form: wrong}, ""},
		{"admin-client-done", done, ""},
		{"admin-client-done-added", added, ""},
		{"admin-client-done-public", open, ""},
		{"admin-client-done-machine", nightly, ""},
		{"admin-client-detail", detail, ""},
		{"admin-client-detail-machine", job, ""},
		{"admin-client-detail-public", public, ""},
		{"admin-client-detail-error", stale, ""},
		{"admin-groups", templates.AdminGroups{Base: person(true), Items: []templates.GroupItem{{ID: "g1", Name: "engineering", Members: "12 people", Created: ago(264 * day)}, {ID: "g2", Name: longName, Members: "1 person", Created: ago(day)}}, Typed: "sales team", Error: "There is a group of that name", Next: "?cursor=abc"}, ""},
		{"admin-keys", templates.AdminKeys{Base: saying(person(true), "A new key is published. It signs in a day."), Groups: keyGroups()}, ""},
		{"admin-keys-empty", templates.AdminKeys{Base: person(true), Groups: []templates.KeyGroup{{Alg: "RS256"}}}, ""},
		{"admin-groups-empty", templates.AdminGroups{Base: person(true)}, ""},
		{"admin-group-detail", templates.AdminGroup{Base: person(true), ID: "g1", Name: "engineering", Members: []templates.MemberItem{{UserID: "u1", Name: "Ines Halvorsen", Detail: "ines@meridian.example"}, {UserID: "u2", Name: longName, Detail: longHost}}, Next: "?cursor=abc", Apps: clients[1:2]}, ""},
		{"admin-group-detail-empty", templates.AdminGroup{Base: person(true), ID: "g1", Name: longName, Typed: "nobody", Error: "There is no such person"}, ""},
	}...)
}

func keyGroups() []templates.KeyGroup {
	kid := "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
	return []templates.KeyGroup{
		{Alg: "RS256", Announced: true, New: true, Keys: []templates.KeyItem{
			{KID: kid, State: "Signs later", From: templates.At(now.Add(23*time.Hour), now), MayGo: true},
			{KID: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", State: "Signs", From: ago(89 * day), Until: templates.At(now.Add(23*time.Hour), now), Gone: templates.At(now.Add(71*time.Hour), now)},
		}, Waiting: []templates.KeyReaderItem{
			{ID: "grafana", Name: "Grafana", Text: "1 of 2 places have it, 1 perhaps", Called: ago(2 * time.Hour), Fetched: ago(40 * day)},
			{ID: "long", Name: longName, Text: "0 of 1 places have it", Called: ago(time.Hour), Fetched: templates.At(time.Time{}, now)},
		}},
		{Alg: "ES256", New: true, Keys: []templates.KeyItem{{KID: kid, State: "Signs", From: ago(day)}, {KID: "old", State: "Signs no more", From: ago(90 * day), Until: ago(day), Gone: templates.At(now.Add(day), now), MayGo: true}}},
		{Alg: "EdDSA", Keys: []templates.KeyItem{{KID: kid, State: "Signs", From: ago(30 * day)}}},
	}
}

func peopleSamples(groups []templates.Choice) []sample {
	users := []templates.UserItem{
		{ID: "u1", Name: "Ines Halvorsen", Detail: "ines@meridian.example", Admin: true, Groups: "engineering", Passkeys: "3", Created: ago(264 * day)},
		{ID: "u2", Name: "Tomás Rey", Detail: "tomas@meridian.example", Groups: "engineering", Passkeys: "2", Created: ago(200 * day)},
		{ID: "u3", Name: "Jonas Weiss", Detail: "jonas@meridian.example", Passkeys: "Only 1, no codes", PasskeysWarn: true, Created: ago(5 * time.Hour)},
		{ID: "u4", Name: "Marek Sobol", Detail: "marek@meridian.example", Disabled: true, Groups: "sales", Passkeys: "2", Created: ago(400 * day)},
		{ID: "u5", Name: longName, Detail: "x@" + longHost, Groups: longName, Passkeys: "1", Created: ago(day)},
	}
	user := templates.AdminUser{
		Base: person(true), ID: "u2", Name: "Tomás Rey", Lead: "tomas · tomas@meridian.example",
		Facts:  []templates.Fact{{Name: "Username", Value: "tomas"}, {Name: "E-mail", Value: "tomas@meridian.example, verified"}, {Name: "Subject", Value: "4kq0b2m9v7xw1r8t", Code: true}, {Name: "Since", Value: "7 May 2026"}},
		Groups: []templates.GroupItem{{ID: "g1", Name: "engineering"}, {ID: "g2", Name: "ops"}},
		Passkeys: []templates.PasskeyItem{
			{Name: "Pixel 9", Kind: "phone", Provider: "Google Password Manager", Synced: true, Created: ago(196 * day), LastUsed: ago(14 * time.Hour)},
			{Name: "Key", Kind: "usb", Created: ago(196 * day), LastUsed: templates.At(time.Time{}, now)},
		},
		CodesLeft: "6 recovery codes left", Sessions: "2 sessions", More: []templates.Choice{{Value: "sales"}, {Value: longName}},
	}
	user.Profile = []templates.Fact{{Name: "Given name", Value: "Tomás"}, {Name: "Website", Value: "https://" + longHost + "/tomas"}, {Name: "Phone number", Value: "+34911234567, not checked"}, {Name: "Postal address", Value: "Calle Mayor 1, 28013, Madrid, Spain"}}
	profile := templates.AdminUserProfile{Base: person(true), ID: "u2", Name: "Tomás Rey", Form: profileForm()}
	profile.Form.Admin, profile.Form.Unproven = true, true
	changed := templates.AdminUserProfile{Base: person(true), ID: "u5", Name: longName, Form: profileForm()}
	changed.Alert = &templates.Alert{Code: "conflict", Title: "This person was changed meanwhile", Text: "What you typed is still here, and not saved. Save again to put it in the place of what is stored by now."}
	changed.Form.Admin, changed.Form.Errors = true, map[string]string{"phone_number_verified": "There is no phone number that could be checked.", "email": "Somebody here has this e-mail address."}
	refused := user
	refused.Base = failing(person(true), "last_admin")
	self := user
	self.Base, self.Self, self.Admin, self.Groups, self.More = saying(person(true), "Added to the group."), true, true, nil, nil
	disabled := user
	disabled.Profile, disabled.Disabled, disabled.Passkeys, disabled.Groups, disabled.CodesLeft, disabled.Sessions = nil, true, nil, nil, "No recovery codes", "Not signed in"
	days := []templates.Choice{{Value: "1"}, {Value: "7", Chosen: true}, {Value: "30"}}
	return []sample{
		{"admin-user-profile", profile, ""},
		{"admin-user-profile-changed", changed, ""},
		{"admin-users", templates.AdminUsers{Base: person(true), Items: users, Count: "6 of 412", Next: "?cursor=abc", Invites: []templates.InviteItem{{ID: "i1", Who: "noor@partner.example", By: "Ines", Groups: "partners", Ends: templates.At(now.Add(5*day), now)}, {ID: "i2", Admin: true, Ends: templates.At(now.Add(5*time.Hour), now)}}}, ""},
		{"admin-users-none", templates.AdminUsers{Base: person(true), Query: "nobody", Count: "0 of 412"}, ""},
		{"admin-invite", templates.AdminInvite{Base: person(true), Groups: groups, Days: days}, ""},
		{"admin-invite-error", templates.AdminInvite{Base: failing(person(true), "validation_failed"), Email: "noor@partner", Days: days, Errors: map[string]string{"email": "Enter an e-mail address like name@example.com"}}, ""},
		{"admin-link", templates.AdminLink{Base: person(true), For: "noor@partner.example", URL: "https://id.meridian.example/invite#token=lkl_9QxT4vN2mKc7RzBw8HfYpL3sJd6UaEgX9QxT4vN2mKc", Expires: templates.At(now.Add(7*day), now), Back: "/admin/users", BackLabel: "People"}, ""},
		{"admin-link-recovery", templates.AdminLink{Base: person(true), Recovery: true, For: "Tomás Rey", URL: "https://id.meridian.example/recover#token=lkl_9QxT4vN2mKc7RzBw8HfYpL3sJd6UaEgX", Expires: templates.At(now.Add(time.Hour), now), Back: "/admin/users/u2", BackLabel: "Tomás Rey"}, ""},
		{"admin-user-detail", user, ""},
		{"admin-user-detail-disabled", disabled, ""},
		{"admin-user-detail-refused", refused, ""},
		{"admin-user-detail-self", self, ""},
		{"admin-confirm", templates.AdminConfirm{Base: person(true), Nav: "users", Title: "Turn off “Tomás Rey”?", Text: "This person is signed out everywhere now, and cannot sign in until somebody turns them on again.", Action: "/admin/users/u2/disable", Button: "Turn off", Keep: "Leave on", Back: "/admin/users/u2", BackLabel: "Tomás Rey"}, ""},
		{"admin-confirm-forbidden", templates.AdminConfirm{Base: person(true), Nav: "users", Title: "Turn off “Ines Halvorsen”?", Text: "This person is signed out everywhere now.", Refused: "Nobody else who can sign in is an administrator. Make somebody else one first.", Back: "/admin/users/u1", BackLabel: "Ines Halvorsen"}, ""},
		{"admin-confirm-refused", templates.AdminConfirm{Base: failing(person(true), "group_in_use"), Nav: "groups", Title: "Delete the group “" + longName + "”?", Text: "Applications no longer learn of it.", Refused: "Applications are open to this group: Grafana (grafana-7k2m). Change who may sign in to them first.", Back: "/admin/groups/g1", BackLabel: longName}, ""},
	}
}
