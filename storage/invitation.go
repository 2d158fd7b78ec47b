package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// maxInvitations is how many open invitations a list shows at most.
const maxInvitations = 500

// Invitations lists the invitations that still work, the newest first, at most
// 500 of them.
func (qs *queries) Invitations(ctx context.Context) ([]*latchkey.Link, error) {
	type row struct {
		link   *latchkey.Link
		sealed []byte
	}
	var rows []row
	err := qs.do(ctx, func(q querier) (err error) {
		rows, err = list(ctx, q, `
			SELECT l.id, l.created_by, l.payload, l.created_at, l.expires_at
			FROM one_time_links l
			WHERE l.purpose = 'invite' AND l.used_at IS NULL AND l.expires_at > now()
			ORDER BY l.id DESC
			LIMIT @limit`, args{"limit": maxInvitations}, func(r pgx.CollectableRow) (row, error) {
			l, by := &latchkey.Link{Purpose: latchkey.LinkInvite}, (*string)(nil)
			out := row{link: l}
			err := r.Scan(&l.ID, &by, &out.sealed, orZero{&l.CreatedAt}, orZero{&l.ExpiresAt})
			l.CreatedBy = textOf(by)
			return out, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	links := make([]*latchkey.Link, 0, len(rows))
	for _, r := range rows {
		if err := qs.openInvite(r.link, r.sealed); err != nil {
			return nil, err
		}
		links = append(links, r.link)
	}
	return links, nil
}

// WithdrawInvitation ends an open invitation and records it. One that was used,
// has expired or never was is ErrNotFound.
func (tx *Tx) WithdrawInvitation(ctx context.Context, id string) error {
	id, err := rowID(id)
	if err != nil {
		return err
	}
	n, err := tx.revokeLinks(ctx, `id = @link::uuid AND purpose = 'invite'`, args{"link": id}, "withdrawn")
	if err == nil && n == 0 {
		return latchkey.ErrNotFound
	}
	return err
}

// NewRecoveryLink makes a recovery link for an active person, which lives for
// ttl; earlier ones of theirs end. The raw token is returned here and never
// again. Somebody who is turned off is ErrConflict.
func (tx *Tx) NewRecoveryLink(ctx context.Context, userID string, ttl time.Duration) (*latchkey.Link, string, error) {
	by := latchkey.ActorFrom(ctx).UserID
	u, err := tx.lockUserAnd(ctx, userID, by)
	if err != nil {
		return nil, "", err
	}
	if u.Status != latchkey.StatusActive {
		return nil, "", latchkey.Refuse(latchkey.ErrConflict, "account_disabled", "This person is turned off. Turn them on first.")
	}
	if err := tx.endLinks(ctx, linksFor, u.ID, "replaced"); err != nil {
		return nil, "", err
	}
	l := &latchkey.Link{Purpose: latchkey.LinkRecover, UserID: u.ID, CreatedBy: by}
	rawToken, err := tx.CreateLink(ctx, l, ttl)
	return l, rawToken, err
}
