package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
)

// tokenAnswer is that of RFC 6749 §5.1 and OpenID Connect Core §3.1.3.3.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// Token serves POST /oauth2/token.
func (p *Provider) Token(c *gin.Context) error {
	answer, err := p.token(c.Request)
	if err != nil {
		return p.answerFault(c, err)
	}
	return p.answerJSON(c, http.StatusOK, answer)
}

func (p *Provider) token(r *http.Request) (*tokenAnswer, error) {
	form, err := protocolForm(r, paramResource)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	cl, err := p.authenticate(ctx, r, form)
	if err != nil {
		return nil, err
	}
	if err := p.Allow(ctx, limitToken, cl.ID); err != nil {
		return nil, err
	}
	ctx = asClient(ctx, cl)
	u := &unit{client: cl, from: from(ctx)}
	switch grant := form.Get("grant_type"); grant {
	case "":
		err = refuse(codeInvalidRequest, "The parameter grant_type is missing.").because("no_grant_type")
	case latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken:
		// Before the code or refresh token is spent.
		if u.idTo, err = p.recipientOf(ctx, cl, cl.Protocol.IDTokenEncAlg, cl.Protocol.IDTokenEnc); err == nil {
			err = p.judgeGrant(ctx, u, grant, form)
		}
	case latchkey.GrantClientCredentials:
		err = p.judgeGrant(ctx, u, grant, form)
	default:
		err = refuse(codeUnsupportedGrant, "This grant type does not exist here.").because("unsupported_grant_type")
	}
	if err != nil {
		return nil, p.tokenRefused(ctx, u, err)
	}
	answer, err := p.issueTokens(withUnit(ctx, u), u, form)
	if err != nil {
		return nil, p.tokenRefused(ctx, u, err)
	}
	if u.redeem == nil {
		p.DB.CountToken(cl.ID)
	}
	if answer.IDToken != "" && !cl.Public() {
		p.DB.NoteCaller(ctx, cl.ID) // who will need the keys; of a public one it is some person's device
	}
	return answer, nil
}

// from is where a call came from, as far as it may stand beside a grant.
func from(ctx context.Context) string {
	a := latchkey.ActorFrom(ctx)
	return latchkey.AddressPrefix(a.Address) + " " + a.Agent
}

// judgeGrant decides about one grant type before fosite is asked.
func (p *Provider) judgeGrant(ctx context.Context, u *unit, grant string, form url.Values) error {
	var wrong *fault
	switch {
	case !u.client.Allows(grant) || grant == latchkey.GrantClientCredentials && u.client.Public():
		wrong = refuse(codeUnauthorizedClient, "The application may not use this grant type.").because("grant_type_not_allowed")
	case form.Has("audience"):
		wrong = refuse(codeInvalidTarget, "Name what the token is for by the parameter resource.").because("audience")
	}
	for _, resource := range asked(form) {
		if f := targetProblem(u.client, p.Issuer, resource, grant == latchkey.GrantClientCredentials); f != nil && wrong == nil {
			wrong = f
		}
	}
	switch {
	case grant == latchkey.GrantAuthorizationCode && form.Get("code") != "":
		return p.redeem(ctx, u, form, wrong)
	case wrong != nil:
		return wrong
	case grant == latchkey.GrantAuthorizationCode:
		return refuse(codeInvalidRequest, "The parameter code is missing.").because("no_code")
	case grant == latchkey.GrantRefreshToken:
		return p.findRefresh(ctx, u, form)
	}
	return p.ownScopes(u, form)
}

