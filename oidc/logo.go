package oidc

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
)

// logosAtOnce is how many logos one turn of FetchLogos fetches.
const logosAtOnce = 20

// FetchLogos fetches the logos of applications that are new, changed or old, one
// after the other. An address that does not answer is tried again in an hour.
func (p *Provider) FetchLogos(ctx context.Context) error {
	due, err := p.DB.DueLogos(ctx, logosAtOnce)
	if err != nil {
		return err
	}
	for _, clientID := range due {
		if err := p.fetchLogo(ctx, clientID); err != nil {
			return err
		}
	}
	return nil
}

// fetchLogo fetches the logo of one application, unless that was done less than
// 30 s ago. Whatever is wrong with it is logged and keeps nobody from anything;
// an error is the database's.
func (p *Provider) fetchLogo(ctx context.Context, clientID string) error {
	var uri string
	err := p.DB.InTx(ctx, func(tx *storage.Tx) (err error) {
		uri, err = tx.ClaimLogo(ctx, clientID)
		return err
	})
	if err != nil || uri == "" {
		return err
	}
	answer, err := p.Outbound.Get(ctx, uri, "image/png, image/webp, image/jpeg, image/gif")
	if lost := p.blocked(ctx, clientID, "logo_uri", err); lost != nil {
		return lost
	}
	var drawn []byte
	if err == nil {
		p.drawing.Lock() // one at a time: an open image takes up to 16 MiB
		drawn, err = drawLogo(answer.Body)
		p.drawing.Unlock()
	}
	if err != nil {
		p.Log.WarnContext(ctx, "the logo of an application could not be fetched", "client_id", clientID, "cause", err.Error())
		return nil
	}
	return p.DB.InTx(ctx, func(tx *storage.Tx) error { return tx.KeepLogo(ctx, clientID, uri, drawn) })
}

// logoAfter fetches the logo of an application whose registration is stored
// already: its answer holds what nobody can give it again, so it is answered
// whatever becomes of the logo, and the background tries once more.
func (p *Provider) logoAfter(ctx context.Context, clientID string) {
	if err := p.fetchLogo(ctx, clientID); err != nil {
		p.Log.ErrorContext(ctx, "the logo of an application was not stored", "client_id", clientID, "cause", err.Error())
	}
}

// Logo serves GET /logos/HASH.png: the copy of an application's logo.
func (p *Provider) Logo(c *gin.Context) error {
	hash, ok := strings.CutSuffix(c.Param("file"), ".png")
	if !ok {
		return noLogo()
	}
	image, err := p.DB.Logo(c.Request.Context(), hash)
	if errors.Is(err, latchkey.ErrNotFound) {
		return noLogo()
	}
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Data(http.StatusOK, "image/png", image)
	return nil
}

func noLogo() error {
	return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such picture.")
}
