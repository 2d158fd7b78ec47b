package server

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// checkpoint serves GET /audit/checkpoint: the head of the audit tree as it is
// now, signed. It is public, so that anybody can keep one outside the house.
// Whoever has the newest is told so by its tag (RFC 9110 §13.1.2).
func (s *Server) checkpoint(c *gin.Context) error {
	signed, err := s.audit.Checkpoint(c.Request.Context())
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(signed.Note))
	h := c.Writer.Header()
	h.Set("Cache-Control", "public, no-cache") // may be kept, but is asked for each time: an old head is no answer
	h.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, strings.NewReader(signed.Note))
	return nil
}
