package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// edgeOptions is what the protective shell needs to know.
type edgeOptions struct {
	Issuer         *url.URL       // required; its scheme decides about HSTS, its origin is the one that may post
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-* and X-Request-Id are believed; empty = none
	Log            *slog.Logger   // required
	RateLimits     bool           // false switches every 429 off and says so loudly
	Checks         []Check        // what readiness asks; empty = always ready
	// Probe tells whether a token was made with our keys; nil means that nobody
	// is told what a request looked like.
	Probe func(token string) bool
	// ErrorPage renders the page for an error; nil means the plain one that is
	// also used when rendering fails.
	ErrorPage func(ErrorPage) ([]byte, error)
}

// edge is the protective shell around every feature: what each request passes
// before a handler sees it, and the only place that turns errors into answers.
// The words on the lines of the route table are its methods.
type edge struct {
	issuer    *url.URL
	proxies   proxies
	log       *slog.Logger
	errorPage func(ErrorPage) ([]byte, error)
	guard     *http.CrossOriginProtection
	probe     func(token string) bool
	limits    *limiter
	health    *health
	drain     drain
	now       func() time.Time
}

// newEdge checks the options. It starts nothing.
func newEdge(o edgeOptions) (*edge, error) {
	if o.Issuer == nil || o.Issuer.Host == "" {
		return nil, errors.New("server: an issuer with a host is required")
	}
	if o.Log == nil {
		return nil, errors.New("server: a logger is required")
	}
	guard := http.NewCrossOriginProtection()
	// Behind a proxy the Host header may be another name than the one in the
	// browser's address bar; the issuer's origin is always our own.
	if err := guard.AddTrustedOrigin(o.Issuer.Scheme + "://" + o.Issuer.Host); err != nil {
		return nil, fmt.Errorf("trust the issuer's origin: %w", err)
	}
	limits, err := newLimiter(o.RateLimits)
	if err != nil {
		return nil, err
	}
	if !o.RateLimits {
		o.Log.Error("RATE LIMITS ARE OFF: no request will be answered 429; meant for benchmarks and certification only")
	}
	e := &edge{
		issuer:    o.Issuer,
		proxies:   o.TrustedProxies,
		log:       o.Log,
		errorPage: o.ErrorPage,
		guard:     guard,
		probe:     o.Probe,
		limits:    limits,
		now:       time.Now,
	}
	e.health = newHealth(o.Checks, &e.drain)
	return e, nil
}

// engine is the router with everything that holds for every request. Routes
// are added by the route table.
func (e *edge) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.RemoveExtraSlash = false
	// "/a%2Fb" is one segment that holds a slash, never two segments.
	r.UseRawPath = true
	r.UnescapePathValues = true
	r.ForwardedByClientIP = false // addresses come from proxies.client only
	r.Use(e.identify, e.accessLog, e.securityHeaders, e.recoverPanic, e.admit, e.budget, e.closeBody)
	r.NoRoute(e.page(func(*gin.Context) error { return errNoRoute }))
	r.NoMethod(e.page(e.methodNotAllowed))
	return r
}

var errNoRoute = latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is nothing at this address.")

// methodNotAllowed answers 405 for a path that exists with other methods. gin
// has already listed them in Allow; HEAD goes wherever GET does.
func (e *edge) methodNotAllowed(c *gin.Context) error {
	allow := c.Writer.Header().Get("Allow")
	if strings.Contains(allow, http.MethodGet) && !strings.Contains(allow, http.MethodHead) {
		c.Header("Allow", allow+", "+http.MethodHead)
	}
	return &latchkey.Problem{
		Kind: latchkey.ErrInvalid, Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
		Message: "This address does not take that method.",
	}
}

type headKey struct{}

// handler is what the listener serves: the router, with HEAD served as GET
// (the HTTP server drops the body), since a router that lists only GET would
// refuse link checkers and mail scanners that RFC 9110 section 9.1 entitles
// to HEAD.
func (e *edge) handler(r http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodHead {
			req = req.WithContext(context.WithValue(req.Context(), headKey{}, true))
			req.Method = http.MethodGet
		}
		r.ServeHTTP(w, req)
	})
}

// close ends what the shell runs beside requests.
func (e *edge) close() { e.limits.close() }
