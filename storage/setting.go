package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// settingRPID holds the relying party id of WebAuthn, frozen at set-up: with
// another one every passkey would be lost.
const settingRPID = "rp_id"

// Setting reads the value of key into value; found is false when it was never
// set.
func (qs *queries) Setting(ctx context.Context, key string, value any) (found bool, err error) {
	var raw []byte
	err = qs.do(ctx, func(q querier) error {
		raw, err = one(ctx, q, `SELECT value FROM settings WHERE key = @key`, args{"key": key}, pgx.RowTo[[]byte])
		return err
	})
	if err == latchkey.ErrNotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read setting %s: %w", key, err)
	}
	if err := json.Unmarshal(raw, value); err != nil {
		return false, fmt.Errorf("read setting %s: %w", key, err)
	}
	return true, nil
}

// PutSetting sets key to value, records settings.changed and tells the caches.
func (tx *Tx) PutSetting(ctx context.Context, key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write setting %s: %w", key, err)
	}
	b := &pgx.Batch{}
	b.Queue(`
		INSERT INTO settings (key, value) VALUES (@key, @value)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = settings.version + 1, updated_at = now()`,
		args{"key": key, "value": raw})
	b.Queue(`UPDATE cache_version SET version = version + 1 WHERE name = 'settings'`)
	if err := tx.queueEvent(ctx, b, latchkey.Event{Kind: latchkey.SettingsChanged, Detail: map[string]any{"key": key}}); err != nil {
		return err
	}
	return tx.do(ctx, func(q querier) error {
		if err := send(ctx, q, b); err != nil {
			return fmt.Errorf("write setting %s: %w", key, err)
		}
		return nil
	})
}

// FrozenRPID returns the relying party id that set-up froze, or "" before.
func (qs *queries) FrozenRPID(ctx context.Context) (rpID string, err error) {
	_, err = qs.Setting(ctx, settingRPID, &rpID)
	return rpID, err
}

// FreezeRPID keeps the relying party id for good.
func (tx *Tx) FreezeRPID(ctx context.Context, rpID string) error {
	return tx.PutSetting(ctx, settingRPID, rpID)
}
