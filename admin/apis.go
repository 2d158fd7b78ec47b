package admin

import (
	"context"
	"time"

	"latchkey"
	"latchkey/storage"
)

// APIOut is an API as commands print it.
type APIOut struct {
	ID                string          `json:"id"`
	Resource          string          `json:"resource"`
	Name              string          `json:"name"`
	ClientID          *string         `json:"client_id"`           // who serves it; null = nobody
	AccessTokenFormat *string         `json:"access_token_format"` // null = the application's
	AccessTokenTTL    *int64          `json:"access_token_ttl"`    // seconds; null = the application's
	Permissions       []PermissionOut `json:"permissions"`
	Clients           int             `json:"clients"`
	CreatedAt         time.Time       `json:"created_at"`
	UpdatedAt         time.Time       `json:"updated_at"`
}

// PermissionOut is a permission as commands print it.
type PermissionOut struct {
	Scope       string `json:"scope"`
	Description string `json:"description"`
	Advertised  bool   `json:"advertised"`
}

// APIAccessOut is what an application may have of an API, as commands print it.
type APIAccessOut struct {
	APIID       string   `json:"api_id"`
	ClientID    string   `json:"client_id"`
	People      bool     `json:"people"`
	Permissions []string `json:"permissions"` // of tokens for people
	Itself      bool     `json:"itself"`
	Own         []string `json:"itself_permissions"` // of tokens by client_credentials
}

// APIOutOf spells one out.
func APIOutOf(a *latchkey.API) APIOut {
	out := APIOut{ID: a.ID, Resource: a.Resource, Name: a.Name, ClientID: orNull(a.ClientID), AccessTokenFormat: orNull(a.AccessTokenFormat),
		AccessTokenTTL: orNull(int64(a.AccessTokenTTL / time.Second)), Permissions: []PermissionOut{}, Clients: a.Clients, CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC()}
	for _, p := range a.Permissions {
		out.Permissions = append(out.Permissions, PermissionOut(p))
	}
	return out
}

// APIAccessOutOf spells one out.
func APIAccessOutOf(x latchkey.APIAccess) APIAccessOut {
	return APIAccessOut{APIID: x.APIID, ClientID: x.ClientID, People: x.People, Permissions: append([]string{}, x.ForUsers...),
		Itself: x.Itself, Own: append([]string{}, x.ForSelf...)}
}

// ListAPIs lists APIs by resource.
func (s *Service) ListAPIs(ctx context.Context, q storage.APIQuery) (*storage.APIPage, error) {
	return s.db.APIs(ctx, q)
}

// FindAPI returns the API that somebody names by id or resource.
func (s *Service) FindAPI(ctx context.Context, name string) (*latchkey.API, error) {
	return s.db.ResolveAPI(ctx, name)
}

// CreateAPI registers an API that no application may use yet. Problems:
// validation_failed with resource, name, client_id, permissions,
// access_token_format and access_token_ttl; api_exists.
func (s *Service) CreateAPI(ctx context.Context, a *latchkey.API) error {
	if err := s.checkAPI(a); err != nil {
		return err
	}
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.CreateAPI(ctx, a) })
}

// checkAPI refuses, besides what is wrong with any API, our own name: tokens for
// latchkey itself are not for registering.
func (s *Service) checkAPI(a *latchkey.API) error {
	if err := a.Check(); err != nil {
		return err
	}
	if a.Resource == s.issuer {
		return latchkey.InvalidFields(map[string]string{"resource": "This is latchkey itself: every application gets tokens for it."})
	}
	return nil
}

// UpdateAPI makes an API what next says, but for its resource; next.Version is
// the one that was read. Problems: those of CreateAPI, not_found, conflict.
func (s *Service) UpdateAPI(ctx context.Context, next *latchkey.API) error {
	if err := s.checkAPI(next); err != nil {
		return err
	}
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.UpdateAPI(ctx, next) })
}

// DeleteAPI deletes an API by id, and with it what applications may have of it.
func (s *Service) DeleteAPI(ctx context.Context, id string) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.DeleteAPI(ctx, id) })
}

// APIAccess lists which applications may get tokens for an API.
func (s *Service) APIAccess(ctx context.Context, id string) ([]latchkey.APIAccess, error) {
	return s.db.APIAccess(ctx, id)
}

// AllowAPI makes x all that an application may have of an API, and returns what
// that is. Problems: not_found, validation_failed with permissions and itself.
func (s *Service) AllowAPI(ctx context.Context, x latchkey.APIAccess) (is latchkey.APIAccess, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		if err := tx.AllowAPI(ctx, x); err != nil {
			return err
		}
		all, err := tx.APIAccess(ctx, x.APIID)
		for _, one := range all {
			if one.ClientID == x.ClientID {
				is = one
			}
		}
		return err
	})
	return is, err
}

// DenyAPI takes an API from an application.
func (s *Service) DenyAPI(ctx context.Context, apiID, clientID string) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.DenyAPI(ctx, apiID, clientID) })
}
