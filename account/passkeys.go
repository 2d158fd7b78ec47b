package account

import (
	"context"
	"net/http"
	"time"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// Passkey is one passkey of the person as the API tells of it. ID is ours; the
// credential id stays in ceremonies and signals.
type Passkey struct {
	ID          string     `json:"id"`
	DeviceName  string     `json:"device_name"`
	AAGUID      string     `json:"aaguid"`
	Provider    string     `json:"provider" doc:"Software or key that keeps it, as far as known; a claim, for display"`
	Synced      bool       `json:"synced" doc:"Whether it may be on several devices"`
	BackupState bool       `json:"backup_state" doc:"Whether it was backed up when it was last used"`
	Transports  []string   `json:"transports"`
	CreatedAt   time.Time  `json:"created_at"`
	LastUsedAt  *time.Time `json:"last_used_at" doc:"null: made, but not used since"`
	Current     bool       `json:"current" doc:"Whether it was used for this session"`
}

func passkeyOf(p *latchkey.Passkey, owner *latchkey.Session) Passkey {
	return Passkey{
		ID: p.ID, DeviceName: p.DeviceName, AAGUID: p.AAGUID, Provider: latchkey.Provider(p.AAGUID),
		Synced: p.BackupEligible, BackupState: p.BackupState, Transports: append([]string{}, p.Transports...),
		CreatedAt: p.CreatedAt, LastUsedAt: orNull(p.LastUsedAt), Current: p.ID == owner.CredentialID,
	}
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// List is an answer with several things. What one person has is never so much
// that it needs a second page.
type List[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"Always null"`
}

// PasskeysOut is the person's passkeys, the last used first.
type PasskeysOut struct{ Body List[Passkey] }

// Passkeys serves GET /api/v1/me/passkeys.
func (s *Service) Passkeys(ctx context.Context, _ *struct{}) (*PasskeysOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	held, err := s.db.Passkeys(ctx, owner.UserID)
	if err != nil {
		return nil, err
	}
	out := &PasskeysOut{Body: List[Passkey]{Items: []Passkey{}}}
	for _, p := range held {
		out.Body.Items = append(out.Body.Items, passkeyOf(p, owner))
	}
	return out, nil
}

// RenameIn is the new name of a passkey.
type RenameIn struct {
	ID   string `path:"id"`
	Body struct {
		DeviceName string `json:"device_name" doc:"1 to 64 characters"`
	}
}

// PasskeyOut is one passkey.
type PasskeyOut struct{ Body Passkey }

// RenamePasskey serves PATCH /api/v1/me/passkeys/{id}.
func (s *Service) RenamePasskey(ctx context.Context, in *RenameIn) (*PasskeyOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	// Whose it is comes first: what is wrong with the name of somebody else's
	// passkey is nobody's business.
	found, err := s.db.FindPasskey(ctx, owner.UserID, in.ID)
	if err != nil {
		return nil, err
	}
	name, ok := storage.CleanName(in.Body.DeviceName, storage.MaxDeviceName)
	if !ok {
		return nil, latchkey.InvalidFields(map[string]string{"device_name": wrongName})
	}
	if err := s.db.RenamePasskey(ctx, owner.UserID, in.ID, name); err != nil {
		return nil, err
	}
	found.DeviceName = name
	return &PasskeyOut{Body: passkeyOf(found, owner)}, nil
}

const wrongName = "Enter a name of 1 to 64 characters."

// OneIn names one thing of the person's.
type OneIn struct {
	ID string `path:"id"`
}

// RemovedOut is what the browser should know after a passkey went.
type RemovedOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Signals *latchkey.Signals `json:"signals,omitempty"`
	}
}

// RemovePasskey serves DELETE /api/v1/me/passkeys/{id}. The last one is not
// removed here: that takes the page, which has it confirmed in writing.
func (s *Service) RemovePasskey(ctx context.Context, in *OneIn) (*RemovedOut, error) {
	owner, err := session.RequireFresh(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.removePasskey(ctx, owner.UserID, in.ID, false); err != nil {
		return nil, err
	}
	out := &RemovedOut{}
	if out.Body.Signals, err = s.signals(ctx, owner.UserID); err != nil {
		return nil, err
	}
	if in.ID == owner.CredentialID {
		out.SetCookie = s.sessions.EndCookies(ctx)
	}
	return out, nil
}

func (s *Service) removePasskey(ctx context.Context, userID, id string, confirmed bool) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.RemovePasskey(ctx, userID, id, confirmed) })
}

// signals are what the browser's passkey manager has to know after the person's
// list changed.
func (s *Service) signals(ctx context.Context, userID string) (*latchkey.Signals, error) {
	owner, err := s.db.FindUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	held, err := s.db.Passkeys(ctx, userID)
	if err != nil {
		return nil, err
	}
	return latchkey.SignalsFor(s.rpID, owner, latchkey.CredentialIDs(s.rpID, held)), nil
}
