package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"latchkey"
)

const credentialColumns = `
	c.id, c.user_id, c.credential_id, c.credential_public_key, c.attestation_type, c.attestation, c.aaguid::text,
	c.sign_count, c.transports, c.backup_eligible, c.backup_state, c.user_verified, c.device_name, c.rp_id,
	c.metadata, c.clone_warning_at, c.created_at, c.last_used_at`

// sealedPasskey is a row of credentials as it stands.
type sealedPasskey struct {
	latchkey.Passkey
	publicKey, attestation, metadata []byte
}

func (s *sealedPasskey) targets() []any {
	return []any{
		&s.ID, &s.UserID, &s.CredentialID, &s.publicKey, &s.AttestationType, &s.attestation, &s.AAGUID,
		&s.SignCount, &s.Transports, &s.BackupEligible, &s.BackupState, &s.UserVerified, &s.DeviceName, &s.RPID,
		&s.metadata, orZero{&s.CloneWarningAt}, orZero{&s.CreatedAt}, orZero{&s.LastUsedAt},
	}
}

// orZero scans a nullable time; null is the zero time.
type orZero struct{ t *time.Time }

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (o orZero) ScanTimestamptz(v pgtype.Timestamptz) error {
	*o.t = time.Time{}
	if v.Valid {
		*o.t = v.Time.UTC()
	}
	return nil
}

// openPasskey opens the sealed columns of a row.
func (qs *queries) openPasskey(s *sealedPasskey) (*latchkey.Passkey, error) {
	p := s.Passkey
	var err error
	if p.PublicKey, err = qs.open("credentials", "credential_public_key", p.ID, p.UserID, s.publicKey); err != nil {
		return nil, fmt.Errorf("open the public key of passkey %s: %w", p.ID, err)
	}
	if s.attestation != nil {
		if p.Attestation, err = qs.open("credentials", "attestation", p.ID, p.UserID, s.attestation); err != nil {
			return nil, fmt.Errorf("open the attestation of passkey %s: %w", p.ID, err)
		}
	}
	metadata, err := qs.open("credentials", "metadata", p.ID, p.UserID, s.metadata)
	if err != nil {
		return nil, fmt.Errorf("open the metadata of passkey %s: %w", p.ID, err)
	}
	if err := json.Unmarshal(metadata, &p.Metadata); err != nil {
		return nil, fmt.Errorf("read the metadata of passkey %s: %w", p.ID, err)
	}
	return &p, nil
}

// Passkeys returns a person's passkeys, the last used first.
func (qs *queries) Passkeys(ctx context.Context, userID string) ([]*latchkey.Passkey, error) {
	var rows []*sealedPasskey
	err := qs.do(ctx, func(q querier) (err error) {
		rows, err = list(ctx, q, `
			SELECT `+credentialColumns+`
			FROM credentials c
			WHERE c.user_id = @user
			ORDER BY coalesce(c.last_used_at, c.created_at) DESC, c.id`,
			args{"user": userID}, func(row pgx.CollectableRow) (*sealedPasskey, error) {
				s := &sealedPasskey{}
				return s, row.Scan(s.targets()...)
			})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	passkeys := make([]*latchkey.Passkey, 0, len(rows))
	for _, s := range rows {
		p, err := qs.openPasskey(s)
		if err != nil {
			return nil, err
		}
		passkeys = append(passkeys, p)
	}
	return passkeys, nil
}

// FindPasskey returns a passkey of one person by our id, or ErrNotFound: also
// when it is somebody else's.
func (qs *queries) FindPasskey(ctx context.Context, userID, id string) (*latchkey.Passkey, error) {
	if _, err := uuid.Parse(id); err != nil {
		return nil, latchkey.ErrNotFound
	}
	s := &sealedPasskey{}
	err := qs.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `SELECT `+credentialColumns+` FROM credentials c WHERE c.id = @id AND c.user_id = @user`,
			args{"id": id, "user": userID},
			func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, row.Scan(s.targets()...) })
		return err
	})
	if err != nil {
		return nil, wrapFind(err, "find a passkey")
	}
	return qs.openPasskey(s)
}

