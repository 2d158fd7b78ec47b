package main

import (
	"context"
	"strconv"
	"time"

	"latchkey"
	"latchkey/admin"
	"latchkey/storage"
)

// shownClient is an application, with what became of telling it of sign-outs.
type shownClient struct {
	*latchkey.ClientDocument
	Notices *noticesOut `json:"logout_notices,omitempty"`
}

// noticesOut are the notices of the last days.
type noticesOut struct {
	Pending   int         `json:"pending"`
	Delivered int         `json:"delivered"`
	Failed    int         `json:"failed"`
	Newest    []noticeOut `json:"newest"`
}

// noticeOut is one notice.
type noticeOut struct {
	ID        string               `json:"id"`
	State     latchkey.NoticeState `json:"state"`
	Reason    string               `json:"reason"` // of the last failure; "" = none
	Attempts  int                  `json:"attempts"`
	CreatedAt time.Time            `json:"created_at"`
	NextAt    *time.Time           `json:"next_at"` // null = there is no other attempt
	DoneAt    *time.Time           `json:"done_at"` // null = pending
}

// showClient prints an application whole.
func (c *commands) showClient(ctx context.Context, s *admin.Service, client *latchkey.Client) error {
	newest, counts, err := s.ClientNotices(ctx, client)
	if err != nil {
		return err
	}
	out, said := shownClient{ClientDocument: client.Document()}, c.described(client)
	if len(newest) > 0 || client.Protocol.BackchannelLogoutURI != "" {
		out.Notices = noticesOutOf(newest, counts)
		said += "\n\n" + noticeTable(newest)
	}
	return c.print(out, said)
}

func noticesOutOf(newest []latchkey.Notice, counts storage.NoticeCount) *noticesOut {
	out := &noticesOut{Pending: counts.Pending, Delivered: counts.Delivered, Failed: counts.Failed, Newest: []noticeOut{}}
	for _, n := range newest {
		one := noticeOut{ID: n.ID, State: n.State, Reason: n.Reason, Attempts: n.Attempts, CreatedAt: n.CreatedAt}
		if n.State == latchkey.NoticePending {
			one.NextAt = &n.NextAt
		} else {
			one.DoneAt = &n.DoneAt
		}
		out.Newest = append(out.Newest, one)
	}
	return out
}

func noticeTable(newest []latchkey.Notice) string {
	var rows [][]string
	for _, n := range newest {
		rows = append(rows, []string{at(n.CreatedAt), string(n.State), strconv.Itoa(n.Attempts), at(n.NextAt), n.Why()})
	}
	return table("Nobody signed out of it in the last days.", []string{"SIGN-OUT", "STATE", "ATTEMPTS", "NEXT", "WHY NOT"}, rows)
}
