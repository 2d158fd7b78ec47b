package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/templates"
)

// What the page of keys says after a change.
var keysSay = map[string]string{
	"announced": "A new key is published. It signs in a day.",
	"rotated":   "A new key signs from now on.",
	"retired":   "The key is not published any more. What it signed is refused.",
}

// KeysPage serves GET /admin/keys.
func (s *Service) KeysPage(c *gin.Context) error {
	published, err := s.Keys(c.Request.Context())
	if err != nil {
		return err
	}
	page := templates.AdminKeys{Base: s.said(c, keysSay)}
	for _, alg := range latchkey.SigningAlgs() {
		group := templates.KeyGroup{Alg: alg}
		for _, k := range published {
			if k.Alg == alg {
				s.addKey(&group, &k)
			}
		}
		page.Groups = append(page.Groups, group)
	}
	return s.show(c, http.StatusOK, page)
}

func (s *Service) addKey(group *templates.KeyGroup, k *KeyOut) {
	now := s.now()
	item := templates.KeyItem{KID: k.KID, From: templates.At(k.ActivateAt, now), MayGo: k.State != latchkey.StateActive}
	switch k.State {
	case latchkey.StateAnnounced:
		item.State, group.Announced = "Signs later", true
	case latchkey.StateActive:
		item.State = "Signs"
	default:
		item.State = "Signs no more"
	}
	if k.RetireAt != nil {
		item.Until = templates.At(*k.RetireAt, now)
	}
	if k.DeleteAt != nil {
		item.Gone = templates.At(*k.DeleteAt, now)
	}
	group.Keys = append(group.Keys, item)
	if k.NotFetchedBy == nil {
		return
	}
	group.New = true
	for _, r := range k.NotFetchedBy {
		group.Waiting = append(group.Waiting, templates.KeyReaderItem{ID: r.ClientID, Name: r.ClientName,
			Text: r.Text(), Called: templates.At(r.CalledAt, now), Fetched: templates.At(timeOf(r.FetchedAt), now)})
	}
}

// Text says how far a reader has come.
func (r *KeyReaderOut) Text() string {
	text := fmt.Sprintf("%d of %d places have it", r.Fetched, r.Callers)
	if r.Perhaps > 0 {
		text += fmt.Sprintf(", %d perhaps", r.Perhaps)
	}
	return text
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// RotatePage serves GET /admin/keys/{alg}/rotate, and with ?now=yes the question
// about signing at once.
func (s *Service) RotatePage(c *gin.Context) error {
	return s.askRotation(c, http.StatusOK, c.Query("now") == "yes", nil)
}

func (s *Service) askRotation(c *gin.Context, status int, now bool, refused *latchkey.Problem) error {
	alg := c.Param("key")
	if !slices.Contains(latchkey.SigningAlgs(), alg) {
		return latchkey.ErrNotFound
	}
	page := templates.AdminConfirm{
		Base: s.base(c), Nav: "keys", Back: "/admin/keys", BackLabel: "Signing keys", Keep: "Not now",
		Title: "A new key for " + alg + "?", Button: "Make a new key", Action: "/admin/keys/" + alg + "/rotate",
		Text: "It is published at once and signs in a day, so that applications find it in time. The present key signs until then, and stays published until what it signed is over.",
	}
	if now {
		page.Title, page.Button, page.Action = "Sign with a new "+alg+" key at once?", "Sign with a new key", page.Action+"-now"
		page.Text = "Applications that keep the key set for up to an hour may refuse tokens until they fetch it again. Do this when the present key may have leaked."
	}
	if refused != nil {
		page.Alert, page.Refused = alertOf(refused), refused.Message
	}
	return s.show(c, status, page)
}

// RotateForm serves POST /admin/keys/{alg}/rotate.
func (s *Service) RotateForm(c *gin.Context) error { return s.rotate(c, false) }

// RotateNowForm serves POST /admin/keys/{alg}/rotate-now.
func (s *Service) RotateNowForm(c *gin.Context) error { return s.rotate(c, true) }

func (s *Service) rotate(c *gin.Context, now bool) error {
	if !slices.Contains(latchkey.SigningAlgs(), c.Param("key")) {
		return latchkey.ErrNotFound
	}
	_, err := s.RotateKeys(c.Request.Context(), c.Param("key"), now)
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) && p.Kind == latchkey.ErrConflict {
		return s.askRotation(c, statusOf(p), now, p)
	}
	if err != nil {
		return err
	}
	if now {
		return redirect(c, "/admin/keys?done=rotated")
	}
	return redirect(c, "/admin/keys?done=announced")
}

// RetirePage serves GET /admin/keys/{kid}/retire: the question.
func (s *Service) RetirePage(c *gin.Context) error { return s.askRetirement(c, http.StatusOK, nil) }

func (s *Service) askRetirement(c *gin.Context, status int, refused *latchkey.Problem) error {
	published, err := s.Keys(c.Request.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(published, func(k KeyOut) bool { return k.KID == c.Param("key") })
	if i < 0 {
		return latchkey.ErrNotFound
	}
	k := &published[i]
	page := templates.AdminConfirm{
		Base: s.base(c), Nav: "keys", Back: "/admin/keys", BackLabel: "Signing keys", Keep: "Keep it",
		Title: "Take this " + k.Alg + " key out?", Button: "Take key out", Action: "/admin/keys/" + url.PathEscape(k.KID) + "/retire",
		Text: "Key " + k.KID + ". Whatever it signed is refused from now on, here and by applications once they fetch the key set again.",
	}
	switch k.State {
	case latchkey.StateAnnounced:
		page.Text = "Key " + k.KID + " has not signed anything yet. The present key goes on signing."
	case latchkey.StateActive:
		page.Refused = "This key signs now. Sign with a new one at once first, then take it out."
	}
	if refused != nil {
		page.Alert, page.Refused = alertOf(refused), refused.Message
	}
	return s.show(c, status, page)
}

// RetireForm serves POST /admin/keys/{kid}/retire.
func (s *Service) RetireForm(c *gin.Context) error {
	_, err := s.RetireKey(c.Request.Context(), c.Param("key"))
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) && p.Kind == latchkey.ErrConflict {
		return s.askRetirement(c, statusOf(p), p)
	}
	if err != nil {
		return err
	}
	return redirect(c, "/admin/keys?done=retired")
}
