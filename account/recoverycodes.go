package account

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// RecoveryCodesOut tells how many recovery codes are left, never which.
type RecoveryCodesOut struct {
	Body struct {
		Remaining  int        `json:"remaining"`
		Total      int        `json:"total"`
		CreatedAt  *time.Time `json:"created_at" doc:"null: none were made"`
		LastUsedAt *time.Time `json:"last_used_at" doc:"null: none was used"`
	}
}

// RecoveryCodes serves GET /api/v1/me/recovery-codes.
func (s *Service) RecoveryCodes(ctx context.Context, _ *struct{}) (*RecoveryCodesOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	codes, err := s.db.RecoveryCodes(ctx, owner.UserID)
	if err != nil {
		return nil, err
	}
	out := &RecoveryCodesOut{}
	out.Body.Remaining, out.Body.Total = codes.Left, codes.Total
	out.Body.CreatedAt, out.Body.LastUsedAt = orNull(codes.MadeAt), orNull(codes.LastUsedAt)
	return out, nil
}

// NewRecoveryCodesOut has the new codes, which are shown nowhere again.
type NewRecoveryCodesOut struct {
	Body struct {
		Codes []string `json:"codes" doc:"Eight of them, XXXX-XXXX-XXXX-XXXX; the old ones ended"`
	}
}

// NewRecoveryCodes serves POST /api/v1/me/recovery-codes.
func (s *Service) NewRecoveryCodes(ctx context.Context, _ *struct{}) (*NewRecoveryCodesOut, error) {
	owner, err := session.RequireFresh(ctx)
	if err != nil {
		return nil, err
	}
	out := &NewRecoveryCodesOut{}
	out.Body.Codes, err = s.newCodes(ctx, owner.UserID)
	return out, err
}

func (s *Service) newCodes(ctx context.Context, userID string) (codes []string, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		codes, err = tx.NewRecoveryCodes(ctx, userID)
		return err
	})
	return codes, err
}

// RecoveryCodesPage serves GET /account/recovery-codes. The page that shows new
// codes leads here with ?saved=yes.
func (s *Service) RecoveryCodesPage(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	codes, err := s.db.RecoveryCodes(ctx, owner.UserID)
	if err != nil {
		return err
	}
	said := ""
	if c.Query("saved") == "yes" {
		said = "Your new codes work from now on. The old ones stopped working."
	}
	return s.show(c, http.StatusOK, templates.AccountRecovery{Base: base(owner, said), Codes: codesLeft(codes, s.now())})
}

// NewRecoveryCodesForm serves POST /account/recovery-codes. The codes exist in
// this answer only, so it is the page itself and no redirect to one.
func (s *Service) NewRecoveryCodesForm(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.RequireFresh(ctx)
	if err != nil {
		return err
	}
	codes, err := s.newCodes(ctx, owner.UserID)
	if err != nil {
		return err
	}
	return s.show(c, http.StatusOK, templates.RecoveryCodes{
		Base: base(owner, "You have new recovery codes."), Codes: codes, Username: owner.Username,
		Made: templates.Date(s.now()), Next: "/account/recovery-codes",
	})
}

func codesLeft(codes latchkey.RecoveryCodes, now time.Time) templates.RecoveryState {
	state := templates.RecoveryState{Left: codes.Left, Total: codes.Total}
	if !codes.MadeAt.IsZero() {
		state.Made = templates.At(codes.MadeAt, now)
	}
	if !codes.LastUsedAt.IsZero() {
		state.LastUsed = templates.At(codes.LastUsedAt, now)
	}
	return state
}
