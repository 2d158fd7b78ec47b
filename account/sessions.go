package account

import (
	"context"
	"net/http"
	"time"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// Session is one browser in which the person is signed in.
type Session struct {
	ID            string               `json:"id"`
	Kind          latchkey.SessionKind `json:"kind" enum:"full,recovery"`
	Current       bool                 `json:"current" doc:"Whether it is the session of this request"`
	AuthTime      time.Time            `json:"auth_time" doc:"When the passkey was last used in it"`
	CreatedAt     time.Time            `json:"created_at"`
	LastActivity  time.Time            `json:"last_activity"`
	IdleExpiresAt time.Time            `json:"idle_expires_at" doc:"When it ends without use"`
	ExpiresAt     time.Time            `json:"expires_at"`
	IPAddress     string               `json:"ip_address" doc:"Where it was started"`
	UserAgent     string               `json:"user_agent" doc:"Family and system of the browser"`
	ACR           string               `json:"acr"`
	AMR           []string             `json:"amr"`
	PasskeyID     *string              `json:"passkey_id" doc:"The passkey that made it; null: a recovery"`
}

// SessionsOut is the person's live sessions, the last used first.
type SessionsOut struct{ Body List[Session] }

// Sessions serves GET /api/v1/me/sessions.
func (s *Service) Sessions(ctx context.Context, _ *struct{}) (*SessionsOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	live, err := s.db.Sessions(ctx, owner.UserID)
	if err != nil {
		return nil, err
	}
	out := &SessionsOut{Body: List[Session]{Items: []Session{}}}
	for _, l := range live {
		item := Session{
			ID: l.ID, Kind: l.Kind, Current: l.ID == owner.ID, AuthTime: l.AuthTime, CreatedAt: l.CreatedAt,
			LastActivity: l.LastActivity, IdleExpiresAt: l.IdleExpiresAt, ExpiresAt: l.ExpiresAt,
			IPAddress: l.Address, UserAgent: l.UserAgent, ACR: l.ACR, AMR: append([]string{}, l.AMR...),
		}
		if l.CredentialID != "" {
			item.PasskeyID = &l.CredentialID
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	return out, nil
}

// EndedOut takes the cookie along when this browser's own session ended.
type EndedOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

// EndSession serves DELETE /api/v1/me/sessions/{id}: as signing out there.
func (s *Service) EndSession(ctx context.Context, in *OneIn) (*EndedOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.endSession(ctx, owner.UserID, in.ID); err != nil {
		return nil, err
	}
	return s.ended(ctx, in.ID == owner.ID), nil
}

// EndSessionsIn says which sessions end.
type EndSessionsIn struct {
	Except string `query:"except" enum:"current" doc:"current: this session and what it gave applications stay"`
}

// EndSessions serves DELETE /api/v1/me/sessions: signs out everywhere, from
// applications too, also from those that may act while the person is away.
func (s *Service) EndSessions(ctx context.Context, in *EndSessionsIn) (*EndedOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	except := ""
	if in.Except == "current" {
		except = owner.ID
	}
	if err := s.endSessions(ctx, owner.UserID, except); err != nil {
		return nil, err
	}
	return s.ended(ctx, except == ""), nil
}

func (s *Service) ended(ctx context.Context, own bool) *EndedOut {
	if !own {
		return &EndedOut{}
	}
	return &EndedOut{SetCookie: s.sessions.EndCookies(ctx)}
}

// endSession ends one session of a person. One that is not there or somebody
// else's ends nothing and is ErrNotFound.
func (s *Service) endSession(ctx context.Context, userID, id string) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error {
		counts, err := tx.EndSessions(ctx, storage.Ending{Cause: storage.SignedOut, UserID: userID, SessionID: id})
		if err == nil && counts.Sessions == 0 {
			return latchkey.ErrNotFound
		}
		return err
	})
}

// endSessions ends all sessions of a person but one; "" spares none.
func (s *Service) endSessions(ctx context.Context, userID, except string) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error {
		_, err := tx.EndSessions(ctx, storage.Ending{Cause: storage.SignedOutAll, UserID: userID, Except: except})
		return err
	})
}
