package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"
)

// A host that failed so often in a row is left in peace for that long; then one
// request finds out whether it is back.
const (
	maxFailures = 5
	restTime    = 30 * time.Second
)

// ErrResting says that the host failed too often just now and was not asked.
var ErrResting = errors.New("the host failed too often just now")

// errFailing is the answer of a host that is there but does not work.
var errFailing = errors.New("the host answered with a fault of its own")

type breaker = gobreaker.CircuitBreaker[*Answer]

// guard sends through the breaker of a host. Refusals of ours and callers that
// went away say nothing about the host.
func (c *Client) guard(ctx context.Context, host string, send func() (*Answer, error)) (*Answer, error) {
	b, _ := c.hosts.ComputeIfAbsent(host, func() (*breaker, bool) { return newBreaker(), false })
	answer, err := b.Execute(func() (*Answer, error) {
		answer, err := send()
		if err != nil && context.Cause(ctx) == context.Canceled {
			return answer, errors.Join(err, context.Canceled)
		}
		if err == nil && answer.Status >= 500 {
			return answer, errFailing
		}
		return answer, err
	})
	switch {
	case errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests):
		return nil, fmt.Errorf("%w: %s", ErrResting, host)
	case errors.Is(err, errFailing):
		return answer, nil
	}
	return answer, err
}

func newBreaker() *breaker {
	return gobreaker.NewCircuitBreaker[*Answer](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     restTime,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= maxFailures },
		IsExcluded: func(err error) bool {
			refusal := (*Refusal)(nil)
			return errors.Is(err, context.Canceled) || errors.As(err, &refusal)
		},
	})
}
