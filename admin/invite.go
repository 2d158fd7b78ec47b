package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey"
	"latchkey/storage"
)

// How long links live.
const (
	InviteTTL     = 7 * 24 * time.Hour // unless somebody says otherwise
	minInviteTTL  = 24 * time.Hour
	maxInviteTTL  = 30 * 24 * time.Hour
	RecoverTTL    = time.Hour // unless somebody says otherwise
	minRecoverTTL = 15 * time.Minute
	maxRecoverTTL = 24 * time.Hour
)

// Invitation is what is known of a person who is to be invited. All of it may
// be empty: the person chooses the rest.
type Invitation struct {
	Email       string // counts as verified when the person keeps it
	Username    string
	DisplayName string
	Groups      []string      // names, in whatever case
	Role        latchkey.Role // "" = RoleUser
	TTL         time.Duration // 1 to 30 days; 0 = InviteTTL
}

// Handout is a one-time link with its address, which exists only in the answer
// that makes it.
type Handout struct {
	Link *latchkey.Link
	URL  string
}

// Invite makes a link that works once and lets one person make an account.
// Problems: validation_failed with fields email, username, display_name, group,
// role and ttl; username_taken and email_taken; sign_up_off.
func (s *Service) Invite(ctx context.Context, in Invitation) (*Handout, error) {
	if s.noInvites {
		return nil, latchkey.SignUpOff()
	}
	l := &latchkey.Link{Purpose: latchkey.LinkInvite, CreatedBy: latchkey.ActorFrom(ctx).UserID}
	ttl, wrong := in.clean(&l.Invite)
	var token string
	err := s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		if l.Invite.Groups, err = groupNames(ctx, tx, in.Groups, wrong); err != nil {
			return err
		}
		if len(wrong) > 0 {
			return latchkey.InvalidFields(wrong)
		}
		if err := nobodyHas(ctx, tx, &l.Invite); err != nil {
			return err
		}
		if l.CreatedBy != "" {
			maker, err := tx.FindUser(ctx, l.CreatedBy)
			if err != nil {
				return err
			}
			l.Invite.InvitedBy = maker.DisplayName
		}
		token, err = tx.CreateLink(ctx, l, ttl)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Handout{Link: l, URL: s.issuer + "/invite#token=" + token}, nil
}

// clean fills an invitation with what was typed, and says which fields are
// wrong.
func (in *Invitation) clean(out *latchkey.Invite) (ttl time.Duration, wrong map[string]string) {
	wrong = map[string]string{}
	var ok bool
	if in.Email != "" {
		if out.Email, ok = storage.CleanEmail(in.Email); !ok {
			wrong["email"] = "Enter an e-mail address like name@example.com, or leave it empty."
		}
	}
	if in.Username != "" {
		if out.Username, _, ok = storage.CleanUsername(in.Username); !ok {
			wrong["username"] = "Use 1 to 64 letters, digits, dots, dashes or underscores, without spaces and without @."
		}
	}
	if in.DisplayName != "" {
		if out.DisplayName, ok = storage.CleanName(in.DisplayName, storage.MaxDisplayName); !ok {
			wrong["display_name"] = "Use 1 to 128 characters, without hidden ones."
		}
	}
	out.Role = in.Role
	if out.Role == "" {
		out.Role = latchkey.RoleUser
	}
	if !out.Role.Known() {
		wrong["role"] = "There are the roles user and admin."
	}
	ttl = in.TTL
	if ttl == 0 {
		ttl = InviteTTL
	}
	if ttl < minInviteTTL || ttl > maxInviteTTL {
		wrong["ttl"] = "An invitation lives for 1 to 30 days."
	}
	return ttl, wrong
}

// groupNames turns names of groups as typed into the names that they have.
func groupNames(ctx context.Context, tx *storage.Tx, typed []string, wrong map[string]string) (names []string, err error) {
	for _, name := range typed {
		g, err := tx.ResolveGroup(ctx, name)
		if errors.Is(err, latchkey.ErrNotFound) {
			wrong["group"] = fmt.Sprintf("There is no group %q.", name)
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	return names, nil
}

// nobodyHas refuses a username or verified address that somebody has: the
// person who opens the link could do nothing about it.
func nobodyHas(ctx context.Context, tx *storage.Tx, in *latchkey.Invite) error {
	for _, look := range []struct {
		value, field, code, message string
		find                        func(context.Context, string) (*latchkey.User, error)
	}{
		{in.Username, "username", "username_taken", "That username is taken.", tx.FindUserByUsername},
		{in.Email, "email", "email_taken", "Somebody here has this e-mail address.", tx.FindUserByEmail},
	} {
		if look.value == "" {
			continue
		}
		_, err := look.find(ctx, look.value)
		if err == nil {
			p := latchkey.Refuse(latchkey.ErrConflict, look.code, look.message)
			p.Fields = map[string]string{look.field: look.message}
			return p
		}
		if !errors.Is(err, latchkey.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Invitations lists those that were not used and still work, the newest first.
func (s *Service) Invitations(ctx context.Context) ([]*latchkey.Link, error) {
	return s.db.Invitations(ctx)
}

// WithdrawInvitation ends an open invitation.
func (s *Service) WithdrawInvitation(ctx context.Context, id string) error {
	err := s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.WithdrawInvitation(ctx, id) })
	if errors.Is(err, latchkey.ErrNotFound) {
		return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such open invitation: it was used, withdrawn or has expired.")
	}
	return err
}

// Recover makes a link that lets a person make a new passkey; earlier ones of
// theirs end. ttl is 15 minutes to 24 hours, 0 = RecoverTTL.
func (s *Service) Recover(ctx context.Context, userID string, ttl time.Duration) (*Handout, error) {
	if ttl == 0 {
		ttl = RecoverTTL
	}
	if ttl < minRecoverTTL || ttl > maxRecoverTTL {
		return nil, latchkey.InvalidFields(map[string]string{"ttl": "A recovery link lives for 15 minutes to 24 hours."})
	}
	var l *latchkey.Link
	var token string
	err := s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		l, token, err = tx.NewRecoveryLink(ctx, userID, ttl)
		return err
	})
	if err != nil {
		return nil, orNobody(err)
	}
	return &Handout{Link: l, URL: s.issuer + "/recover#token=" + token}, nil
}
