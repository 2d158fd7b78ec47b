package oidc

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
)

// Registered serves GET /oauth2/register/{id}: an application reads its
// registration (RFC 7592 §2.1).
func (p *Provider) Registered(c *gin.Context) error {
	return p.manage(c, func(ctx context.Context, id, token string) error {
		cl, err := p.DB.RegisteredClient(ctx, id, token)
		if err != nil {
			return err
		}
		answer, err := p.registrationAnswer(cl, token, "")
		if err != nil {
			return err
		}
		return p.answerJSON(c, http.StatusOK, answer)
	})
}

// Reregister serves PUT /oauth2/register/{id}: an application replaces its
// registration (RFC 7592 §2.2) and gets another registration access token.
func (p *Provider) Reregister(c *gin.Context) error {
	return p.manage(c, func(ctx context.Context, id, token string) error {
		answer, err := p.reregister(ctx, c.Request, id, token)
		if err != nil {
			return err
		}
		return p.answerJSON(c, http.StatusOK, answer)
	})
}

func (p *Provider) reregister(ctx context.Context, r *http.Request, id, token string) (map[string]any, error) {
	before, err := p.DB.RegisteredClient(ctx, id, token)
	if err != nil {
		return nil, err
	}
	document, err := readDocument(r)
	if err != nil {
		return nil, err
	}
	if err := p.checkReplacement(before, document); err != nil {
		return nil, err
	}
	wanted, err := before.Register(document)
	if err != nil {
		return nil, err
	}
	if err := p.checkFetched(ctx, wanted); err != nil {
		return nil, err
	}
	if err := p.checkSector(ctx, wanted); err != nil {
		return nil, err
	}
	ctx = actingClient(ctx, id)
	var done *storage.Reregistered
	err = p.DB.InTx(ctx, func(tx *storage.Tx) (err error) {
		done, err = tx.ReregisterClient(ctx, id, token, func(now *latchkey.Client) (*latchkey.Client, error) { return now.Register(document) })
		return err
	})
	if err != nil {
		return nil, err
	}
	p.logoAfter(ctx, id)
	return p.registrationAnswer(done.Client, done.Token, done.Secret)
}

// checkReplacement judges what RFC 7592 §2.2 asks of a document beside its
// metadata: it names the application, may show the secret that it has, and
// leaves out what only the server says.
func (p *Provider) checkReplacement(before *latchkey.Client, document []byte) error {
	var said map[string]json.RawMessage
	if err := json.Unmarshal(document, &said); err != nil {
		return nil // Register says what is wrong with it
	}
	wrong := map[string]string{}
	for _, member := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, ok := said[member]; ok {
			wrong[member] = "The server says this. Leave it out."
		}
	}
	if id, ok := textOf(said["client_id"]); !ok || id != before.ID {
		wrong["client_id"] = "Name the client that the registration access token is for."
	}
	if raw, ok := said["client_secret"]; ok {
		if secret, ok := textOf(raw); !ok || p.DB.MatchSecret(before, secret) == nil {
			wrong["client_secret"] = "This is not the secret of the client. It cannot be chosen; leave it out."
		}
	}
	if len(wrong) > 0 {
		return latchkey.InvalidFields(wrong)
	}
	return nil
}

// textOf reads a member that is a text.
func textOf(raw json.RawMessage) (text string, ok bool) {
	var read *string
	if json.Unmarshal(raw, &read) != nil || read == nil {
		return "", false
	}
	return *read, true
}

// Deregister serves DELETE /oauth2/register/{id}: an application deletes itself
// with all it has (RFC 7592 §2.3).
func (p *Provider) Deregister(c *gin.Context) error {
	return p.manage(c, func(ctx context.Context, id, token string) error {
		ctx = actingClient(ctx, id)
		if err := p.DB.InTx(ctx, func(tx *storage.Tx) error { return tx.DeregisterClient(ctx, id, token) }); err != nil {
			return err
		}
		c.Header("Cache-Control", "no-store")
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return nil
	})
}

// manage does something with the registration that the address names, by the
// token that was shown for it.
func (p *Provider) manage(c *gin.Context, do func(ctx context.Context, id, token string) error) error {
	ctx, id := c.Request.Context(), c.Param("id")
	token, err := p.registrationBearer(ctx, c.Request)
	if err == nil {
		err = do(ctx, id, token)
	}
	if err != nil {
		return p.answerRegistrationFault(c, id, err)
	}
	return nil
}
