package storage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
)

// userColumns are the columns of a person u, in the order of scanUser: counts
// and group names included, each from an index.
const userColumns = `
	u.id, u.subject, u.webauthn_handle, u.username, u.display_name, u.email, u.email_verified_at, u.claims,
	u.role, u.status, u.version, u.created_at, u.updated_at, u.disabled_at,
	(SELECT count(*) FROM credentials WHERE user_id = u.id),
	(SELECT count(*) FROM recovery_codes WHERE user_id = u.id AND used_at IS NULL),
	ARRAY(SELECT g.name FROM memberships m JOIN groups g ON g.id = m.group_id WHERE m.user_id = u.id ORDER BY g.name_key)`

func scanUser(row pgx.CollectableRow) (*latchkey.User, error) {
	u := &latchkey.User{}
	var email *string
	var verified, disabled *time.Time
	var claims []byte
	err := row.Scan(&u.ID, &u.Subject, &u.WebAuthnHandle, &u.Username, &u.DisplayName, &email, &verified, &claims,
		&u.Role, &u.Status, &u.Version, &u.CreatedAt, &u.UpdatedAt, &disabled,
		&u.Passkeys, &u.RecoveryCodesLeft, &u.Groups)
	if err != nil {
		return nil, err
	}
	u.Email, u.EmailVerifiedAt, u.DisabledAt = textOf(email), timeOf(verified), timeOf(disabled)
	u.CreatedAt, u.UpdatedAt = u.CreatedAt.UTC(), u.UpdatedAt.UTC()
	if err := json.Unmarshal(claims, &u.Claims); err != nil {
		return nil, fmt.Errorf("read claims of a person: %w", err)
	}
	return u, nil
}

// FindUser returns a person by id, with counts and groups, or ErrNotFound.
func (qs *queries) FindUser(ctx context.Context, id string) (*latchkey.User, error) {
	id, err := rowID(id)
	if err != nil {
		return nil, err
	}
	return qs.findUser(ctx, `WHERE u.id = @who`, id)
}

// FindUserByUsername returns the person whose username is typed, in whatever
// case or width, or ErrNotFound.
func (qs *queries) FindUserByUsername(ctx context.Context, typed string) (*latchkey.User, error) {
	key, ok := usernameKey(typed)
	if !ok {
		return nil, latchkey.ErrNotFound
	}
	return qs.findUser(ctx, `WHERE u.username_key = @who`, key)
}

// FindUserByEmail returns the person who proved to own the address, or
// ErrNotFound. Unverified addresses find nobody: anybody could type them.
func (qs *queries) FindUserByEmail(ctx context.Context, email string) (*latchkey.User, error) {
	return qs.findUser(ctx, `WHERE lower(u.email) = lower(@who) COLLATE "C" AND u.email_verified_at IS NOT NULL`, email)
}

// ResolveUser returns the person that an operator names by id, verified e-mail
// or username, or ErrNotFound. Usernames cannot look like the other two
// (CleanUsername).
func (qs *queries) ResolveUser(ctx context.Context, name string) (*latchkey.User, error) {
	name = strings.TrimSpace(name)
	if _, err := uuid.Parse(name); err == nil {
		return qs.FindUser(ctx, name)
	}
	if strings.Contains(name, "@") {
		email, ok := CleanEmail(name)
		if !ok {
			return nil, latchkey.ErrNotFound
		}
		return qs.FindUserByEmail(ctx, email)
	}
	return qs.FindUserByUsername(ctx, name)
}

func (qs *queries) findUser(ctx context.Context, where, who string) (u *latchkey.User, err error) {
	err = qs.do(ctx, func(q querier) error {
		u, err = one(ctx, q, `SELECT `+userColumns+` FROM users u `+where, args{"who": who}, scanUser)
		return err
	})
	return u, wrapFind(err, "find a person")
}

