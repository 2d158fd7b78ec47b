package account

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// App is an application that may use the account.
type App struct {
	ClientID   string     `json:"client_id"`
	Name       string     `json:"name"`
	ClientURI  string     `json:"client_uri"`
	FirstParty bool       `json:"first_party" doc:"Provided by an administrator: it was not asked for, and cannot be removed"`
	Scopes     []string   `json:"scopes"`
	Claims     []string   `json:"claims" doc:"Claims by name that it may read beyond what the scopes give"`
	GrantedAt  *time.Time `json:"granted_at" doc:"null: there is no consent to take back"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"null: nothing that it was given lives"`
}

// AppsOut is the person's applications, by name.
type AppsOut struct{ Body List[App] }

// Apps serves GET /api/v1/me/apps.
func (s *Service) Apps(ctx context.Context, _ *struct{}) (*AppsOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	apps, err := s.db.Apps(ctx, owner.UserID)
	if err != nil {
		return nil, err
	}
	out := &AppsOut{Body: List[App]{Items: []App{}}}
	for _, a := range apps {
		out.Body.Items = append(out.Body.Items, App{
			ClientID: a.ClientID, Name: a.Name, ClientURI: a.URI, FirstParty: a.FirstParty, Scopes: append([]string{}, a.Scopes...), Claims: append([]string{}, a.Claims...),
			GrantedAt: orNull(a.AllowedAt), LastUsedAt: orNull(a.UsedAt),
		})
	}
	return out, nil
}

// AppIn names an application.
type AppIn struct {
	ClientID string `path:"client_id"`
}

// RemoveApp serves DELETE /api/v1/me/apps/{client_id}: takes the consent back
// and ends all that was issued under it.
func (s *Service) RemoveApp(ctx context.Context, in *AppIn) (*struct{}, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.removeApp(ctx, owner.UserID, in.ClientID)
}

func (s *Service) removeApp(ctx context.Context, userID, clientID string) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.WithdrawConsent(ctx, userID, clientID) })
}

// What the list of applications says after a change.
var appsSay = map[string]string{
	"removed": "The application was removed. Its access has ended.",
}

// AppsPage serves GET /account/apps.
func (s *Service) AppsPage(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	apps, err := s.db.Apps(ctx, owner.UserID)
	if err != nil {
		return err
	}
	now := s.now()
	page := templates.AccountApps{Base: base(owner, appsSay[c.Query("done")])}
	for _, a := range apps {
		item := appItem(a, now)
		if a.AllowedAt.IsZero() {
			page.Provided = append(page.Provided, item)
		} else {
			page.Items = append(page.Items, item)
		}
	}
	return s.show(c, http.StatusOK, page)
}

func appItem(a latchkey.AppUse, now time.Time) templates.AppItem {
	item := templates.AppItem{
		ClientID: a.ClientID, Name: a.Name, Can: latchkey.ScopeSentences(a.Scopes, a.Claims...),
		Stays: slices.Contains(a.Scopes, "offline_access"), Used: templates.At(a.UsedAt, now),
	}
	if !a.AllowedAt.IsZero() {
		item.Allowed = templates.At(a.AllowedAt, now)
	}
	if u, err := url.Parse(a.URI); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		item.Host, item.URL = u.Host, a.URI
	} else if len(a.RedirectURIs) > 0 {
		item.Host = hostOf(a.RedirectURIs[0])
	}
	return item
}

// hostOf is where an application gets its answers, as people recognise it: a
// host, or the scheme of a native application.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return u.Scheme
	}
	return u.Host
}

// RemoveAppForm serves POST /account/apps/{client_id}/remove.
func (s *Service) RemoveAppForm(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	if err := s.removeApp(ctx, owner.UserID, c.Param("client_id")); err != nil {
		return err
	}
	return redirect(c, "/account/apps?done=removed")
}
