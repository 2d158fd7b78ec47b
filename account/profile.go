package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// What the profile says after a change.
var profileSays = map[string]string{
	"saved": "Your profile was saved.",
	"same":  "Nothing was different.",
}

// ProfilePage serves GET /account/profile.
func (s *Service) ProfilePage(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	u, err := s.db.FindUser(ctx, owner.UserID)
	if err != nil {
		return err
	}
	return s.showProfile(c, http.StatusOK, base(owner, profileSays[c.Query("done")]), u, templates.ProfileFormOf(u, false))
}

func (s *Service) showProfile(c *gin.Context, status int, base templates.Base, u *latchkey.User, form templates.ProfileForm) error {
	email := "None. Your administrator can add one."
	switch {
	case u.Email != "" && u.EmailVerifiedAt.IsZero():
		email = u.Email + ", not verified: applications do not learn of it"
	case u.Email != "":
		email = u.Email + ", verified"
	}
	return s.show(c, status, templates.AccountProfile{Base: base, Form: form,
		Facts: []templates.Fact{{Name: "Username", Value: u.Username}, {Name: "E-mail", Value: email}}})
}

// ProfileForm serves POST /account/profile. What is refused comes back as it was
// typed; so does what somebody else was faster with.
func (s *Service) ProfileForm(c *gin.Context) error {
	ctx, form := c.Request.Context(), c.Request.PostForm
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	change := storage.UserChange{Claims: templates.ProfileClaims(form, false)}
	if change.Version, err = strconv.ParseInt(form.Get("version"), 10, 64); err != nil {
		change.Version = -1 // no profile that was shown: it is shown now
	}
	_, changed, err := s.change(ctx, owner.UserID, change)
	switch p := (*latchkey.Problem)(nil); {
	case err == nil && len(changed) == 0:
		return redirect(c, "/account/profile?done=same")
	case err == nil:
		return redirect(c, "/account/profile?done=saved")
	case errors.As(err, &p) && (len(p.Fields) > 0 || p.Code == "conflict"):
		return s.showRefused(c, owner, form, p)
	}
	return err
}

// showRefused shows what was typed, with what is wrong with it. What was typed on
// an older profile may be saved again, on top of the newer one.
func (s *Service) showRefused(c *gin.Context, owner *latchkey.Session, typed url.Values, p *latchkey.Problem) error {
	u, err := s.db.FindUser(c.Request.Context(), owner.UserID)
	if err != nil {
		return err
	}
	form, page := templates.ProfileTyped(typed, p.Fields, false), base(owner, "")
	page.Alert = &templates.Alert{Code: p.Code}
	status := p.Status
	if p.Code == "conflict" {
		status, form.Version = http.StatusConflict, strconv.FormatInt(u.Version, 10)
		page.Alert.Title = "Your profile was changed meanwhile"
		page.Alert.Text = "What you typed is still here, and not saved. Save again to put it in the place of what is stored by now."
	}
	verified, _ := u.Claim(latchkey.ClaimPhoneVerified)
	form.Checked, _ = verified.(bool)
	return s.showProfile(c, status, page, u, form)
}

func (s *Service) change(ctx context.Context, userID string, change storage.UserChange) (u *latchkey.User, changed []string, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		u, changed, err = tx.ChangeUser(ctx, userID, change)
		return err
	})
	return u, changed, err
}

// UpdateMeIn is what a person changes about themselves.
type UpdateMeIn struct {
	IfMatch string `header:"If-Match" doc:"The ETag of what was read; refused with 412 when it is older"`
	Body    struct {
		DisplayName *string        `json:"display_name,omitempty" doc:"1 to 128 characters"`
		Claims      map[string]any `json:"claims,omitempty" doc:"Claims of OpenID Connect by name, such as given_name, birthdate or address; null takes one away, what is not named stays. address is replaced whole."`
	}
}

// UpdateMe serves PATCH /api/v1/me.
func (s *Service) UpdateMe(ctx context.Context, in *UpdateMeIn) (*MeOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	change := storage.UserChange{Claims: map[string]any{}}
	if in.IfMatch != "" && in.IfMatch != "*" {
		change.Version, err = strconv.ParseInt(strings.Trim(in.IfMatch, `"`), 10, 64)
		if err != nil || change.Version < 1 || in.IfMatch != etag(change.Version) {
			return nil, stale()
		}
	}
	for name, value := range in.Body.Claims {
		if name == latchkey.ClaimName {
			return nil, latchkey.InvalidFields(map[string]string{"claims.name": "The name is set as display_name."})
		}
		change.Claims[name] = value
	}
	if in.Body.DisplayName != nil {
		change.Claims[latchkey.ClaimName] = *in.Body.DisplayName
	}
	u, _, err := s.change(ctx, owner.UserID, change)
	switch p := (*latchkey.Problem)(nil); {
	case latchkey.CodeOf(err) == "conflict":
		return nil, stale()
	case errors.As(err, &p) && len(p.Fields) > 0:
		return nil, latchkey.InvalidFields(membersOf(p.Fields))
	case err != nil:
		return nil, err
	}
	return meOf(u, owner), nil
}

// membersOf names fields as the members of the body.
func membersOf(fields map[string]string) map[string]string {
	members := map[string]string{}
	for name, what := range fields {
		member := "claims." + name
		if name == latchkey.ClaimName {
			member = "display_name"
		}
		members[member] = what
	}
	return members
}

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

// stale is the answer to an If-Match that names an older state (RFC 9110
// §13.1.1).
func stale() error {
	return &latchkey.Problem{Kind: latchkey.ErrConflict, Code: "conflict", Status: http.StatusPreconditionFailed,
		Message: "Something changed in the meantime. Look again and retry."}
}
