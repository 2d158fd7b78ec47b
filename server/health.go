package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// Check is one thing that readiness depends on.
type Check struct {
	Name string                      // such as "database"; shown to whoever asks
	Run  func(context.Context) error // must heed its context
}

// safely runs the check; one that panics has failed.
func (c Check) safely(ctx context.Context) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("check %s: panic: %v", c.Name, value)
		}
	}()
	return c.Run(ctx)
}

const (
	// With these two a database that hangs is seen in less than 2 s.
	healthAge     = time.Second
	healthTimeout = 900 * time.Millisecond
)

// health answers whether this node should get requests. It asks each check at
// most once a second, whoever asks how often; a halted sequencer or a full
// disk is an alarm elsewhere and never takes away a node that can still serve.
type health struct {
	checks []Check
	drain  *drain

	mu     sync.Mutex
	asked  time.Time
	failed []string
}

func newHealth(checks []Check, d *drain) *health {
	return &health{checks: checks, drain: d}
}

// healthz answers 200 as long as the process can answer at all.
func (e *edge) healthz(c *gin.Context) {
	answer := gin.H{"status": "alive"}
	e.answerProbe(c, answer)
	c.JSON(http.StatusOK, answer)
}

// readyz answers 200 when database, schema and keys are in order, else 503
// with the names of what is not.
func (e *edge) readyz(c *gin.Context) {
	if e.drain.leaving.Load() {
		c.Header("Retry-After", "1")
		c.JSON(http.StatusServiceUnavailable, gin.H{"status": "stopping"})
		return
	}
	if failed := e.health.ask(c.Request.Context()); len(failed) > 0 {
		c.Header("Retry-After", "1")
		c.JSON(http.StatusServiceUnavailable, gin.H{"status": "unready", "failed": failed})
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "ready"})
}

// ask returns the names of the checks that fail, from a result that is at most
// healthAge old. The lock makes parallel questions wait for one answer.
func (h *health) ask(ctx context.Context) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.asked.IsZero() && time.Since(h.asked) < healthAge {
		return h.failed
	}
	// Not the asker's own end: it must not decide what the next ones read.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	results := make([]chan error, len(h.checks))
	for i, check := range h.checks {
		results[i] = make(chan error, 1)
		go func() { results[i] <- check.safely(ctx) }()
	}
	var failed []string
	for i, check := range h.checks {
		select {
		case err := <-results[i]:
			if err != nil {
				failed = append(failed, check.Name)
			}
		case <-ctx.Done():
			failed = append(failed, check.Name)
		}
	}
	h.asked, h.failed = time.Now(), failed
	return failed
}
