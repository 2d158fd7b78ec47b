package storage

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// CountPasskeys tells how many passkeys there are in all.
func (qs *queries) CountPasskeys(ctx context.Context) (n int, err error) {
	err = qs.do(ctx, func(q querier) error {
		n, err = one(ctx, q, `SELECT count(*)::int FROM credentials`, nil, pgx.RowTo[int])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count passkeys: %w", err)
	}
	return n, nil
}
