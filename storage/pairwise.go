package storage

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"

	"latchkey"
)

// settingPairwise holds the key of pairwise subjects, sealed. It is made when the
// first one is needed and never changes: with another one, every application
// with pairwise subjects would take everybody for somebody new.
const settingPairwise = "pairwise_key"

const pairwiseKeySize = 32 // bytes

// pairwiseLock is the advisory lock of whoever makes the key.
const pairwiseLock = 0x70616972 // "pair"

// pairwiseKey is the key once it was read.
type pairwiseKey struct {
	mu  sync.Mutex
	key []byte
}

// PairwiseSubject is the subject by which the applications of a sector know the
// person whose own one is subject (OpenID Connect Core §8.1): HMAC-SHA-256 by a
// key that stays in the house, so that nobody can tell from two of them that they
// are one person.
func (db *DB) PairwiseSubject(ctx context.Context, sector, subject string) (string, error) {
	key, err := db.pairwiseKey(ctx)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(sector + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

func (db *DB) pairwiseKey(ctx context.Context) ([]byte, error) {
	db.pairwise.mu.Lock()
	defer db.pairwise.mu.Unlock()
	if db.pairwise.key != nil {
		return db.pairwise.key, nil
	}
	key, err := db.readPairwiseKey(ctx)
	if err == nil && key == nil {
		err = db.InTx(ctx, func(tx *Tx) (err error) {
			key, err = tx.makePairwiseKey(ctx)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	db.pairwise.key = key
	return key, nil
}

// readPairwiseKey returns nil when there is none yet.
func (qs *queries) readPairwiseKey(ctx context.Context) ([]byte, error) {
	var sealed []byte
	found, err := qs.Setting(ctx, settingPairwise, &sealed)
	if err != nil || !found {
		return nil, err
	}
	return qs.open("settings", "value", settingPairwise, "", sealed)
}

// makePairwiseKey makes the key; of two nodes at once, the second gets that of
// the first.
func (tx *Tx) makePairwiseKey(ctx context.Context) ([]byte, error) {
	if _, err := exec(ctx, tx.tx, `SELECT pg_advisory_xact_lock(@lock)`, args{"lock": pairwiseLock}); err != nil {
		return nil, fmt.Errorf("lock the key of pairwise subjects: %w", err)
	}
	key, err := tx.readPairwiseKey(ctx)
	if err != nil || key != nil {
		return key, err
	}
	key = make([]byte, pairwiseKeySize)
	_, _ = rand.Read(key) // never fails: it ends the program instead
	sealed, err := tx.seal("settings", "value", settingPairwise, "", key)
	if err != nil {
		return nil, fmt.Errorf("seal the key of pairwise subjects: %w", err)
	}
	return key, tx.PutSetting(latchkey.WithActor(ctx, latchkey.Actor{Kind: latchkey.ActorSystem}), settingPairwise, sealed)
}
