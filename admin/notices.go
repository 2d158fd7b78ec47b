package admin

import (
	"context"
	"strconv"
	"strings"

	"latchkey"
	"latchkey/storage"
	"latchkey/templates"
)

// shownNotices is how many notices of an application are shown.
const shownNotices = 10

// ClientNotices is what became of telling an application of sign-outs in the
// last days: the newest notices, and how many there are in each state.
func (s *Service) ClientNotices(ctx context.Context, c *latchkey.Client) ([]latchkey.Notice, storage.NoticeCount, error) {
	return s.db.ClientNotices(ctx, c.ID, shownNotices)
}

// noticesOf is that for the application's page; nil when it is told of nothing.
func (s *Service) noticesOf(ctx context.Context, c *latchkey.Client) (*templates.ClientNotices, error) {
	newest, counts, err := s.ClientNotices(ctx, c)
	if err != nil || len(newest) == 0 && c.Protocol.BackchannelLogoutURI == "" {
		return nil, err
	}
	page := &templates.ClientNotices{Address: c.Protocol.BackchannelLogoutURI, Counts: countsOf(counts)}
	now := s.now()
	for _, n := range newest {
		item := templates.NoticeItem{When: templates.At(n.CreatedAt, now), ToldApp: templates.ToldOf(n), Attempts: strconv.Itoa(n.Attempts)}
		item.Text = n.Why()
		if n.State == latchkey.NoticePending {
			item.Next = templates.At(n.NextAt, now)
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

// countsOf says how many notices there were, by their states.
func countsOf(n storage.NoticeCount) string {
	var said []string
	for _, c := range []struct {
		n    int
		what string
	}{{n.Delivered, " delivered"}, {n.Pending, " waiting"}, {n.Failed, " given up"}} {
		if c.n > 0 {
			said = append(said, strconv.Itoa(c.n)+c.what)
		}
	}
	return strings.Join(said, ", ")
}
