package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Answer is what a host said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // of a GET; that of a POST is not read
}

// ErrStatus is wrapped by the error of a GET that was answered, but not with 200.
var ErrStatus = errors.New("unexpected status")

// ErrTooLarge is wrapped by the error of a GET whose answer is longer than
// 256 KiB.
var ErrTooLarge = errors.New("the answer is too large")

// Get fetches what an address holds. It tries twice within 5 s, reads 256 KiB at
// most, follows no redirect, and takes nothing but 200 for an answer. Whatever a
// rule forbids is a *Refusal.
func (c *Client) Get(ctx context.Context, address, accept string) (*Answer, error) {
	answer, err := c.send(ctx, address, maxTries, func(ctx context.Context, u *url.URL) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err == nil && accept != "" {
			r.Header.Set("Accept", accept)
		}
		return r, err
	})
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("%w %d", ErrStatus, answer.Status)
	}
	return answer, nil
}

// Post sends body once, within 5 s. Any status but a redirect is an answer; what
// stands in its body is not read.
func (c *Client) Post(ctx context.Context, address, contentType string, body []byte) (*Answer, error) {
	return c.send(ctx, address, 1, func(ctx context.Context, u *url.URL) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
		if err == nil {
			r.Header.Set("Content-Type", contentType)
		}
		return r, err
	})
}

func (c *Client) send(ctx context.Context, address string, tries int, build func(context.Context, *url.URL) (*http.Request, error)) (*Answer, error) {
	u, r := parse(address)
	if r != nil {
		return nil, r
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.guard(ctx, hostPort(u), func() (answer *Answer, err error) {
		for try := range tries {
			if try > 0 && !pause(ctx) {
				break
			}
			var r *http.Request
			if r, err = build(ctx, u); err != nil {
				return nil, err
			}
			if answer, err = c.once(u, r); !again(answer, err) {
				break
			}
		}
		return answer, err
	})
}

// pause waits before another try and tells whether there is time left for one.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(tryPause):
		return true
	}
}

// again tells whether another try may find what this one did not: a host that
// did not answer, or said that it cannot just now.
func again(answer *Answer, err error) bool {
	refusal := (*Refusal)(nil)
	if err != nil {
		return !errors.As(err, &refusal) && !errors.Is(err, ErrTooLarge)
	}
	return answer.Status == http.StatusBadGateway || answer.Status == http.StatusServiceUnavailable || answer.Status == http.StatusGatewayTimeout
}

func (c *Client) once(u *url.URL, r *http.Request) (*Answer, error) {
	client := c.plain
	if u.Scheme == "https" {
		client = c.secure
	}
	r.Header.Set("User-Agent", userAgent)
	res, err := client.Do(r)
	if err != nil {
		if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
			return nil, &Refusal{Host: u.Hostname(), Address: refusal.Address, Reason: refusal.Reason}
		}
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return nil, &Refusal{Host: u.Hostname(), Reason: Redirect}
	}
	answer := &Answer{Status: res.StatusCode, Header: res.Header}
	if r.Method != http.MethodGet {
		return answer, nil
	}
	answer.Body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(answer.Body) > maxBody {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxBody)
	}
	return answer, nil
}
