package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

var times = storage.SessionTimes{Idle: time.Hour, Max: 12 * time.Hour}

// person makes a person with one passkey.
func person(t testing.TB, db *testDB, username string, role latchkey.Role) (*latchkey.User, *latchkey.Passkey) {
	t.Helper()
	u := &latchkey.User{Username: username, DisplayName: strings.ToUpper(username), Role: role}
	p := &latchkey.Passkey{
		CredentialID: bytes.Repeat([]byte(username[:1]), 16), PublicKey: []byte("key of " + username), AttestationType: "none",
		AAGUID: "00000000-0000-0000-0000-000000000000", Transports: []string{"internal"}, BackupEligible: true, BackupState: true,
		UserVerified: true, DeviceName: "Laptop", RPID: "localhost", Metadata: latchkey.PasskeyMetadata{Flags: 0x1d, Origin: "http://localhost"},
	}
	err := db.InTx(t.Context(), func(tx *storage.Tx) error {
		if err := tx.CreateUser(t.Context(), u); err != nil {
			return err
		}
		p.UserID = u.ID
		return tx.AddPasskey(t.Context(), p)
	})
	if err != nil {
		t.Fatal(err)
	}
	return u, p
}

func addPasskey(t testing.TB, db *testDB, u *latchkey.User, id byte) *latchkey.Passkey {
	t.Helper()
	p := &latchkey.Passkey{
		UserID: u.ID, CredentialID: bytes.Repeat([]byte{id}, 16), PublicKey: []byte("key"), AttestationType: "none",
		AAGUID: "00000000-0000-0000-0000-000000000000", DeviceName: "Key", RPID: "localhost",
	}
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.AddPasskey(t.Context(), p) }); err != nil {
		t.Fatal(err)
	}
	return p
}

func signIn(t testing.TB, db *testDB, u *latchkey.User, p *latchkey.Passkey, count uint32) (*latchkey.Session, string) {
	t.Helper()
	s, token, err := db.SignIn(t.Context(), storage.Assertion{UserID: u.ID, PasskeyID: p.ID, SignCount: count, ACR: "phr", AMR: []string{"pop"}}, times)
	if err != nil {
		t.Fatal(err)
	}
	return s, token
}

func wantCode(t testing.TB, err error, kind error, code string) {
	t.Helper()
	if !errors.Is(err, kind) || latchkey.CodeOf(err) != code {
		t.Errorf("error is %v (code %q), want %v with code %q", err, latchkey.CodeOf(err), kind, code)
	}
}

func TestUsernamesThatLookAlikeAreOne(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, _ := person(t, db, "Alice", latchkey.RoleUser)
	for _, typed := range []string{"alice", " ALICE ", "ａｌｉｃｅ"} {
		got, err := db.FindUserByUsername(t.Context(), typed)
		if err != nil || got.ID != u.ID {
			t.Errorf("FindUserByUsername(%q) = %v, %v", typed, got, err)
		}
		err = db.InTx(t.Context(), func(tx *storage.Tx) error {
			return tx.CreateUser(t.Context(), &latchkey.User{Username: strings.TrimSpace(typed), DisplayName: "x"})
		})
		wantCode(t, err, latchkey.ErrConflict, "username_taken")
	}
	if got := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'user.registered'"); got != 1 {
		t.Errorf("%d people recorded, want 1", got)
	}
}

func TestCleanUsername(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{
		"alice": true, "a.b-c_d": true, "Éloïse": true, "李": true, "": false, " ": false, "a b": false, "a@b.example": false,
		"\u202ealice": false, "al\u200bice": false, "0192d3c4-0000-7000-8000-000000000000": false, strings.Repeat("a", 65): false, "\xff": false,
	} {
		if _, _, ok := storage.CleanUsername(typed); ok != want {
			t.Errorf("CleanUsername(%q) is %v, want %v", typed, ok, want)
		}
	}
}

func TestCleanEmail(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"alice@example.com": "alice@example.com", " Alice@EXAMPLE.com ": "Alice@example.com", "alice": "", "Alice <a@example.com>": "",
		"a@b\r\nc": "", "a@": "", "@b": "", "a@bücher.example": "a@xn--bcher-kva.example",
	} {
		if got, ok := storage.CleanEmail(typed); got != want || ok != (want != "") {
			t.Errorf("CleanEmail(%q) = %q, %v, want %q", typed, got, ok, want)
		}
	}
}

