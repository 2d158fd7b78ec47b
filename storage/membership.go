package storage

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// Members lists the people of a group by username, from after a cursor.
func (qs *queries) Members(ctx context.Context, groupID, cursor string) (*UserPage, error) {
	after, err := readCursor(cursor)
	if err != nil {
		return nil, err
	}
	page := &UserPage{}
	err = qs.do(ctx, func(q querier) (err error) {
		page.Items, err = list(ctx, q, `
			SELECT `+userColumns+`
			FROM users u JOIN memberships m ON m.user_id = u.id
			WHERE m.group_id = @group AND u.username_key > @after
			ORDER BY u.username_key
			LIMIT @limit`, args{"group": groupID, "after": after, "limit": PageSize + 1}, scanUser)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the people of a group: %w", err)
	}
	page.cut(PageSize)
	return page, nil
}

// GroupsOf lists the groups that a person is in, by name.
func (qs *queries) GroupsOf(ctx context.Context, userID string) (groups []*latchkey.Group, err error) {
	err = qs.do(ctx, func(q querier) error {
		groups, err = list(ctx, q, `
			SELECT `+groupColumns+`
			FROM groups g JOIN memberships o ON o.group_id = g.id
			WHERE o.user_id = @user
			ORDER BY g.name_key`, args{"user": userID}, scanGroup)
		return err
	})
	return groups, wrapFind(err, "list the groups of a person")
}

// AddMember puts a person into a group. Whoever is in it already stays, and
// nothing is recorded. A group or person that is not there is ErrNotFound.
func (tx *Tx) AddMember(ctx context.Context, groupID, userID string) error {
	u, groupID, err := tx.lockMember(ctx, groupID, userID)
	if err != nil {
		return err
	}
	var added int64
	err = tx.do(ctx, func(q querier) error {
		if _, err := one(ctx, q, `SELECT id FROM groups WHERE id = @group FOR KEY SHARE`, args{"group": groupID}, pgx.RowTo[string]); err != nil {
			return err
		}
		n, err := exec(ctx, q, `INSERT INTO memberships (group_id, user_id) VALUES (@group, @user) ON CONFLICT DO NOTHING`,
			args{"group": groupID, "user": u.ID})
		added = n
		return err
	})
	if err != nil || added == 0 {
		return wrapFind(err, "add to a group")
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.MemberAdded, Subject: u.ID, Object: groupID})
}

func (tx *Tx) lockMember(ctx context.Context, groupID, userID string) (*latchkey.User, string, error) {
	groupID, err := rowID(groupID)
	if err != nil {
		return nil, "", err
	}
	u, err := tx.lockUser(ctx, userID)
	return u, groupID, err
}

// RemoveMember takes a person out of a group and ends what the applications
// hold that only this group opened to them. Whoever is not in it is
// ErrNotFound.
//
// The person's lock makes parallel removals take turns: of two groups that open
// the same application, the second one to go ends its grants.
func (tx *Tx) RemoveMember(ctx context.Context, groupID, userID string) error {
	u, groupID, err := tx.lockMember(ctx, groupID, userID)
	if err != nil {
		return err
	}
	var lost []string
	err = tx.do(ctx, func(q querier) error {
		n, err := exec(ctx, q, `DELETE FROM memberships WHERE group_id = @group AND user_id = @user`,
			args{"group": groupID, "user": u.ID})
		if err != nil {
			return err
		}
		if n == 0 {
			return latchkey.ErrNotFound
		}
		lost, err = list(ctx, q, `
			SELECT c.id
			FROM clients c JOIN client_groups o ON o.client_id = c.id AND o.group_id = @group, users u
			WHERE u.id = @user AND NOT `+admitted+`
			ORDER BY c.id`, args{"group": groupID, "user": u.ID}, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return wrapFind(err, "remove from a group")
	}
	if err := tx.Record(ctx, latchkey.Event{Kind: latchkey.MemberRemoved, Subject: u.ID, Object: groupID}); err != nil {
		return err
	}
	for _, client := range lost {
		if _, err := tx.EndSessions(ctx, Ending{Cause: GroupTaken, UserID: u.ID, ClientID: client}); err != nil {
			return err
		}
	}
	return nil
}
