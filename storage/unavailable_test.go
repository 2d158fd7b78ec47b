package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"latchkey"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// TestPassingErrors: what the database says of its own state is no fault of the
// statement, and the caller may try again.
func TestPassingErrors(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	for _, c := range []struct {
		name, code string
		passing    bool
	}{
		{"connection failure", "08006", true},
		{"read-only, the old primary of a failover", "25006", true},
		{"serialization failure", "40001", true},
		{"deadlock", "40P01", true},
		{"disk full", "53100", true},
		{"too many connections", "53300", true},
		{"lock timeout", "55P03", true},
		{"statement timeout", "57014", true},
		{"shutdown", "57P01", true},
		{"starting up", "57P03", true},
		{"I/O error", "58030", true},
		{"a duplicate", "23505", false},
		{"an unknown column", "42703", false},
		{"a bug of the database", "XX000", false},
	} {
		storagetest.SQL(t, db.URL(), `
			CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '`+c.code+`'; END $$`)
		storagetest.SQL(t, db.URL(), `CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON audit_pending EXECUTE FUNCTION refuse()`)
		err := db.Record(t.Context(), latchkey.Event{Kind: latchkey.AdminDenied})
		if err == nil || errors.Is(err, latchkey.ErrUnavailable) != c.passing {
			t.Errorf("%s (%s): %v, want unavailable=%v", c.name, c.code, err, c.passing)
		}
	}
}

// TestIdleTransactionIsUnavailable: a transaction that slept too long was ended
// by the database, with all that it did.
func TestIdleTransactionIsUnavailable(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t) + " idle_in_transaction_session_timeout=100"
	db := storagetest.Connect(t, url)
	err := db.InTx(t.Context(), func(tx *storage.Tx) error {
		if err := tx.Record(t.Context(), latchkey.Event{Kind: latchkey.AdminDenied}); err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
		return tx.Record(t.Context(), latchkey.Event{Kind: latchkey.AdminDenied})
	})
	if !errors.Is(err, latchkey.ErrUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if n := storagetest.Value[int64](t, url, `SELECT count(*) FROM audit_pending`); n != 0 {
		t.Errorf("%d events were kept", n)
	}
}

// TestADatabaseThatSaysNothing: a statement that gets no answer ends, whatever
// way it is sent, although nobody else gave it a time.
func TestADatabaseThatSaysNothing(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t) + " statement_timeout=0" // it would answer in a minute
	storagetest.SQL(t, url, `CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN new; END $$`)
	for _, table := range []string{"audit_pending", "challenges"} {
		storagetest.SQL(t, url, `CREATE TRIGGER hang BEFORE INSERT ON `+table+` EXECUTE FUNCTION hang()`)
	}
	for name, ask := range map[string]func(context.Context, *storage.DB) error{
		"a statement": func(ctx context.Context, db *storage.DB) error {
			return db.Record(ctx, latchkey.Event{Kind: latchkey.AdminDenied})
		},
		"a transaction": func(ctx context.Context, db *storage.DB) error {
			return db.InTx(ctx, func(tx *storage.Tx) error {
				return tx.Record(ctx, latchkey.Event{Kind: latchkey.AdminDenied})
			})
		},
		"a batch": func(ctx context.Context, db *storage.DB) error {
			_, _, err := db.PutChallenge(ctx, storage.Challenge{Type: "authentication", Purpose: "login", Binding: "mine"}, time.Minute)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storagetest.Connect(t, url)
			began := time.Now()
			err := ask(t.Context(), db)
			if !errors.Is(err, latchkey.ErrUnavailable) {
				t.Errorf("got %v, want unavailable", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if err := db.Ping(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