func TestUnverifiedEmailFindsNobody(t *testing.T) {
	t.Parallel()
	db := open(t)
	for i, verified := range []time.Time{{}, time.Now()} {
		u := &latchkey.User{Username: fmt.Sprint("u", i), DisplayName: "x", Email: "a@example.com", EmailVerifiedAt: verified}
		if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateUser(t.Context(), u) }); err != nil {
			t.Fatal(err)
		}
		got, err := db.ResolveUser(t.Context(), "A@example.com")
		if verified.IsZero() && !errors.Is(err, latchkey.ErrNotFound) {
			t.Errorf("an unverified address found %v, %v", got, err)
		}
		if !verified.IsZero() && (err != nil || got.ID != u.ID) {
			t.Errorf("a verified address found %v, %v", got, err)
		}
	}
	u := &latchkey.User{Username: "u9", DisplayName: "x", Email: "A@example.com", EmailVerifiedAt: time.Now()}
	err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateUser(t.Context(), u) })
	wantCode(t, err, latchkey.ErrConflict, "email_taken")
}

func TestPasskeyComesBackAsItWas(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	found, err := db.PasskeyOwner(t.Context(), p.CredentialID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, found.Passkey); diff != "" {
		t.Errorf("passkey (-stored +read):\n%s", diff)
	}
	owner := found.User
	if owner.ID != u.ID || !bytes.Equal(owner.WebAuthnHandle, u.WebAuthnHandle) || owner.Status != latchkey.StatusActive {
		t.Errorf("owner is %+v", owner)
	}
	if n := db.Count(t, "SELECT count(*) FROM credentials WHERE position(convert_to('key of', 'UTF8') IN credential_public_key) > 0"); n != 0 {
		t.Error("the public key is stored in the clear")
	}
	_, err = db.FindPasskey(t.Context(), "00000000-0000-7000-8000-000000000000", p.ID)
	if !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("somebody else's passkey: %v, want not found", err)
	}
}

func TestASealedColumnDoesNotMove(t *testing.T) {
	t.Parallel()
	db := open(t)
	_, a := person(t, db, "alice", latchkey.RoleUser)
	_, b := person(t, db, "bob", latchkey.RoleUser)
	db.Exec(t, "UPDATE credentials SET credential_public_key = (SELECT credential_public_key FROM credentials WHERE id = $1) WHERE id = $2", a.ID, b.ID)
	if _, err := db.PasskeyOwner(t.Context(), b.CredentialID); !errors.Is(err, latchkey.ErrSealMismatch) {
		t.Errorf("a key moved to another row opened: %v", err)
	}
}

func TestTwoParallelRemovalsLeaveOnePasskey(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, first := person(t, db, "alice", latchkey.RoleUser)
	second := addPasskey(t, db, u, 'x')
	errs := parallel(2, func(i int) error {
		id := []string{first.ID, second.ID}[i]
		return db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.RemovePasskey(t.Context(), u.ID, id, false) })
	})
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("removals answered %v, want one refusal", errs)
	}
	if n := db.Count(t, "SELECT count(*) FROM credentials"); n != 1 {
		t.Errorf("%d passkeys left, want 1", n)
	}
}

func TestTwoAdministratorsCannotBothLoseTheirLastPasskey(t *testing.T) {
	t.Parallel()
	db := open(t)
	var users []*latchkey.User
	var keys []*latchkey.Passkey
	for _, name := range []string{"alice", "bob"} {
		u, p := person(t, db, name, latchkey.RoleAdmin)
		if err := db.InTx(t.Context(), func(tx *storage.Tx) error { _, err := tx.NewRecoveryCodes(t.Context(), u.ID); return err }); err != nil {
			t.Fatal(err)
		}
		users, keys = append(users, u), append(keys, p)
	}
	errs := parallel(2, func(i int) error {
		return db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.RemovePasskey(t.Context(), users[i].ID, keys[i].ID, true) })
	})
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("removals answered %v, want one refusal", errs)
	}
}

// parallel runs f n times at the same moment.
func parallel(n int, f func(int) error) []error {
	errs := make([]error, n)
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-gate
			errs[i] = f(i)
		})
	}
	close(gate)
	all.Wait()
	return errs
}
