package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// noticeLife is how long a notice can be looked up after the end of its
// attempts.
const noticeLife = "7 days"

// noticeState is the state of a row of jobs.
const noticeState = `CASE WHEN done_at IS NULL THEN 'pending' WHEN last_status = '' THEN 'delivered' ELSE 'failed' END`

const noticeColumns = `
	j.id, j.key, coalesce(c.name, j.key), ` + noticeState + `, j.last_status, j.attempts, j.created_at,
	CASE WHEN j.done_at IS NULL THEN j.next_at END, j.done_at
	FROM jobs j LEFT JOIN clients c ON c.id = j.key
	WHERE j.kind = 'logout'`

func scanNotice(row pgx.CollectableRow) (n latchkey.Notice, err error) {
	var next, done *time.Time
	err = row.Scan(&n.ID, &n.ClientID, &n.App, &n.State, &n.Reason, &n.Attempts, &n.CreatedAt, &next, &done)
	n.CreatedAt, n.NextAt, n.DoneAt = n.CreatedAt.UTC(), timeOf(next), timeOf(done)
	return n, err
}

func (qs *queries) notices(ctx context.Context, condition string, a args) (found []latchkey.Notice, err error) {
	err = qs.do(ctx, func(q querier) error {
		found, err = list(ctx, q, `SELECT`+noticeColumns+condition, a, scanNotice)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look notices up: %w", err)
	}
	return found, nil
}

// Notices returns the notices of these ids, by the names of their applications.
func (qs *queries) Notices(ctx context.Context, ids []string) ([]latchkey.Notice, error) {
	return qs.notices(ctx, ` AND j.id = ANY(@ids::uuid[]) ORDER BY 3, j.id`, args{"ids": texts(ids)})
}

// LastNotices returns those of a person's last sign-out that anybody was told
// of, wherever it was.
func (qs *queries) LastNotices(ctx context.Context, userID string) ([]latchkey.Notice, error) {
	return qs.notices(ctx, ` AND j.user_id = @user
		AND j.created_at = (SELECT max(created_at) FROM jobs WHERE kind = 'logout' AND user_id = @user)
		ORDER BY 3, j.id`, args{"user": userID})
}

// NoticeCount says how many notices of an application are in each state.
type NoticeCount struct{ Pending, Delivered, Failed int }

// ClientNotices returns the newest notices of an application, at most limit, and
// how many there are of the last days in all.
func (qs *queries) ClientNotices(ctx context.Context, clientID string, limit int) (newest []latchkey.Notice, counts NoticeCount, err error) {
	newest, err = qs.notices(ctx, ` AND j.key = @client ORDER BY j.created_at DESC, j.id DESC LIMIT @limit`, args{"client": clientID, "limit": limit})
	if err != nil {
		return nil, counts, err
	}
	err = qs.do(ctx, func(q querier) error {
		counts, err = one(ctx, q, `
			SELECT count(*) FILTER (WHERE s = 'pending'), count(*) FILTER (WHERE s = 'delivered'), count(*) FILTER (WHERE s = 'failed')
			FROM (SELECT `+noticeState+` AS s FROM jobs WHERE kind = 'logout' AND key = @client) j`,
			args{"client": clientID}, pgx.RowToStructByPos[NoticeCount])
		return err
	})
	if err != nil {
		return nil, counts, fmt.Errorf("count notices: %w", err)
	}
	return newest, counts, nil
}
