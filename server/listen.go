package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The times and sizes of a connection.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // header and body together
	writeTimeout  = 30 * time.Second
	idleTimeout   = 60 * time.Second
	drainTimeout  = 10 * time.Second
	quietTime     = time.Second // readiness says no, the door is still open
	maxStreams    = 100
)

// newHTTPServer is a server with the bounds that no handler can forget:
// whoever dribbles a request byte by byte is cut off after readTimeout.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true) // over TLS only; h2c stays off
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          serverLog(log),
		Protocols:         protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			WriteByteTimeout:     readTimeout,
			SendPingTimeout:      idleTimeout,
		},
		// "OPTIONS *" is answered by us, with our headers, like every path.
		DisableGeneralOptionsHandler: true,
	}
}

// serve answers requests on ln until ctx ends, then stops in order: readiness
// says no at once; the door stays open for a moment, so that balancers see it;
// then new work is refused and what is under way gets up to ten seconds in
// all. secure is nil for plain http behind a proxy or on localhost. It closes
// ln and returns nil after an orderly stop.
func (e *edge) serve(ctx context.Context, ln net.Listener, secure *tls.Config, h http.Handler) error {
	hs := newHTTPServer(h, e.log)
	// Not ctx itself: requests that are under way must outlive its end.
	hs.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	if secure != nil {
		hs.TLSConfig = secure
	}
	ended := make(chan error, 1)
	go func() {
		if secure != nil {
			ended <- hs.ServeTLS(ln, "", "")
			return
		}
		ended <- hs.Serve(ln)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	err := e.stop(hs)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (e *edge) stop(hs *http.Server) error {
	begin := time.Now()
	e.drain.leaving.Store(true)
	hs.SetKeepAlivesEnabled(false)
	e.log.Info("stopping", "under_way", e.drain.active.Load())
	time.Sleep(quietTime)
	e.drain.closed.Store(true)
	for e.drain.active.Load() > 0 && time.Since(begin) < drainTimeout {
		time.Sleep(10 * time.Millisecond)
	}
	ctx, cancel := context.WithDeadline(context.Background(), begin.Add(drainTimeout))
	defer cancel()
	if err := hs.Shutdown(ctx); err != nil {
		e.log.Warn("requests were cut off at the stop", "under_way", e.drain.active.Load())
		if err := hs.Close(); err != nil {
			return fmt.Errorf("close what did not end: %w", err)
		}
	}
	return nil
}
