package oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
)

// Register serves POST /oauth2/register: an application registers itself (RFC
// 7591 §3, OpenID Connect Dynamic Client Registration §3). It shows an initial
// access token, unless registration is open.
func (p *Provider) Register(c *gin.Context) error {
	made, err := p.register(c.Request)
	if err != nil {
		return p.answerRegistrationFault(c, "", err)
	}
	return p.answerJSON(c, http.StatusCreated, made)
}

func (p *Provider) register(r *http.Request) (map[string]any, error) {
	ctx := r.Context()
	bounds, err := p.mayRegister(ctx, r)
	if err != nil {
		return nil, err
	}
	document, err := readDocument(r)
	if err != nil {
		return nil, err
	}
	wanted, err := bounds.Register(document)
	if err != nil {
		return nil, err
	}
	wanted.ID = newClientID()
	if err := p.checkFetched(ctx, wanted); err != nil {
		return nil, err
	}
	if err := p.checkSector(ctx, wanted); err != nil {
		return nil, err
	}
	secret := ""
	if wanted.HasSecret() {
		secret = p.DB.NewSecretFor(wanted)
	}
	ctx = actingClient(ctx, wanted.ID)
	var token string
	err = p.DB.InTx(ctx, func(tx *storage.Tx) (err error) {
		token, err = tx.RegisterClient(ctx, wanted, secret)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.logoAfter(ctx, wanted.ID)
	return p.registrationAnswer(wanted, token, secret)
}

// mayRegister finds by whose leave an application registers itself, and returns
// the bounds of it: an application that is nothing yet but what an administrator
// decided.
func (p *Provider) mayRegister(ctx context.Context, r *http.Request) (*latchkey.Client, error) {
	bounds := &latchkey.Client{ID: "new", Enabled: true, Profile: latchkey.ProfileOIDC, Registration: &latchkey.SelfRegistration{}}
	if p.Registration == latchkey.RegistrationOpen && len(r.Header.Values("Authorization")) == 0 {
		return bounds, p.Allow(ctx, limitRegister, "")
	}
	shown, err := p.registrationBearer(ctx, r)
	if err != nil {
		return nil, err
	}
	token, err := p.DB.InitialToken(ctx, shown)
	if err != nil {
		return nil, err
	}
	bounds.Profile = token.Profile
	bounds.Registration = &latchkey.SelfRegistration{TokenID: token.ID, TokenName: token.Name, Scopes: token.Scopes}
	return bounds, nil
}

// registrationBearer is the one token of a registration request. It stands in
// the header and nowhere else (RFC 6750 §2.1).
func (p *Provider) registrationBearer(ctx context.Context, r *http.Request) (string, error) {
	if r.URL.Query().Has("access_token") {
		return "", refuse(codeInvalidRequest, "A token does not belong into an address.").because("parameters_in_query")
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", refuse(codeInvalidRequest, "More than one token was sent.").because("repeated_parameter")
	}
	if err := p.Allow(ctx, limitClientAuth, registrationAccount); err != nil {
		return "", err
	}
	if len(headers) == 0 {
		return "", noToken()
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", noToken()
	}
	return token, nil
}

func noToken() *fault {
	return &fault{code: codeInvalidToken, text: "Show the token in the header Authorization, as Bearer.", status: http.StatusUnauthorized, reason: "no_token"}
}

// readDocument reads the body; the route's word has limited and checked it.
func readDocument(r *http.Request) ([]byte, error) {
	document, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	return document, nil
}

// newClientID makes the id of an application that registers itself: random, so
// that nobody knows it before.
func newClientID() string { return strings.ToLower(rand.Text()) }

// actingClient returns a context in which an application acts that proved itself
// by its registration.
func actingClient(ctx context.Context, id string) context.Context {
	actor := latchkey.ActorFrom(ctx)
	actor.Kind, actor.ClientID = latchkey.ActorClient, id
	return latchkey.WithActor(ctx, actor)
}

// registrationAnswer is that of RFC 7591 §3.2.1 and RFC 7592 §3: what was really
// registered, and where and by what token it is managed. secret is "" unless it
// was made just now: only its hash is kept.
func (p *Provider) registrationAnswer(c *latchkey.Client, token, secret string) (map[string]any, error) {
	metadata, err := c.RegistrationDocument()
	if err != nil {
		return nil, err
	}
	answer := map[string]any{
		"client_id": c.ID, "client_id_issued_at": c.CreatedAt.Unix(),
		"registration_client_uri": p.Issuer + pathRegister + "/" + c.ID, "registration_access_token": token,
	}
	for member, value := range metadata {
		answer[member] = value
	}
	if secret != "" {
		answer["client_secret"] = secret
	}
	if c.HasSecret() {
		answer["client_secret_expires_at"] = 0 // never
	}
	return answer, nil
}

// checkFetched judges the addresses that latchkey will go to, before they are
// stored. What it refuses is recorded; a stranger does not learn what a name
// resolves to.
func (p *Provider) checkFetched(ctx context.Context, c *latchkey.Client) error {
	wrong := map[string]string{}
	for member, refusal := range p.Outbound.CheckAll(ctx, c.Fetched()) {
		wrong[member] = refusal.Public()
		err := p.refused(ctx, latchkey.Event{Kind: latchkey.OutboundBlocked, ClientID: c.ID, Outcome: latchkey.Failure,
			Reason: refusal.Reason, Detail: map[string]any{"member": member}})
		if err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return latchkey.InvalidFields(wrong)
	}
	return nil
}

// answerRegistrationFault writes a refusal of registration (RFC 7591 §3.2.2, RFC
// 7592 §2) and its event. clientID is whom it was about, as far as that is known.
func (p *Provider) answerRegistrationFault(c *gin.Context, clientID string, err error) error {
	f := registrationFault(err)
	if f == nil {
		return err
	}
	ctx := c.Request.Context()
	if f.status == http.StatusUnauthorized {
		p.Penalize(ctx, limitClientAuth, registrationAccount)
	}
	if !latchkey.ClientID(clientID) {
		clientID = ""
	}
	if err := p.refused(ctx, latchkey.Event{Kind: latchkey.RegistrationRefused, ClientID: clientID, Outcome: latchkey.Failure, Reason: f.why()}); err != nil {
		return err
	}
	return p.answerBearer(c, &recorded{f})
}

// registrationFault is what an error becomes in the words of registration; nil
// means that it is none of the application's.
func registrationFault(err error) *fault {
	if f := (*fault)(nil); errors.As(err, &f) {
		return f
	}
	problem := (*latchkey.Problem)(nil)
	if !errors.As(err, &problem) {
		return nil
	}
	switch {
	case problem.Code == "invalid_token":
		return &fault{code: codeInvalidToken, text: problem.Message, status: http.StatusUnauthorized, reason: "bad_token"}
	case problem.Code == "client_disabled":
		return &fault{code: codeAccessDenied, text: problem.Message, status: http.StatusForbidden, reason: problem.Code}
	case problem.Code == "malformed_metadata":
		return refuse(codeInvalidMetadata, problem.Message).because(problem.Code)
	case problem.Fields["software_statement"] != "":
		return refuse(codeUnapprovedStatement, "The statements of no publisher are believed here.")
	case problem.Fields["redirect_uris"] != "":
		return refuse(codeInvalidRedirectURI, inWords(problem.Fields))
	case len(problem.Fields) > 0:
		return refuse(codeInvalidMetadata, inWords(problem.Fields))
	}
	return nil
}

// maxDescription bounds the words of a refusal, in bytes.
const maxDescription = 1000

// inWords says of each wrong member what is wrong with it.
func inWords(wrong map[string]string) string {
	var said []string
	for _, member := range slices.Sorted(maps.Keys(wrong)) {
		said = append(said, member+": "+wrong[member])
	}
	words := strings.Join(said, " ")
	return words[:min(len(words), maxDescription)]
}
