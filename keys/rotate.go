package keys

import (
	"context"
	"fmt"
	"slices"
	"time"

	"latchkey"
	"latchkey/storage"
)

// Age is how long a key signs before its successor is announced (SECURITY:
// rotation 90 d, the announcement of 24 h included).
const Age = 89 * 24 * time.Hour

// longestToken is the longest life that settings and applications give a token.
const longestToken = 24 * time.Hour

// linger is how long a key that signs no more stays published: until the last
// token under it has ended, and the last session whose ID tokens may come back
// as hints; then a day more.
func (r *Ring) linger() time.Duration { return max(longestToken, r.sessionMaxAge) + 24*time.Hour }

// openingLinger is how long a key that left the JWKS opens what is still
// encrypted to it: applications keep key sets, and nothing tells them that one
// they encrypt to is old.
const openingLinger = 30 * 24 * time.Hour

// ever is longer than any key is old.
const ever = 100 * 365 * 24 * time.Hour

// Ensure makes the keys that are missing, once for all nodes, and loads them.
func (r *Ring) Ensure(ctx context.Context) error {
	if err := r.Load(ctx); err != nil {
		return err
	}
	var missing []string
	for _, alg := range latchkey.SigningAlgs() {
		if _, err := r.active(alg); err != nil {
			missing = append(missing, alg)
		}
	}
	for _, alg := range latchkey.DecryptionAlgs() {
		if !r.opens(alg) {
			missing = append(missing, alg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	made, err := generateAll(ctx, missing)
	if err != nil {
		return err
	}
	for _, key := range made {
		if err := r.add(ctx, key, storage.KeyIfMissing, ever); err != nil {
			return err
		}
	}
	return r.Load(ctx)
}

// add stores one key in a transaction of its own.
func (r *Ring) add(ctx context.Context, key *generated, start storage.KeyStart, age time.Duration) error {
	return r.db.InTx(ctx, func(tx *storage.Tx) error { return r.store(ctx, tx, key, start, age) })
}

func (r *Ring) store(ctx context.Context, tx *storage.Tx, key *generated, start storage.KeyStart, age time.Duration) error {
	if slices.Contains(latchkey.DecryptionAlgs(), key.alg) {
		_, err := tx.AddEncryptionKey(ctx, key.encryption(), age, openingLinger)
		return err
	}
	signing, err := key.signing()
	if err != nil {
		return err
	}
	_, err = tx.AddSigningKey(ctx, signing, start, r.linger())
	return err
}

// Rotate makes a new key of each of algs, all or none. They are announced for
// 24 h before they sign; with atOnce they sign at once, and all other keys of
// the algorithm retire. A key to encrypt to takes its place at once. While a
// successor is announced already, the error is a Problem of kind ErrConflict.
func (r *Ring) Rotate(ctx context.Context, algs []string, atOnce bool) error {
	made, err := generateAll(ctx, algs)
	if err != nil {
		return err
	}
	start := storage.KeyAnnounce
	if atOnce {
		start = storage.KeyNow
	}
	err = r.db.InTx(ctx, func(tx *storage.Tx) error {
		for _, key := range made {
			if err := r.store(ctx, tx, key, start, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.Load(ctx)
}

// Retire takes a key out of the JWKS at once; what it signed is refused from
// then on. The key that signs is refused with ErrConflict.
func (r *Ring) Retire(ctx context.Context, kid string) error {
	err := r.db.InTx(ctx, func(tx *storage.Tx) error { return tx.RetireSigningKey(ctx, kid) })
	if err != nil {
		return err
	}
	return r.Load(ctx)
}

// List returns the published keys without their private halves, by algorithm.
func (r *Ring) List(ctx context.Context) ([]latchkey.SigningKey, error) {
	rows, err := r.db.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].PrivateKey = nil
	}
	slices.SortStableFunc(rows, func(a, b latchkey.SigningKey) int {
		return slices.Index(latchkey.SigningAlgs(), a.Alg) - slices.Index(latchkey.SigningAlgs(), b.Alg)
	})
	return rows, nil
}

// Maintain announces the successor of each key that is old enough, and replaces
// those that others encrypt to. Every node may call it at any time: the database
// lets one of them act.
func (r *Ring) Maintain(ctx context.Context) error {
	ctx = latchkey.WithActor(ctx, latchkey.Actor{Kind: latchkey.ActorSystem})
	rows, err := r.db.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range rows {
		old := k.State == latchkey.StateActive && k.RetireAt.IsZero() && r.now().Sub(k.ActivateAt) > Age
		if !old {
			continue
		}
		if err := r.Rotate(ctx, []string{k.Alg}, false); err != nil && latchkey.CodeOf(err) != "rotation_pending" {
			return fmt.Errorf("announce the next %s key: %w", k.Alg, err)
		}
	}
	return r.replaceOld(ctx)
}

// replaceOld replaces the published keys to encrypt to that are old enough.
func (r *Ring) replaceOld(ctx context.Context) error {
	rows, err := r.db.EncryptionKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range rows {
		if !k.RetireAt.IsZero() || r.now().Sub(k.CreatedAt) <= Age {
			continue
		}
		made, err := generate(k.Alg)
		if err != nil {
			return err
		}
		if err := r.add(ctx, made, storage.KeyIfMissing, Age); err != nil {
			return fmt.Errorf("replace the %s key: %w", k.Alg, err)
		}
		if err := r.Load(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Follow reloads the ring when another node changed the keys, or when time did,
// until ctx ends: it looks every 2 s, so that a key made elsewhere is published
// here within 5 s, and one whose end has come is not published any more.
func (r *Ring) Follow(ctx context.Context, report func(error)) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		version, fresh := r.db.Version(storage.CacheSigningKeys)
		if v := r.current.Load(); fresh && version == v.version && (v.next.IsZero() || r.now().Before(v.next)) {
			continue
		}
		if err := r.Load(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
	}
}
