package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"latchkey"
	"latchkey/admin"
)

// userUpdateCmd is `latchkey user update`. What is not named stays; an empty text
// takes a claim away.
type userUpdateCmd struct {
	who
	Name          *string `help:"What people and applications see." placeholder:"NAME"`
	Email         *string `help:"E-mail address; counts as verified." placeholder:"ADDRESS"`
	GivenName     *string `placeholder:"NAME" help:"Given name. As everything below, an empty one (--given-name '') takes it away."`
	MiddleName    *string `placeholder:"NAME" help:"Middle name."`
	FamilyName    *string `placeholder:"NAME" help:"Family name."`
	Nickname      *string `placeholder:"NAME" help:"Nickname."`
	Profile       *string `placeholder:"URL" help:"Web address of a page about the person."`
	Picture       *string `placeholder:"URL" help:"Web address of a picture of the person."`
	Website       *string `placeholder:"URL" help:"Web address of the person's own site."`
	Gender        *string `placeholder:"TEXT" help:"In the person's own words."`
	Birthdate     *string `placeholder:"DATE" help:"YYYY-MM-DD, 0000-MM-DD without the year, or YYYY."`
	Zoneinfo      *string `placeholder:"ZONE" help:"Time zone, such as Europe/Paris."`
	Locale        *string `placeholder:"TAG" help:"Language, such as de-AT."`
	PhoneNumber   *string `placeholder:"NUMBER" help:"With the country in front, such as +14255551212."`
	PhoneVerified *bool   `negatable:"" help:"The phone number was checked: it reaches the person."`
	Claims        string  `placeholder:"FILE" help:"File with claims of OpenID Connect by name (JSON), the address too; null takes one away. Flags win over it."`
}

// typed are the claims that file and flags name.
func (cmd *userUpdateCmd) typed() (claims map[string]any, err error) {
	if cmd.Claims != "" {
		text, err := readSmall(cmd.Claims)
		if err == nil {
			if err = json.Unmarshal([]byte(text), &claims); err != nil || claims == nil {
				err = errors.New("is no JSON object of claims")
			}
		}
		if err != nil {
			return nil, usageError{wrong("claims", err.Error(), "alice.json")}
		}
	}
	if claims == nil {
		claims = map[string]any{}
	}
	for name, text := range map[string]*string{
		latchkey.ClaimName: cmd.Name, latchkey.ClaimEmail: cmd.Email, "given_name": cmd.GivenName, "middle_name": cmd.MiddleName,
		"family_name": cmd.FamilyName, "nickname": cmd.Nickname, "profile": cmd.Profile, "picture": cmd.Picture, "website": cmd.Website,
		"gender": cmd.Gender, "birthdate": cmd.Birthdate, "zoneinfo": cmd.Zoneinfo, "locale": cmd.Locale,
		latchkey.ClaimPhoneNumber: cmd.PhoneNumber,
	} {
		if text != nil {
			claims[name] = *text
		}
	}
	if cmd.PhoneVerified != nil {
		claims[latchkey.ClaimPhoneVerified] = *cmd.PhoneVerified
	}
	return claims, nil
}

// Run changes a person.
func (cmd *userUpdateCmd) Run(ctx context.Context, c *commands) error {
	claims, err := cmd.typed() // before root is given up
	if err != nil {
		return err
	}
	return c.withUser(ctx, cmd.who, func(ctx context.Context, s *admin.Service, u *latchkey.User) error {
		after, changed, err := s.ChangeUser(ctx, u.ID, claims, 0)
		if err != nil {
			return byClaim(err)
		}
		said := "Nothing was different."
		if len(changed) > 0 {
			said = "Changed: " + strings.Join(changed, ", ") + "."
		}
		return c.printChanged(after, said)
	})
}

// byClaim says of wrong claims which flag it was, or which member of the file.
func byClaim(err error) error {
	p := (*latchkey.Problem)(nil)
	if !errors.As(err, &p) || len(p.Fields) == 0 {
		return err
	}
	var wrong []string
	for _, claim := range sortedKeys(p.Fields) {
		wrong = append(wrong, claim+": "+p.Fields[claim])
	}
	said := *p
	said.Message, said.Fields = strings.Join(wrong, " "), nil
	return &said
}
