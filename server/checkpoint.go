package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// checkpoint serves GET /audit/checkpoint: the head of the audit tree as it is
// now, signed. It is public, so that anybody can keep one outside the house.
func (s *Server) checkpoint(c *gin.Context) error {
	signed, err := s.audit.Checkpoint(c.Request.Context())
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(signed.Note))
	return nil
}
