package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"latchkey"
)

// UserChange is what is to be different about a person.
type UserChange struct {
	Claims  map[string]any // by name, as typed (CleanClaims); what is not named stays
	Trusted bool           // an administrator says so
	Version int64          // of the person as they were read; 0 = whatever they are now
}

// ChangeUser changes what applications learn of a person, and records which
// claims are different, never what they say. It returns the person as they are
// now and the names of those claims; when there are none, nothing is written.
// Problems: validation_failed, email_taken, and conflict when somebody else
// changed the person since.
//
// A phone number that its owner changes is not checked any more.
func (tx *Tx) ChangeUser(ctx context.Context, id string, change UserChange) (after *latchkey.User, changed []string, err error) {
	clean, wrong := CleanClaims(change.Claims, change.Trusted)
	if len(wrong) > 0 {
		return nil, nil, latchkey.InvalidFields(wrong)
	}
	before, err := tx.lockUser(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if change.Version != 0 && change.Version != before.Version {
		return nil, nil, latchkey.Refuse(latchkey.ErrConflict, "conflict", "This profile was changed since you opened it. Look at it again, then change it.")
	}
	next, err := changedUser(before, clean)
	if err != nil {
		return nil, nil, err
	}
	_, proven := clean[latchkey.ClaimEmail] // an administrator's word is proof
	if changed = changedClaims(before, next, proven); len(changed) == 0 {
		return before, nil, nil
	}
	if err := tx.storeClaims(ctx, next, proven); err != nil {
		return nil, nil, err
	}
	err = tx.Record(ctx, latchkey.Event{Kind: latchkey.UserUpdated, Subject: before.ID, Detail: map[string]any{"claims": changed}})
	if err != nil {
		return nil, nil, err
	}
	after, err = tx.FindUser(ctx, before.ID)
	return after, changed, err
}

// changedUser is a person with clean claims put in.
func changedUser(before *latchkey.User, clean map[string]any) (*latchkey.User, error) {
	next := *before
	next.Claims = maps.Clone(before.Claims)
	if next.Claims == nil {
		next.Claims = map[string]any{}
	}
	for name, value := range clean {
		switch {
		case name == latchkey.ClaimName:
			next.DisplayName, _ = value.(string)
		case name == latchkey.ClaimEmail:
			next.Email, _ = value.(string)
		case value == nil:
			delete(next.Claims, name)
		default:
			next.Claims[name] = value
		}
	}
	number := next.Claims[latchkey.ClaimPhoneNumber]
	if number == nil && clean[latchkey.ClaimPhoneVerified] != nil {
		return nil, latchkey.InvalidFields(map[string]string{latchkey.ClaimPhoneVerified: "There is no phone number that could be checked."})
	}
	if number != before.Claims[latchkey.ClaimPhoneNumber] && clean[latchkey.ClaimPhoneVerified] == nil {
		delete(next.Claims, latchkey.ClaimPhoneVerified)
	}
	return &next, nil
}

// changedClaims names what is different about a person, sorted. proven says that
// the address of next counts as verified from now on.
func changedClaims(before, next *latchkey.User, proven bool) (names []string) {
	if before.DisplayName != next.DisplayName {
		names = append(names, latchkey.ClaimName)
	}
	if before.Email != next.Email || proven && next.Email != "" && before.EmailVerifiedAt.IsZero() {
		names = append(names, latchkey.ClaimEmail)
	}
	for _, claims := range []map[string]any{before.Claims, next.Claims} {
		for name := range claims {
			if !reflect.DeepEqual(before.Claims[name], next.Claims[name]) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (tx *Tx) storeClaims(ctx context.Context, u *latchkey.User, proven bool) error {
	claims, err := json.Marshal(u.Claims)
	if err != nil {
		return fmt.Errorf("write claims of a person: %w", err)
	}
	err = tx.do(ctx, func(q querier) error {
		_, err := exec(ctx, q, `
			UPDATE users
			SET display_name = @name, email = @email::text, claims = @claims,
			    email_verified_at = CASE WHEN @email::text IS NULL THEN NULL
			                             WHEN @proven              THEN coalesce(CASE WHEN email = @email::text THEN email_verified_at END, now())
			                             ELSE email_verified_at END,
			    version = version + 1, updated_at = now()
			WHERE id = @id`,
			args{"id": u.ID, "name": u.DisplayName, "email": orNull(u.Email), "claims": claims, "proven": proven})
		return err
	})
	if err != nil {
		return storeUserError(err)
	}
	return nil
}
