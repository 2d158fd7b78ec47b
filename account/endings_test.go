package account_test

import (
	"testing"

	"latchkey/passkey/passkeytest"
)

// TestWhatEndsWhat walks the rows of the contract's table that a person can
// cause alone, over the wire. Alice has a laptop and a phone with a passkey
// each, and applications signed in on both; she acts at the laptop.
func TestWhatEndsWhat(t *testing.T) {
	t.Parallel()
	spared := life{Refresh: true}
	type ends struct{ laptop, phone, laptopOffline, phoneOffline life }
	for _, c := range []struct {
		name string
		do   func(t *testing.T, w *world, laptop, phone *passkeytest.Browser)
		want ends
		told string // applications with a logout address and a session that ended
	}{
		{"sign-out by the page", func(t *testing.T, _ *world, laptop, _ *passkeytest.Browser) {
			wantPage(t, submit(t, laptop, laptop.Get("/logout"), "/logout", nil), 200, "signed-out")
		}, ends{dead, alive, spared, alive}, "1"},
		{"sign-out by the API", func(t *testing.T, _ *world, laptop, _ *passkeytest.Browser) {
			wantStatus(t, laptop.Post("/api/v1/session/logout", nil), 200)
		}, ends{dead, alive, spared, alive}, "1"},
		{"the phone's passkey removed by the page", func(t *testing.T, _ *world, laptop, phone *passkeytest.Browser) {
			action := "/account/passkeys/" + current(t, phone).ID + "/remove"
			wantTo(t, submit(t, laptop, laptop.Get(action), action, nil), "/account/passkeys?done=deleted")
		}, ends{alive, dead, alive, spared}, "1"},
		{"the phone's passkey removed by the API", func(t *testing.T, _ *world, laptop, phone *passkeytest.Browser) {
			wantStatus(t, laptop.Do("DELETE", "/api/v1/me/passkeys/"+current(t, phone).ID, nil), 200)
		}, ends{alive, dead, alive, spared}, "1"},
		{"recovery", func(t *testing.T, w *world, laptop, _ *passkeytest.Browser) {
			code := w.codes(t, laptop)[0]
			lost := passkeytest.NewBrowser(t, w.URL)
			wantStatus(t, lost.Post("/api/v1/recovery/redeem", passkeytest.Fields{"username": "alice", "code": code}), 200)
		}, ends{}, "2"},
		{"a new name", func(t *testing.T, _ *world, laptop, phone *passkeytest.Browser) {
			wantStatus(t, laptop.Do("PATCH", "/api/v1/me/passkeys/"+current(t, phone).ID, passkeytest.Fields{"device_name": "x"}), 200)
		}, ends{alive, alive, alive, alive}, "0"},
		{"new recovery codes", func(t *testing.T, w *world, laptop, _ *passkeytest.Browser) {
			w.codes(t, laptop)
		}, ends{alive, alive, alive, alive}, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			laptop := w.admin(t)
			phone := w.add(t, laptop)
			wiki := w.app(t, "wiki", firstParty)
			w.Exec(t, `UPDATE clients SET protocol = '{"backchannel_logout_uri": "https://wiki.example.com/logout"}'`)
			atLaptop, atPhone := wiki.signIn(t, laptop, "openid"), wiki.signIn(t, phone, "openid")
			laptopOffline, phoneOffline := wiki.signIn(t, laptop, "openid offline_access"), wiki.signIn(t, phone, "openid offline_access")
			c.do(t, w, laptop, phone)
			wantLife(t, "the laptop's tokens", atLaptop, c.want.laptop)
			wantLife(t, "the phone's tokens", atPhone, c.want.phone)
			wantLife(t, "the laptop's with offline_access", laptopOffline, c.want.laptopOffline)
			wantLife(t, "the phone's with offline_access", phoneOffline, c.want.phoneOffline)
			if told := w.Text(t, "SELECT count(*) FROM jobs WHERE kind = 'logout'"); told != c.told {
				t.Errorf("%s notices were queued, want %s", told, c.told)
			}
		})
	}
}