// Owner is a passkey with the person it belongs to. Of the person, counts and
// groups are not filled.
type Owner struct {
	Passkey       *latchkey.Passkey
	User          *latchkey.User
	CredentialIDs [][]byte // of all the person's passkeys with the same RP ID
}

// PasskeyOwner returns the passkey with a credential id and its person, in one
// look, or ErrNotFound. Nothing of it is proven: the id is the browser's claim.
func (qs *queries) PasskeyOwner(ctx context.Context, claimedCredentialID []byte) (*Owner, error) {
	s, u, o := &sealedPasskey{}, &latchkey.User{}, &Owner{}
	err := qs.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			SELECT `+credentialColumns+`, u.id, u.subject, u.webauthn_handle, u.username, u.display_name, u.role, u.status,
			       ARRAY(SELECT a.credential_id FROM credentials a WHERE a.user_id = c.user_id AND a.rp_id = c.rp_id ORDER BY a.id)
			FROM credentials c JOIN users u ON u.id = c.user_id
			WHERE c.credential_id = @id`,
			args{"id": claimedCredentialID},
			func(row pgx.CollectableRow) (struct{}, error) {
				return struct{}{}, row.Scan(append(s.targets(),
					&u.ID, &u.Subject, &u.WebAuthnHandle, &u.Username, &u.DisplayName, &u.Role, &u.Status, &o.CredentialIDs)...)
			})
		return err
	})
	if err != nil {
		return nil, wrapFind(err, "look up a credential")
	}
	o.User = u
	o.Passkey, err = qs.openPasskey(s)
	return o, err
}

// AddPasskey stores a passkey and records passkey.registered. ID is made when
// empty. A credential id that anybody has is the problem credential_exists.
func (tx *Tx) AddPasskey(ctx context.Context, p *latchkey.Passkey) error {
	if p.ID == "" {
		p.ID = newID()
	}
	a, err := tx.passkeyArgs(p)
	if err != nil {
		return err
	}
	err = tx.do(ctx, func(q querier) error {
		created, err := one(ctx, q, `
			INSERT INTO credentials (id, user_id, credential_id, credential_public_key, attestation_type, attestation, aaguid,
			                         sign_count, transports, backup_eligible, backup_state, user_verified, device_name, rp_id, metadata)
			VALUES (@id, @user, @credential, @key, @attestation_type, @attestation, @aaguid,
			        @count, @transports, @eligible, @backed_up, @verified, @name, @rp_id, @metadata)
			RETURNING created_at`, a, pgx.RowTo[time.Time])
		p.CreatedAt = created.UTC()
		return err
	})
	if violates(err, "credentials_credential_id_key") {
		return latchkey.Refuse(latchkey.ErrConflict, "credential_exists", "This device already has a passkey for an account here.")
	}
	if err != nil {
		return fmt.Errorf("store a passkey: %w", err)
	}
	return tx.Record(ctx, latchkey.Event{
		Kind: latchkey.PasskeyRegistered, Subject: p.UserID, PasskeyID: p.ID,
		Detail:   map[string]any{"aaguid": p.AAGUID, "backup_eligible": p.BackupEligible, "attestation": p.AttestationType},
		Personal: map[string]string{"device_name": p.DeviceName},
	})
}

func (tx *Tx) passkeyArgs(p *latchkey.Passkey) (args, error) {
	key, err := tx.seal("credentials", "credential_public_key", p.ID, p.UserID, p.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("seal a public key: %w", err)
	}
	var attestation []byte
	if len(p.Attestation) > 0 {
		if attestation, err = tx.seal("credentials", "attestation", p.ID, p.UserID, p.Attestation); err != nil {
			return nil, fmt.Errorf("seal an attestation: %w", err)
		}
	}
	raw, err := json.Marshal(p.Metadata)
	if err != nil {
		return nil, fmt.Errorf("write the metadata of a passkey: %w", err)
	}
	metadata, err := tx.seal("credentials", "metadata", p.ID, p.UserID, raw)
	if err != nil {
		return nil, fmt.Errorf("seal the metadata of a passkey: %w", err)
	}
	transports := p.Transports
	if transports == nil {
		transports = []string{}
	}
	return args{
		"id": p.ID, "user": p.UserID, "credential": p.CredentialID, "key": key,
		"attestation_type": p.AttestationType, "attestation": attestation, "aaguid": p.AAGUID,
		"count": int64(p.SignCount), "transports": transports, "eligible": p.BackupEligible, "backed_up": p.BackupState,
		"verified": p.UserVerified, "name": p.DeviceName, "rp_id": p.RPID, "metadata": metadata,
	}, nil
}

// RenamePasskey gives a person's passkey another name (CleanName) and records
// it. Somebody else's is ErrNotFound.
func (db *DB) RenamePasskey(ctx context.Context, userID, id, name string) error {
	if _, err := uuid.Parse(id); err != nil {
		return latchkey.ErrNotFound
	}
	a := args{"id": id, "user": userID, "name": name}
	if err := db.addEvent(ctx, a, "ev", latchkey.Event{
		Kind: latchkey.PasskeyRenamed, Subject: userID, PasskeyID: id, Personal: map[string]string{"device_name": name},
	}); err != nil {
		return err
	}
	err := db.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			WITH renamed AS (
				UPDATE credentials SET device_name = @name WHERE id = @id AND user_id = @user RETURNING id
			), ev AS (`+eventSelect("ev", "renamed")+`)
			SELECT id FROM renamed`, a, pgx.RowTo[string])
		return err
	})
	return wrapFind(err, "rename a passkey")
}

