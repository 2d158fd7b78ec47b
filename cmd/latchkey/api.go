package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/admin"
	"latchkey/storage"
)

// apiCmd is `latchkey api …`.
type apiCmd struct {
	List   apiListCmd   `cmd:"" help:"List APIs by resource."`
	Show   apiShowCmd   `cmd:"" help:"Show one API: its permissions, and the applications that get tokens for it."`
	Create apiCreateCmd `cmd:"" help:"Register an API. No application may use it yet."`
	Update apiUpdateCmd `cmd:"" help:"Change an API. What is not named stays."`
	Delete apiDeleteCmd `cmd:"" help:"Delete an API: tokens for it are good for nothing from then on."`
	Allow  apiAllowCmd  `cmd:"" help:"Say all that an application may have of an API."`
	Deny   apiDenyCmd   `cmd:"" help:"Take an API from an application; its tokens for it end."`
}

// resource names an API.
type resource struct {
	API string `arg:"" name:"api" help:"Resource or id of the API."`
}

// withAPI runs f with the API that is named.
func (c *commands) withAPI(ctx context.Context, w resource, f func(context.Context, *admin.Service, *latchkey.API) error) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		found, err := s.FindAPI(ctx, w.API)
		if err != nil {
			return err
		}
		return f(ctx, s, found)
	})
}

type apiListCmd struct{ paging }

// Run lists APIs.
func (cmd *apiListCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		var rows [][]string
		found, err := collect(cmd.paging, func(cursor string, limit int) ([]admin.APIOut, string, error) {
			p, err := s.ListAPIs(ctx, storage.APIQuery{Cursor: cursor, Limit: limit})
			if err != nil {
				return nil, "", err
			}
			items := make([]admin.APIOut, 0, len(p.Items))
			for _, a := range p.Items {
				items = append(items, admin.APIOutOf(a))
				rows = append(rows, []string{a.Resource, a.Name, strconv.Itoa(len(a.Permissions)), strconv.Itoa(a.Clients), at(a.CreatedAt), a.ID})
			}
			return items, p.Next, nil
		})
		if err != nil {
			return err
		}
		return c.print(found, table("No API is registered.", []string{"RESOURCE", "NAME", "PERMISSIONS", "APPLICATIONS", "SINCE", "ID"}, rows))
	})
}

type apiShowCmd struct{ resource }

// Run shows an API.
func (cmd *apiShowCmd) Run(ctx context.Context, c *commands) error {
	return c.withAPI(ctx, cmd.resource, c.showAPI)
}

func (c *commands) showAPI(ctx context.Context, s *admin.Service, a *latchkey.API) error {
	access, err := s.APIAccess(ctx, a.ID)
	if err != nil {
		return err
	}
	out := struct {
		admin.APIOut
		Access []admin.APIAccessOut `json:"access"`
	}{admin.APIOutOf(a), []admin.APIAccessOut{}}
	var rows, permissions [][]string
	for _, x := range access {
		out.Access = append(out.Access, admin.APIAccessOutOf(x))
		rows = append(rows, []string{x.ClientID, side(x.People, x.ForUsers), side(x.Itself, x.ForSelf)})
	}
	for _, p := range a.Permissions {
		shown := "no"
		if p.Advertised {
			shown = "yes"
		}
		permissions = append(permissions, []string{p.Scope, p.Description, shown})
	}
	ttl := "as the application has it"
	if a.AccessTokenTTL > 0 {
		ttl = a.AccessTokenTTL.String()
	}
	return c.print(out, strings.Join([]string{
		facts("resource", a.Resource, "name", a.Name, "served by", orWord(a.ClientID, "no application"), "access tokens", orWord(a.AccessTokenFormat, "as the application has it"),
			"they live", ttl, "since", at(a.CreatedAt), "id", a.ID),
		table("No permission.", []string{"PERMISSION", "WHAT IT ALLOWS", "ADVERTISED"}, permissions),
		table("No application gets tokens for it: latchkey api allow "+a.Resource+" CLIENT", []string{"APPLICATION", "FOR PEOPLE", "FOR ITSELF"}, rows),
	}, "\n\n"))
}

// side says in words what an application has on one of the two ways to a token.
func side(may bool, scopes []string) string {
	if !may {
		return "no"
	}
	return orWord(strings.Join(scopes, " "), "without permissions")
}

// apiFlags are the settings of an API.
type apiFlags struct {
	Client            *string   `help:"Application that serves it and may ask about its tokens (introspection)." placeholder:"CLIENT"`
	AccessTokenFormat *string   `help:"Its access tokens: jwt, or opaque (only latchkey can read them). Without it, as each application has it." placeholder:"FORMAT"`
	AccessTokenTTL    *lifetime `name:"token-ttl" help:"How long its access tokens live, 30s to 1d. Without it, as each application has it." placeholder:"TIME"`
	Permission        []string  `sep:"none" help:"A permission and what it allows, in words that people read; may be repeated." placeholder:"SCOPE=WORDS"`
	Advertise         []string  `sep:"none" help:"Name this permission in discovery, for everybody to see; may be repeated." placeholder:"SCOPE"`
}

// apply changes an API as the flags say.
func (f *apiFlags) apply(a *latchkey.API) error {
	set(&a.ClientID, f.Client)
	set(&a.AccessTokenFormat, f.AccessTokenFormat)
	for _, typed := range f.Permission {
		scope, words, found := strings.Cut(typed, "=")
		if !found {
			return usageError{wrong("permission", "has no words after the scope", "calendar.read='Read your calendar'")}
		}
		if p, there := a.FindPermission(scope); there {
			p.Description = words
			continue
		}
		a.Permissions = append(a.Permissions, latchkey.Permission{Scope: scope, Description: words})
	}
	return advertise(a, f.Advertise, "advertise", true)
}

