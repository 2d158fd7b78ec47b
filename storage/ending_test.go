package storage_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

// ended is what one cause is expected to leave: for each grant whether its
// refresh tokens and its access tokens ended, and the sessions that live on.
type ended struct {
	Sessions []string
	Refresh  []string
	Access   []string
	Told     []string
}

// TestWhatEndsWhat is the table of the contract, row by row. Alice has two
// sessions, made with a laptop and a phone, and grants in each, with and
// without offline_access, for two applications of which one wants to be told.
func TestWhatEndsWhat(t *testing.T) {
	t.Parallel()
	everything := ended{Refresh: []string{"laptop wiki", "laptop wiki offline", "phone wiki", "phone blog offline"}}
	everything.Access = everything.Refresh
	everything.Told = []string{"laptop wiki", "phone wiki"}
	for _, c := range []struct {
		name string
		e    func(f *endings) storage.Ending
		want ended
	}{
		{"sign-out", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.SignedOut, UserID: f.alice.ID, SessionID: f.laptop.ID}
		}, ended{
			Sessions: []string{"phone", "bob"}, Refresh: []string{"laptop wiki"}, Access: []string{"laptop wiki", "laptop wiki offline"},
			Told: []string{"laptop wiki"},
		}},
		{"somebody else's session", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.SignedOut, UserID: f.bob.ID, SessionID: f.laptop.ID}
		}, ended{Sessions: []string{"laptop", "phone", "bob"}}},
		{"passkey removed", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.PasskeyRemoved, UserID: f.alice.ID, CredentialID: f.phone.CredentialID}
		}, ended{
			Sessions: []string{"laptop", "bob"}, Refresh: []string{"phone wiki"}, Access: []string{"phone wiki", "phone blog offline"},
			Told: []string{"phone wiki"},
		}},
		{"sign out everywhere", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.SignedOutAll, UserID: f.alice.ID}
		}, withSessions(everything, "bob")},
		{"all others", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.SignedOutAll, UserID: f.alice.ID, Except: f.laptop.ID}
		}, ended{
			Sessions: []string{"laptop", "bob"}, Refresh: []string{"phone wiki", "phone blog offline"},
			Access: []string{"phone wiki", "phone blog offline"}, Told: []string{"phone wiki"},
		}},
		{"recovery", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.Recovered, UserID: f.alice.ID}
		}, withSessions(everything, "bob")},
		{"disabled", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.UserDisabled, UserID: f.alice.ID}
		}, withSessions(everything, "bob")},
		{"application disabled", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.ClientDisabled, ClientID: "wiki"}
		}, ended{
			Sessions: []string{"laptop", "phone", "bob"}, Refresh: []string{"laptop wiki", "laptop wiki offline", "phone wiki", "bob wiki"},
			Access: []string{"laptop wiki", "laptop wiki offline", "phone wiki", "bob wiki"},
		}},
		{"group taken", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.GroupTaken, UserID: f.alice.ID, ClientID: "blog"}
		}, ended{Sessions: []string{"laptop", "phone", "bob"}, Refresh: []string{"phone blog offline"}, Access: []string{"phone blog offline"}}},
		{"consent withdrawn", func(f *endings) storage.Ending {
			return storage.Ending{Cause: storage.ConsentWithdrawn, UserID: f.alice.ID, ClientID: "wiki"}
		}, ended{
			Sessions: []string{"laptop", "phone", "bob"}, Refresh: []string{"laptop wiki", "laptop wiki offline", "phone wiki"},
			Access: []string{"laptop wiki", "laptop wiki offline", "phone wiki"}, Told: []string{"laptop wiki", "phone wiki"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newEndings(t)
			var counts storage.Ended
			err := f.db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
				counts, err = tx.EndSessions(t.Context(), c.e(f))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			got := f.look(t)
			if diff := cmp.Diff(c.want, got, sortStrings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if counts.Sessions != 3-len(got.Sessions) || counts.Grants != len(got.Refresh) || len(counts.Told) != len(got.Told) {
				t.Errorf("counts are %+v", counts)
			}
			events := f.db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind IN ('session.ended', 'token.revoked')")
			if wantEvents := min(1, len(got.Access)); events != wantEvents {
				t.Errorf("%d events, want %d", events, wantEvents)
			}
		})
	}
}

func withSessions(e ended, names ...string) ended {
	e.Sessions = names
	return e
}