// RemovalState is what decides about the removal of one of a person's passkeys,
// for pages that ask first. RemovePasskey judges again, under the locks.
func (qs *queries) RemovalState(ctx context.Context, userID string) (latchkey.RemovalState, error) {
	var state latchkey.RemovalState
	err := qs.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			SELECT (SELECT count(*) FROM credentials WHERE user_id = u.id),
			       (SELECT count(*) FROM recovery_codes WHERE user_id = u.id AND used_at IS NULL),
			       u.role = 'admin' AND NOT `+anotherAdmin+`
			FROM users u WHERE u.id = @id`, args{"id": userID},
			func(row pgx.CollectableRow) (struct{}, error) {
				return struct{}{}, row.Scan(&state.Passkeys, &state.RecoveryCodes, &state.OnlyAdmin)
			})
		return err
	})
	return state, wrapFind(err, "judge the removal of a passkey")
}

// RemovePasskey deletes a person's passkey, ends the sessions made with it and
// records it. It refuses the last one (latchkey.MayRemovePasskey) under the
// owner's row lock, so that two parallel removals cannot take both. Somebody
// else's is ErrNotFound.
func (tx *Tx) RemovePasskey(ctx context.Context, userID, id string, confirmed bool) error {
	owner, err := tx.lockUser(ctx, userID)
	if err != nil {
		return err
	}
	passkey, err := tx.FindPasskey(ctx, userID, id)
	if err != nil {
		return err
	}
	onlyAdmin, err := tx.OnlyAdmin(ctx, owner)
	if err != nil {
		return err
	}
	err = latchkey.MayRemovePasskey(latchkey.RemovalState{
		Passkeys: owner.Passkeys, RecoveryCodes: owner.RecoveryCodesLeft, OnlyAdmin: onlyAdmin, Confirmed: confirmed,
	})
	if err != nil {
		return err
	}
	if _, err := tx.EndSessions(ctx, Ending{Cause: PasskeyRemoved, UserID: userID, CredentialID: id}); err != nil {
		return err
	}
	err = tx.do(ctx, func(q querier) error {
		_, err := exec(ctx, q, `DELETE FROM credentials WHERE id = @id AND user_id = @user`, args{"id": id, "user": userID})
		return err
	})
	if err != nil {
		return fmt.Errorf("delete a passkey: %w", err)
	}
	return tx.Record(ctx, latchkey.Event{
		Kind: latchkey.PasskeyDeleted, Subject: userID, PasskeyID: id,
		Personal: map[string]string{"device_name": passkey.DeviceName},
	})
}