// redeem exchanges the code: one statement judges, spends and records. It does
// so too when something else is wrong with the request, which then is the answer
// unless the code came back: an attempt is an attempt.
func (p *Provider) redeem(ctx context.Context, u *unit, form url.Values, wrong *fault) error {
	besides := ""
	if wrong != nil {
		besides = wrong.why()
	}
	found, err := p.DB.ExchangeCode(ctx, storage.Redemption{
		ClientID: u.client.ID, Code: form.Get("code"), RedirectURI: form.Get("redirect_uri"),
		Challenge:     challengeOf(form),
		MayRefresh:    u.client.Allows(latchkey.GrantRefreshToken),
		AlwaysRefresh: u.client.RefreshWithoutOffline,
		RefreshIdle:   p.refreshTTL(u.client),
		Resources:     asked(form), Allowed: append(u.client.Resources(false), p.Issuer), Issuer: p.Issuer,
		Besides: besides,
	})
	if err != nil {
		return err
	}
	switch {
	case found.Verdict == storage.IsIssued:
		u.adopt(found)
		return p.target(u, form)
	case found.Verdict == storage.IsWrongTarget && wrong == nil:
		return &recorded{wrongTarget()}
	case found.Verdict == storage.IsNotAllowed && wrong == nil:
		return &recorded{notInGroups()}
	case found.Verdict != storage.IsReused && wrong != nil:
		return &recorded{wrong}
	}
	return &recorded{refuse(codeInvalidGrant, "The code is not valid, was used, has expired, or does not fit this request.").because(string(found.Verdict))}
}

// adopt makes what was found the subject of the request. Scopes that were taken
// from the application since are gone.
func (u *unit) adopt(found *storage.Redeemed) {
	found.Grant.Scopes = stillAllowed(found.Grant.Scopes, u.client.PeopleScopes())
	u.redeem, u.at, u.scopes = found, found.At, found.Grant.Scopes
	if found.Person != nil {
		u.further = map[string]any{}
		found.Person.Tell(u.further, found.Grant.Claims.IDToken, u.client.Scopes)
	}
}

// stillAllowed are the granted scopes that the application may have now.
func stillAllowed(granted, allowed []string) []string {
	return slices.DeleteFunc(slices.Clone(granted), func(s string) bool { return !slices.Contains(allowed, s) })
}

func notInGroups() *fault {
	return refuse(codeAccessDenied, "The person may not use this application.").because(string(storage.IsNotAllowed))
}

