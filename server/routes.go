package server

import "net/http"

// routes is every address with its guards on the line.
func (s *Server) routes() http.Handler {
	r := s.engine()
	r.GET("/healthz", s.healthz)
	r.GET("/readyz", s.readyz)
	return s.handler(r)
}
