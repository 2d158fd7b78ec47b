package account

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// What the list of passkeys says after a change. The address carries the code,
// never the words.
var passkeysSay = map[string]string{
	"added":     "Passkey added. Give it a name that you know it by.",
	"renamed":   "The passkey has its new name.",
	"deleted":   "The passkey was deleted. It can no longer sign you in.",
	"recovered": "You are back in, and everything else is signed out. Delete the passkeys that you no longer have.",
}

// passkeysList is one look at the list: what was done, and the form that is
// open.
type passkeysList struct {
	done  string // code of passkeysSay
	open  string // id of the passkey whose form is open
	typed string // a refused name
	wrong string // what is wrong with it
}

// PasskeysPage serves GET /account/passkeys. ?rename=ID opens a form where no
// script does, ?added=ID the one of a new passkey, ?done=CODE says what was done.
func (s *Service) PasskeysPage(c *gin.Context) error {
	look := passkeysList{done: c.Query("done"), open: c.Query("rename")}
	if id := c.Query("added"); id != "" {
		look.done, look.open = "added", id
	}
	return s.showPasskeys(c, http.StatusOK, look)
}

func (s *Service) showPasskeys(c *gin.Context, status int, look passkeysList) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	held, err := s.db.Passkeys(ctx, owner.UserID)
	if err != nil {
		return err
	}
	codes, err := s.db.RecoveryCodes(ctx, owner.UserID)
	if err != nil {
		return err
	}
	now, opened := s.now(), false
	page := templates.AccountPasskeys{Codes: codesLeft(codes, now)}
	for _, p := range held {
		item := templates.PasskeyItem{
			ID: p.ID, Name: p.DeviceName, Kind: templates.PasskeyIcon(p), Provider: latchkey.Provider(p.AAGUID), Synced: p.BackupEligible,
			Current: p.ID == owner.CredentialID, Created: templates.At(p.CreatedAt, now), LastUsed: templates.At(p.LastUsedAt, now),
		}
		if p.ID == look.open {
			item.Open, item.Typed, item.Error, opened = true, look.typed, look.wrong, true
		}
		page.Items = append(page.Items, item)
	}
	switch {
	case look.wrong != "" && !opened:
		return latchkey.ErrNotFound // what was named wrongly is not theirs
	case look.done == "added" && !opened:
		look.done = ""
	}
	page.Base = base(owner, passkeysSay[look.done])
	if look.wrong != "" {
		page.Alert = &templates.Alert{Code: "validation_failed"}
	}
	if page.Status != "" && look.done != "renamed" {
		if page.Signals, err = s.signalsText(c, owner.UserID); err != nil {
			return err
		}
	}
	return s.show(c, status, page)
}

// signalsText is what the page hands to the browser's passkey manager.
func (s *Service) signalsText(c *gin.Context, userID string) (string, error) {
	signals, err := s.signals(c.Request.Context(), userID)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(signals)
	if err != nil {
		return "", fmt.Errorf("write signals: %w", err)
	}
	return string(text), nil
}

// RenamePasskeyForm serves POST /account/passkeys/{id}/rename.
func (s *Service) RenamePasskeyForm(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	id, typed := c.Param("id"), c.Request.PostForm.Get("name")
	name, ok := storage.CleanName(typed, storage.MaxDeviceName)
	if !ok {
		return s.showPasskeys(c, http.StatusUnprocessableEntity, passkeysList{open: id, typed: typed, wrong: wrongName})
	}
	if err := s.db.RenamePasskey(ctx, owner.UserID, id, name); err != nil {
		return err
	}
	return redirect(c, "/account/passkeys?done=renamed")
}

// RemovePasskeyPage serves GET /account/passkeys/{id}/remove: the question, or
// why it is not asked.
func (s *Service) RemovePasskeyPage(c *gin.Context) error {
	return s.askRemoval(c, http.StatusOK)
}

// RemovePasskeyForm serves POST /account/passkeys/{id}/remove.
func (s *Service) RemovePasskeyForm(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.RequireFresh(ctx)
	if err != nil {
		return err
	}
	id, typed := c.Param("id"), strings.TrimSpace(c.Request.PostForm.Get("confirm"))
	err = s.removePasskey(ctx, owner.UserID, id, strings.EqualFold(typed, owner.Username))
	switch {
	case latchkey.CodeOf(err) == "last_passkey":
		return s.askRemoval(c, http.StatusConflict)
	case err != nil:
		return err
	case id == owner.CredentialID:
		return s.signedOut(c, "passkey-deleted")
	}
	return redirect(c, "/account/passkeys?done=deleted")
}

// askRemoval shows the question again and again until it is answered in full.
func (s *Service) askRemoval(c *gin.Context, status int) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	p, err := s.db.FindPasskey(ctx, owner.UserID, c.Param("id"))
	if err != nil {
		return err
	}
	state, err := s.db.RemovalState(ctx, owner.UserID)
	if err != nil {
		return err
	}
	page := templates.AccountPasskeyRemove{Base: base(owner, ""), ID: p.ID, Name: p.DeviceName, Current: p.ID == owner.CredentialID}
	if p.BackupEligible {
		page.Where = latchkey.Provider(p.AAGUID)
	}
	if page.Refused = whyKept(state); page.Refused == "" && state.Passkeys == 1 {
		page.Typed = owner.Username
	}
	switch asked := status == http.StatusConflict; {
	case asked && page.Refused != "":
		page.Alert = &templates.Alert{Code: "last_passkey", Text: page.Refused}
	case asked && page.Typed != "":
		page.Alert, page.Error = &templates.Alert{Code: "validation_failed"}, "This is not your username. Nothing was deleted."
	}
	return s.show(c, status, page)
}

// whyKept says why a passkey cannot be deleted, even if its owner confirms; ""
// = it can.
func whyKept(state latchkey.RemovalState) string {
	state.Confirmed = true
	switch {
	case latchkey.MayRemovePasskey(state) == nil:
		return ""
	case state.OnlyAdmin:
		return "This is your only passkey, and you are the only administrator: nobody could let you in again. Add another passkey first."
	}
	return "This is your only passkey, and you have no recovery codes. Add another passkey first."
}
