package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// SuccessorReaders tell, for each new key whose predecessor is still published,
// which applications need it, as far as can be known: confidential ones that
// fetched ID tokens within the last 30 days and have answers signed by the
// algorithm. By kid; a new key that nobody is known to need has an empty list, and
// a key without a predecessor is not there. They are ordered by name.
func (qs *queries) SuccessorReaders(ctx context.Context) (map[string][]latchkey.KeyReader, error) {
	type row struct {
		kid    string
		reader *latchkey.KeyReader
	}
	var rows []row
	err := qs.do(ctx, func(q querier) (err error) {
		rows, err = list(ctx, q, successorReaders, nil, func(r pgx.CollectableRow) (row, error) {
			var found row
			var id, name *string
			var callers, fetched, near *int
			var called, fetchedAt *time.Time
			err := r.Scan(&found.kid, &id, &name, &callers, &fetched, &near, &called, &fetchedAt)
			if err == nil && id != nil {
				found.reader = &latchkey.KeyReader{ClientID: *id, ClientName: *name, Callers: *callers, Fetched: *fetched, Perhaps: *near,
					CalledAt: timeOf(called), FetchedAt: timeOf(fetchedAt)}
			}
			return found, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read who fetched the new keys: %w", err)
	}
	readers := map[string][]latchkey.KeyReader{}
	for _, r := range rows {
		if readers[r.kid] == nil {
			readers[r.kid] = []latchkey.KeyReader{}
		}
		if r.reader != nil {
			readers[r.kid] = append(readers[r.kid], *r.reader)
		}
	}
	return readers, nil
}

// successorReaders counts for each application the places it calls from, those
// of them that were given the new key, and those where only another agent was.
const successorReaders = `
	WITH successor AS (
		SELECT DISTINCT ON (k.alg) k.kid, k.alg, k.created_at
		FROM signing_keys k
		WHERE (k.retire_at IS NULL OR k.retire_at > now())
		  AND EXISTS (
			SELECT 1 FROM signing_keys old
			WHERE old.alg = k.alg AND old.created_at < k.created_at AND (old.delete_at IS NULL OR old.delete_at > now()))
		ORDER BY k.alg, k.created_at DESC
	), place AS (
		SELECT s.kid, c.id, c.name, l.called_at,
			coalesce(bool_or(f.agent = l.agent AND f.newest_key >= s.created_at), false) AS given,
			coalesce(bool_or(f.newest_key >= s.created_at), false) AS near,
			max(f.fetched_at) AS fetched_at
		FROM successor s
		JOIN clients c ON c.enabled AND c.auth_method <> 'none' AND (c.id_token_alg = s.alg OR s.alg IN (
			c.protocol->>'userinfo_signed_response_alg', c.protocol->>'authorization_signed_response_alg', c.protocol->>'introspection_signed_response_alg'))
		JOIN client_callers l ON l.client_id = c.id AND l.expires_at > now()
		LEFT JOIN jwks_fetches f ON f.address_prefix = l.address_prefix AND f.expires_at > now()
		GROUP BY s.kid, c.id, c.name, l.address_prefix, l.agent, l.called_at
	)
	SELECT s.kid, p.id, min(p.name), count(p.id)::int, (count(*) FILTER (WHERE p.given))::int, (count(*) FILTER (WHERE p.near AND NOT p.given))::int,
		max(p.called_at), max(p.fetched_at)
	FROM successor s LEFT JOIN place p ON p.kid = s.kid
	GROUP BY s.kid, s.alg, p.id
	ORDER BY s.alg, lower(min(p.name)), p.id`
