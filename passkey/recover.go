package passkey

import (
	"context"
	"errors"
	"net/http"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// RedeemIn is a recovery code with its person's name, or the token of a
// recovery link.
type RedeemIn struct {
	Body struct {
		Username string `json:"username,omitempty" maxLength:"254" doc:"Or verified e-mail address"`
		Code     string `json:"code,omitempty" maxLength:"64"`
		Token    string `json:"token,omitempty" maxLength:"128"`
	}
}

// RedeemOut is the recovery session that follows.
type RedeemOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Session    *SessionOut `json:"session"`
		RedirectTo string      `json:"redirect_to"`
	}
}

// Redeem serves POST /api/v1/recovery/redeem. Whatever is wrong, the answer and
// the work are the same. What follows a success is a session of 15 minutes that
// can make a passkey and nothing else.
func (s *Service) Redeem(ctx context.Context, in *RedeemIn) (*RedeemOut, error) {
	_, key, _ := storage.CleanUsername(in.Body.Username)
	if err := s.allow(ctx, limitRecovery, key); err != nil {
		return nil, err
	}
	pre, cookies := s.sessions.EnsurePre(ctx)
	started, rawToken, err := s.redeem(ctx, in, pre)
	if err != nil {
		if p := (*latchkey.Problem)(nil); errors.As(err, &p) {
			err = refusal(errRedeem(), p.Code, err)
		}
		return nil, s.record(ctx, latchkey.RecoveryRefused, purposeRecover, subject{}, err)
	}
	out := &RedeemOut{SetCookie: append(cookies, s.sessions.Cookie(rawToken))}
	out.Body.Session, out.Body.RedirectTo = sessionOut(started), "/recover"
	return out, nil
}

func errRedeem() *latchkey.Problem {
	return latchkey.Refuse(latchkey.ErrUnauthorized, "verification_failed",
		"That did not work. Check the username and the code; each code works once.")
}

func (s *Service) redeem(ctx context.Context, in *RedeemIn, pre string) (started *latchkey.Session, rawToken string, err error) {
	if in.Body.Token != "" {
		link, err := s.db.OpenLink(ctx, latchkey.LinkRecover, in.Body.Token, pre)
		if err != nil {
			return nil, "", err
		}
		// Not used up yet: until the passkey is made, the same browser may come
		// back with it.
		err = s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
			started, rawToken, err = tx.StartRecovery(ctx, link.UserID, "link")
			return err
		})
		return started, rawToken, err
	}
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		userID, err := tx.RedeemCode(ctx, in.Body.Username, in.Body.Code)
		if errors.Is(err, latchkey.ErrNotFound) {
			return latchkey.Refuse(latchkey.ErrUnauthorized, "wrong_code", "")
		}
		if err != nil {
			return err
		}
		started, rawToken, err = tx.StartRecovery(ctx, userID, "code")
		return err
	})
	return started, rawToken, err
}

// LogoutOut is what follows signing out.
type LogoutOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		RedirectTo string `json:"redirect_to"`
	}
}

// Logout serves POST /api/v1/session/logout. Without a session it only clears
// the cookie.
func (s *Service) Logout(ctx context.Context, _ *struct{}) (*LogoutOut, error) {
	if current := session.AnyFrom(ctx); current != nil {
		err := s.db.InTx(ctx, func(tx *storage.Tx) error {
			_, err := tx.EndSessions(ctx, storage.Ending{Cause: storage.SignedOut, UserID: current.UserID, SessionID: current.ID})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out := &LogoutOut{SetCookie: s.sessions.EndCookies(ctx)}
	out.Body.RedirectTo = "/login"
	return out, nil
}