func advertise(a *latchkey.API, scopes []string, flag string, shown bool) error {
	for _, scope := range scopes {
		p, there := a.FindPermission(scope)
		if !there {
			return noPermission(flag, scope)
		}
		p.Advertised = shown
	}
	return nil
}

func noPermission(flag, scope string) error {
	return usageError{wrong(flag, fmt.Sprintf("%q is no permission of the API", scope), "calendar.read")}
}

type apiCreateCmd struct {
	Resource string `arg:"" help:"Absolute URI that applications ask for, such as https://api.example.com/calendar. It never changes."`
	Name     string `required:"" help:"What people know it as." placeholder:"NAME"`
	apiFlags
}

// Run registers an API.
func (cmd *apiCreateCmd) Run(ctx context.Context, c *commands) error {
	a := &latchkey.API{Resource: cmd.Resource, Name: cmd.Name}
	if err := cmd.apply(a); err != nil {
		return err
	}
	if cmd.AccessTokenTTL != nil {
		a.AccessTokenTTL = orTiny(*cmd.AccessTokenTTL)
	}
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		if err := s.CreateAPI(ctx, a); err != nil {
			return byAPIFlag(err)
		}
		return c.showAPI(ctx, s, a)
	})
}

type apiUpdateCmd struct {
	resource
	Name *string `help:"What people know it as." placeholder:"NAME"`
	apiFlags
	RemovePermission []string `sep:"none" help:"Take this permission away, from all applications and their tokens; may be repeated." placeholder:"SCOPE"`
	Hide             []string `sep:"none" help:"Do not name this permission in discovery; may be repeated." placeholder:"SCOPE"`
}

// Run changes an API.
func (cmd *apiUpdateCmd) Run(ctx context.Context, c *commands) error {
	return c.withAPI(ctx, cmd.resource, func(ctx context.Context, s *admin.Service, a *latchkey.API) error {
		set(&a.Name, cmd.Name)
		if cmd.AccessTokenTTL != nil { // 0s = as the application has it
			a.AccessTokenTTL = time.Duration(*cmd.AccessTokenTTL)
		}
		for _, scope := range cmd.RemovePermission {
			if _, there := a.FindPermission(scope); !there {
				return noPermission("remove-permission", scope)
			}
			a.Permissions = slices.DeleteFunc(a.Permissions, func(p latchkey.Permission) bool { return p.Scope == scope })
		}
		if err := cmd.apply(a); err != nil {
			return err
		}
		if err := advertise(a, cmd.Hide, "hide", false); err != nil {
			return err
		}
		if err := s.UpdateAPI(ctx, a); err != nil {
			return byAPIFlag(err)
		}
		return c.showAPI(ctx, s, a)
	})
}

type apiDeleteCmd struct{ resource }

// Run deletes an API.
func (cmd *apiDeleteCmd) Run(ctx context.Context, c *commands) error {
	return c.withAPI(ctx, cmd.resource, func(ctx context.Context, s *admin.Service, a *latchkey.API) error {
		if err := s.DeleteAPI(ctx, a.ID); err != nil {
			return err
		}
		return c.print(deleted{a.ID}, fmt.Sprintf("%s (%s) was deleted. Tokens for it are good for nothing now.", plain(a.Name), a.Resource))
	})
}

type apiAllowCmd struct {
	resource
	application
	Permission []string `sep:"none" help:"In tokens for people who sign in to the application; may be repeated." placeholder:"SCOPE"`
	Itself     []string `sep:"none" help:"In tokens of the application itself (client_credentials); may be repeated." placeholder:"SCOPE"`
}

// Run allows an application an API.
func (cmd *apiAllowCmd) Run(ctx context.Context, c *commands) error {
	return c.withAPI(ctx, cmd.resource, func(ctx context.Context, s *admin.Service, a *latchkey.API) error {
		is, err := s.AllowAPI(ctx, latchkey.APIAccess{APIID: a.ID, ClientID: cmd.Client, ForUsers: cmd.Permission, ForSelf: cmd.Itself})
		if err != nil {
			return byAPIFlag(err)
		}
		return c.print(admin.APIAccessOutOf(is), facts("application", is.ClientID, "may use", a.Resource,
			"for people", side(is.People, is.ForUsers), "for itself", side(is.Itself, is.ForSelf)))
	})
}

type apiDenyCmd struct {
	resource
	application
}

// Run takes an API from an application.
func (cmd *apiDenyCmd) Run(ctx context.Context, c *commands) error {
	return c.withAPI(ctx, cmd.resource, func(ctx context.Context, s *admin.Service, a *latchkey.API) error {
		if err := s.DenyAPI(ctx, a.ID, cmd.Client); err != nil {
			return err
		}
		out := struct {
			APIID    string `json:"api_id"`
			ClientID string `json:"client_id"`
		}{a.ID, cmd.Client}
		return c.print(out, fmt.Sprintf("%s gets no tokens for %s any more.", cmd.Client, a.Resource))
	})
}

// apiFlagOf names the flags of an API that are called otherwise than those of an
// application, or are none there.
var apiFlagOf = map[string]string{
	"resource": "RESOURCE", "client_id": "--client", "permissions": "--permission", "itself": "--itself", "access_token_ttl": "--token-ttl",
}

// byAPIFlag says of a wrong setting which flag it was.
func byAPIFlag(err error) error { return byFlagIn(err, apiFlagOf) }