// TestAnExpiredSessionEndsItsRefreshTokensOnly: the sweeper writes down what
// expiry means.
func TestAnExpiredSessionEndsItsRefreshTokensOnly(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.db.Exec(t, "UPDATE sessions SET idle_expires_at = now() - interval '1 second' WHERE id = $1", f.laptop.ID)
	for _, s := range storage.Sweepers() {
		if _, err := f.db.Sweep(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	want := ended{Sessions: []string{"phone", "bob"}, Refresh: []string{"laptop wiki"}}
	if diff := cmp.Diff(want, f.look(t), sortStrings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestACodeNotExchangedEndsWithItsSession: it is no refresh token to spare.
func TestACodeNotExchangedEndsWithItsSession(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.db.Exec(t, "UPDATE grants SET code_uses = 0 WHERE redirect_uri = 'laptop wiki offline'")
	err := f.db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, err := tx.EndSessions(t.Context(), storage.Ending{Cause: storage.SignedOut, UserID: f.alice.ID, SessionID: f.laptop.ID})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.db.Count(t, "SELECT count(*) FROM grants WHERE redirect_uri = 'laptop wiki offline' AND revoked_at IS NOT NULL"); n != 1 {
		t.Error("the code can still be exchanged")
	}
}

var sortStrings = cmp.Transformer("sort", func(s []string) map[string]bool {
	m := map[string]bool{}
	for _, v := range s {
		m[v] = true
	}
	return m
})

type endings struct {
	db            *testDB
	alice, bob    *latchkey.User
	laptop, phone *latchkey.Session
	ofBob         *latchkey.Session
}

func newEndings(t *testing.T) *endings {
	t.Helper()
	f := &endings{db: open(t)}
	var key *latchkey.Passkey
	f.alice, key = person(t, f.db, "alice", latchkey.RoleUser)
	f.laptop, _ = signIn(t, f.db, f.alice, key, 0)
	f.phone, _ = signIn(t, f.db, f.alice, addPasskey(t, f.db, f.alice, 'p'), 0)
	f.bob, key = person(t, f.db, "bob", latchkey.RoleUser)
	f.ofBob, _ = signIn(t, f.db, f.bob, key, 0)
	f.db.Exec(t, `
		INSERT INTO clients (id, name, type, profile, grant_types, response_types, scopes, auth_method, protocol)
		VALUES ('wiki', 'Wiki', 'web', 'oidc', '{authorization_code}', '{code}', '{openid}', 'none', '{"backchannel_logout_uri": "https://wiki.example/logout"}'),
		       ('blog', 'Blog', 'web', 'oidc', '{authorization_code}', '{code}', '{openid}', 'none', '{}')`)
	grant := func(name, client string, s *latchkey.Session, scopes string) {
		f.db.Exec(t, `
			INSERT INTO grants (id, kind, state, client_id, user_id, session_id, code_uses, redirect_uri, scopes, rt_salt, expires_at)
			VALUES ($1, 'code', 'active', $2, $3, $4, 1, $5, $6::text[], '\x00000000000000000000000000000000', now() + interval '1 day')`,
			storage.NewID(), client, s.UserID, s.ID, name, scopes)
	}
	grant("laptop wiki", "wiki", f.laptop, "{openid}")
	grant("laptop wiki offline", "wiki", f.laptop, "{openid,offline_access}")
	grant("phone wiki", "wiki", f.phone, "{openid}")
	grant("phone blog offline", "blog", f.phone, "{openid,offline_access}")
	grant("bob wiki", "wiki", f.ofBob, "{openid}")
	return f
}

// look reads what is left. A job tells of an application and a session; the
// name of the session's grant stands for both.
func (f *endings) look(t *testing.T) (e ended) {
	t.Helper()
	for name, s := range map[string]*latchkey.Session{"laptop": f.laptop, "phone": f.phone, "bob": f.ofBob} {
		if f.db.Count(t, "SELECT count(*) FROM sessions WHERE id = $1", s.ID) == 1 {
			e.Sessions = append(e.Sessions, name)
		}
	}
	for _, name := range []string{"laptop wiki", "laptop wiki offline", "phone wiki", "phone blog offline", "bob wiki"} {
		if f.db.Count(t, "SELECT count(*) FROM grants WHERE redirect_uri = $1 AND revoked_at IS NOT NULL", name) == 1 {
			e.Refresh = append(e.Refresh, name)
		}
		if f.db.Count(t, "SELECT count(*) FROM grants WHERE redirect_uri = $1 AND access_not_before > now() - interval '1 minute'", name) == 1 {
			e.Access = append(e.Access, name)
		}
	}
	told := []string{"laptop wiki", "phone wiki"}
	if n := f.db.Count(t, "SELECT count(*) FROM jobs WHERE kind = 'logout' AND key = 'wiki'"); n == 1 {
		for _, name := range told {
			for _, ended := range e.Access {
				if ended == name {
					e.Told = []string{name}
				}
			}
		}
	} else if n == 2 {
		e.Told = told
	} else if n > 2 {
		t.Errorf("%d jobs", n)
	}
	return e
}