// challengeOf is the S256 challenge of the verifier that was sent (RFC 7636
// §4.6); empty when none was. A verifier in the wrong spelling (§4.1) fits none.
func challengeOf(form url.Values) string {
	if !form.Has("code_verifier") {
		return ""
	}
	verifier := form.Get("code_verifier")
	if len(verifier) < 43 || len(verifier) > 128 || strings.ContainsFunc(verifier, notUnreserved) {
		return "malformed"
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func notUnreserved(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_', r == '~':
		return false
	}
	return true
}

// findRefresh judges a refresh token; it changes nothing unless an old one came
// back, which ends its family.
func (p *Provider) findRefresh(ctx context.Context, u *unit, form url.Values) error {
	if form.Get("refresh_token") == "" {
		return refuse(codeInvalidRequest, "The parameter refresh_token is missing.").because("no_refresh_token")
	}
	token, ok := p.DB.ParseRefresh(form.Get("refresh_token"))
	if !ok {
		return refuse(codeInvalidGrant, badRefresh).because("unknown")
	}
	found, err := p.DB.FindRefresh(ctx, token, u.client.ID, u.client.Grace())
	if err != nil {
		return err
	}
	switch found.Verdict {
	case storage.IsCurrent, storage.IsGraced:
	case storage.IsReused:
		return p.reused(ctx, u, token)
	case storage.IsNotAllowed:
		return notInGroups()
	default:
		return refuse(codeInvalidGrant, badRefresh).because(string(found.Verdict))
	}
	u.adopt(found)
	u.refresh = token
	if err := u.narrow(form); err != nil {
		return err
	}
	return p.target(u, form)
}

const badRefresh = "The refresh token is not valid, was used, or has ended."

// reused ends the family of a refresh token that came back.
func (p *Provider) reused(ctx context.Context, u *unit, token *storage.RefreshToken) error {
	if err := p.DB.EndRefreshFamily(ctx, token, u.client.ID); err != nil {
		return err
	}
	return &recorded{refuse(codeInvalidGrant, badRefresh).because(string(storage.IsReused))}
}

// target aims the access token at the resources that are asked for, or else at
// all of the grant that are left (RFC 8707 §2.2).
func (p *Provider) target(u *unit, form url.Values) error {
	byDefault, possible := p.targets(u.client, &u.redeem.Grant)
	resources := asked(form)
	if len(resources) == 0 {
		resources = byDefault
	}
	for _, resource := range resources {
		if !slices.Contains(possible, resource) {
			return wrongTarget()
		}
	}
	if len(resources) == 0 {
		return wrongTarget()
	}
	p.aim(u, resources)
	return nil
}

// narrow cuts the scopes of the access token to those asked for (RFC 6749 §6).
func (u *unit) narrow(form url.Values) error {
	if !form.Has("scope") {
		return nil
	}
	asked := words(form.Get("scope"))
	for _, s := range asked {
		if !slices.Contains(u.scopes, s) {
			return refuse(codeInvalidScope, "More was asked for than was granted.").because("wider_scope")
		}
	}
	if len(asked) == 0 {
		return refuse(codeInvalidScope, "The parameter scope is empty.").because("empty_scope")
	}
	u.scopes = asked
	return nil
}

// rotate is called by fosite once the tokens of a refresh are made.
func (p *Provider) rotate(ctx context.Context, u *unit) error {
	grace := u.client.Grace()
	turned, err := p.DB.RotateRefresh(ctx, storage.Rotation{
		Token: u.refresh, ClientID: u.client.ID, Grace: grace, Idle: p.refreshTTL(u.client), From: u.from, Scopes: u.scopes,
	})
	if err != nil || turned {
		u.verdict = err
		return err
	}
	// Another call was faster and there is no grace, or the grant ended since.
	found, err := p.DB.FindRefresh(ctx, u.refresh, u.client.ID, grace)
	switch {
	case err != nil:
		u.verdict = err
	case found.Verdict == storage.IsReused:
		u.verdict = p.reused(ctx, u, u.refresh)
	default:
		u.verdict = refuse(codeInvalidGrant, badRefresh).because(string(found.Verdict))
	}
	return u.verdict
}

// ownScopes are the scopes of client_credentials: the application's own, without
// those that speak of a person, and its permissions at the resources that it
// asks for.
func (p *Provider) ownScopes(u *unit, form url.Values) error {
	if u.audience = asked(form); len(u.audience) == 0 {
		u.audience = []string{p.Issuer}
	}
	for _, s := range words(form.Get("scope")) {
		_, permission := u.client.PermissionOf(s)
		own := slices.Contains(u.client.Scopes, s) && !slices.Contains(latchkey.Scopes(), s)
		switch {
		case !own && (permission == nil || !permission.Itself):
			return refuse(codeInvalidScope, "A scope is not allowed for this grant type.").because("scope_not_allowed")
		case !p.counts(u, s):
			return withoutResource()
		}
		u.scopes = append(u.scopes, s)
	}
	u.at = p.DB.Clock()
	return nil
}

// issueTokens lets fosite's handlers repeat the verdict and make the tokens.
func (p *Provider) issueTokens(ctx context.Context, u *unit, form url.Values) (*tokenAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Issuer+pathToken, nil)
	if err != nil {
		return nil, err
	}
	form = url.Values{"grant_type": form["grant_type"], "code": form["code"], "redirect_uri": form["redirect_uri"],
		"code_verifier": form["code_verifier"], "refresh_token": form["refresh_token"], "client_id": {u.client.ID}}
	for name, v := range form {
		if len(v) == 0 {
			delete(form, name)
		}
	}
	if u.redeem == nil {
		form.Set("scope", strings.Join(u.scopes, " "))
	}
	request.PostForm, request.Form = form, form
	subject, authTime := u.client.ID, time.Time{}
	if u.redeem != nil {
		subject, authTime = u.redeem.Subject, u.redeem.Grant.AuthTime
	}
	access, err := p.fosite.NewAccessRequest(ctx, request, newPerson(subject, authTime))
	if err != nil {
		return nil, u.failure(err)
	}
	response, err := p.fosite.NewAccessResponse(ctx, access)
	if err != nil {
		return nil, u.failure(err)
	}
	answer := &tokenAnswer{
		AccessToken: response.GetAccessToken(), TokenType: "Bearer", ExpiresIn: int64(p.accessTTL(u) / time.Second),
		Scope: strings.Join(u.scopes, " "),
	}
	answer.RefreshToken, _ = response.GetExtra("refresh_token").(string)
	answer.IDToken, _ = response.GetExtra("id_token").(string)
	return answer, nil
}

// failure prefers our own verdict to fosite's words for it.
func (u *unit) failure(err error) error {
	if u.verdict != nil {
		return u.verdict
	}
	return faultOf(err)
}