// wrapFind keeps ErrNotFound as it is and says of other errors what was done.
func wrapFind(err error, doing string) error {
	if err == nil || err == latchkey.ErrNotFound {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// HasAdmin tells whether an administrator exists, enabled or not: set-up is
// over then, for good.
func (qs *queries) HasAdmin(ctx context.Context) (has bool, err error) {
	err = qs.do(ctx, func(q querier) error {
		has, err = one(ctx, q, `SELECT EXISTS (SELECT FROM users WHERE role = 'admin')`, nil, pgx.RowTo[bool])
		return err
	})
	return has, wrapFind(err, "look for an administrator")
}

// NewSubject makes a `sub`: 128 random bits that say nothing and never return.
func NewSubject() string { return base64.RawURLEncoding.EncodeToString(randomBytes(16)) }

// NewHandle makes a user handle (WebAuthn §5.4.3): 32 random bytes that are
// neither the subject nor anything a person typed.
func NewHandle() []byte { return randomBytes(32) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return b
}

// CreateUser stores a new person and records user.registered. ID, Subject,
// WebAuthnHandle, Role and Status are made when empty. Username and names must
// be clean (CleanUsername, CleanName, CleanEmail). Problems: username_taken,
// email_taken.
func (tx *Tx) CreateUser(ctx context.Context, u *latchkey.User) error {
	_, key, ok := CleanUsername(u.Username)
	if !ok {
		return latchkey.InvalidFields(map[string]string{"username": "This cannot be a username."})
	}
	fillUser(u)
	claims, err := json.Marshal(u.Claims)
	if err != nil {
		return fmt.Errorf("write claims of a person: %w", err)
	}
	personKeyID, personKey, err := tx.newPersonKey(u.ID)
	if err != nil {
		return err
	}
	err = tx.do(ctx, func(q querier) error {
		type times struct{ CreatedAt, UpdatedAt time.Time }
		t, err := one(ctx, q, `
			WITH personal AS (`+insertPersonKey+`)
			INSERT INTO users (id, subject, webauthn_handle, username, username_key, display_name, email, email_verified_at, claims, role, status, person_key_id)
			VALUES (@id, @subject, @handle, @username, @key, @display_name, @email,
			        CASE WHEN @verified THEN now() END, @claims, @role, @status, (SELECT id FROM personal))
			RETURNING created_at, updated_at`,
			args{
				"person_key": personKeyID, "person_key_for": u.ID, "person_key_sealed": personKey,
				"id": u.ID, "subject": u.Subject, "handle": u.WebAuthnHandle, "username": u.Username, "key": key,
				"display_name": u.DisplayName, "email": orNull(u.Email), "verified": !u.EmailVerifiedAt.IsZero(),
				"claims": claims, "role": string(u.Role), "status": string(u.Status),
			}, pgx.RowToStructByPos[times])
		u.CreatedAt, u.UpdatedAt = t.CreatedAt.UTC(), t.UpdatedAt.UTC()
		return err
	})
	if err != nil {
		return storeUserError(err)
	}
	return tx.Record(ctx, latchkey.Event{
		Kind: latchkey.UserRegistered, Subject: u.ID, Detail: map[string]any{"role": string(u.Role)},
		Personal: map[string]string{"username": u.Username, "display_name": u.DisplayName, "email": u.Email},
	})
}

func storeUserError(err error) error {
	switch {
	case violates(err, "users_username_key_key"):
		return latchkey.Refuse(latchkey.ErrConflict, "username_taken", "That username is taken.")
	case violates(err, "users_verified_email"):
		return latchkey.Refuse(latchkey.ErrConflict, "email_taken", "Another account already has this e-mail address.")
	}
	return fmt.Errorf("store a person: %w", err)
}

func fillUser(u *latchkey.User) {
	if u.ID == "" {
		u.ID = newID()
	}
	if u.Subject == "" {
		u.Subject = NewSubject()
	}
	if len(u.WebAuthnHandle) == 0 {
		u.WebAuthnHandle = NewHandle()
	}
	if u.Role == "" {
		u.Role = latchkey.RoleUser
	}
	if u.Status == "" {
		u.Status = latchkey.StatusActive
	}
	if u.Claims == nil {
		u.Claims = map[string]any{}
	}
	u.Version = 1
}

// JoinGroups makes a new person a member of groups by name and records each.
// Groups that were deleted in the meantime are left out.
func (tx *Tx) JoinGroups(ctx context.Context, userID string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var joined []string
	err := tx.do(ctx, func(q querier) (err error) {
		joined, err = list(ctx, q, `
			INSERT INTO memberships (group_id, user_id)
			SELECT id, @user FROM groups WHERE name = ANY(@names) FOR KEY SHARE
			ON CONFLICT DO NOTHING
			RETURNING group_id`,
			args{"user": userID, "names": names}, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return fmt.Errorf("join groups: %w", err)
	}
	for _, group := range joined {
		if err := tx.Record(ctx, latchkey.Event{Kind: latchkey.MemberAdded, Subject: userID, Object: group}); err != nil {
			return err
		}
	}
	return nil
}

// lockUser takes the row lock under which everything that counts a person's
// passkeys, codes or role runs, and returns the person as it is then.
func (tx *Tx) lockUser(ctx context.Context, id string) (*latchkey.User, error) {
	return tx.lockUserAnd(ctx, id)
}

// lockUserAnd is lockUser for a rule that also holds others, by id; in one
// order, so that two who act on one another do not wait for ever. Empty ids
// are left out.
func (tx *Tx) lockUserAnd(ctx context.Context, id string, others ...string) (*latchkey.User, error) {
	id, err := rowID(id)
	if err != nil {
		return nil, err
	}
	ids := []string{id}
	for _, other := range others {
		if other != "" {
			ids = append(ids, other)
		}
	}
	// Two statements: the counts of the second see what the lock waited for.
	err = tx.do(ctx, func(q querier) error {
		_, err := list(ctx, q, `SELECT id FROM users WHERE id = ANY(@ids::uuid[]) ORDER BY id FOR UPDATE`, args{"ids": ids}, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, wrapFind(err, "lock a person")
	}
	return tx.FindUser(ctx, id)
}

// lockAdmins is the advisory lock under which the number of administrators is
// counted and changed; held to the end of the transaction.
const lockAdmins = 0x6c6b61646d696e // "lkadmin"

// anotherAdmin tells of a person u whether somebody else could sign in as an
// administrator.
const anotherAdmin = `EXISTS (
	SELECT FROM users o
	WHERE o.role = 'admin' AND o.status = 'active' AND o.id <> u.id
	  AND EXISTS (SELECT FROM credentials c WHERE c.user_id = o.id))`

// OnlyAdmin tells whether u is an administrator and no other one could sign in.
// Whoever decides by it holds the lock until commit, so that two administrators
// who remove themselves at once do not leave none. (Locking their rows instead
// would deadlock, since each already holds its own.)
func (tx *Tx) OnlyAdmin(ctx context.Context, u *latchkey.User) (bool, error) {
	if !u.IsAdmin() {
		return false, nil
	}
	another := false
	err := tx.do(ctx, func(q querier) (err error) {
		if _, err := exec(ctx, q, `SELECT pg_advisory_xact_lock(@lock)`, args{"lock": int64(lockAdmins)}); err != nil {
			return err
		}
		another, err = one(ctx, q, `SELECT `+anotherAdmin+` FROM users u WHERE u.id = @id`, args{"id": u.ID}, pgx.RowTo[bool])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for another administrator: %w", err)
	}
	return !another, nil
}
