package storage

import (
	"context"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const purposeRecoveryCode seal.Purpose = "recovery code"

// RecoveryCodeCount is how many codes a person gets at once.
const RecoveryCodeCount = 8

const recoveryCodeBytes = 10 // 80 bits, 16 characters of base32

// NewRecoveryCodes makes a person's recovery codes, ends the old ones and
// records recovery.codes_made. The codes exist only in the answer, as
// XXXX-XXXX-XXXX-XXXX.
func (tx *Tx) NewRecoveryCodes(ctx context.Context, userID string) ([]string, error) {
	codes := make([]string, RecoveryCodeCount)
	b := &pgx.Batch{}
	// The person's lock: of two parallel calls, one set of codes stays.
	b.Queue(`SELECT id FROM users WHERE id = @user FOR NO KEY UPDATE`, args{"user": userID})
	b.Queue(`DELETE FROM recovery_codes WHERE user_id = @user`, args{"user": userID})
	for i := range codes {
		code := base32.StdEncoding.EncodeToString(randomBytes(recoveryCodeBytes))
		codes[i] = code[0:4] + "-" + code[4:8] + "-" + code[8:12] + "-" + code[12:16]
		b.Queue(`INSERT INTO recovery_codes (id, user_id, code_hash) VALUES (@id, @user, @hash)`,
			args{"id": newID(), "user": userID, "hash": tx.ring.Hash(purposeRecoveryCode, code)})
	}
	err := tx.queueEvent(ctx, b, latchkey.Event{
		Kind: latchkey.RecoveryCodesMade, Subject: userID, Detail: map[string]any{"codes": RecoveryCodeCount},
	})
	if err != nil {
		return nil, err
	}
	err = tx.do(ctx, func(q querier) error { return send(ctx, q, b) })
	if err != nil {
		return nil, fmt.Errorf("make recovery codes: %w", err)
	}
	return codes, nil
}

// RecoveryCodes tells how a person stands with their codes.
func (qs *queries) RecoveryCodes(ctx context.Context, userID string) (latchkey.RecoveryCodes, error) {
	var codes latchkey.RecoveryCodes
	err := qs.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			SELECT count(*) FILTER (WHERE used_at IS NULL), count(*), max(created_at), max(used_at)
			FROM recovery_codes WHERE user_id = @user`,
			args{"user": userID}, func(row pgx.CollectableRow) (struct{}, error) {
				return struct{}{}, row.Scan(&codes.Left, &codes.Total, orZero{&codes.MadeAt}, orZero{&codes.LastUsedAt})
			})
		return err
	})
	if err != nil {
		return latchkey.RecoveryCodes{}, fmt.Errorf("count recovery codes: %w", err)
	}
	return codes, nil
}

// plainCode is a recovery code as it was made, from how somebody typed it.
func plainCode(typed string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\u2010' || r == '\u2011' {
			return -1
		}
		return r
	}, strings.TrimSpace(typed)))
}

// RedeemCode spends one recovery code of the active person with that username
// or verified e-mail and returns the person's id, or ErrNotFound, whatever is
// wrong: the work is the same for an unknown name, a wrong code and a used one.
func (tx *Tx) RedeemCode(ctx context.Context, name, typedCode string) (userID string, err error) {
	key, _ := usernameKey(name) // an impossible name is an empty key, which nobody has
	hashes := tx.ring.HashAll(purposeRecoveryCode, plainCode(typedCode))
	err = tx.do(ctx, func(q querier) error {
		userID, err = one(ctx, q, `
			WITH person AS (
				SELECT id FROM users
				WHERE status = 'active'
				  AND (username_key = @key OR (email_verified_at IS NOT NULL AND lower(email) COLLATE "C" = lower(@email)))
			)
			UPDATE recovery_codes c SET used_at = now()
			FROM person
			WHERE c.user_id = person.id AND c.code_hash = ANY(@hashes) AND c.used_at IS NULL
			RETURNING c.user_id`,
			args{"key": key, "email": strings.TrimSpace(name), "hashes": hashes}, pgx.RowTo[string])
		return err
	})
	return userID, wrapFind(err, "spend a recovery code")
}

// StartRecovery ends all sessions and tokens of a person who proved a recovery
// code or link, and begins the session that can only make a passkey. via is
// "code" or "link".
func (tx *Tx) StartRecovery(ctx context.Context, userID, via string) (*latchkey.Session, string, error) {
	if _, err := tx.EndSessions(ctx, Ending{Cause: Recovered, UserID: userID}); err != nil {
		return nil, "", err
	}
	s := &latchkey.Session{UserID: userID, Kind: latchkey.SessionRecovery}
	rawToken, err := tx.StartSession(ctx, s, SessionTimes{Idle: RecoverySessionTTL, Max: RecoverySessionTTL})
	if err != nil {
		return nil, "", err
	}
	err = tx.Record(ctx, latchkey.Event{
		Kind: latchkey.RecoveryStarted, Subject: userID, SessionID: s.ID, Detail: map[string]any{"via": via},
	})
	return s, rawToken, err
}
