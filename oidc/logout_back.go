package oidc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"latchkey"
	"latchkey/outbound"
	"latchkey/storage"
)

// How notices are delivered by one node.
const (
	noticesAtOnce = 64
	noticesEach   = 4                // at once to one application; one while it does not answer
	noticeLease   = 30 * time.Second // well above the 5 s of an attempt
	noticePoll    = 2 * time.Second  // for what other nodes queued, and what is due again
	firstPause    = 10 * time.Second // after the first failure; each is three times the one before
	longestPause  = time.Hour
)

// courier delivers the notices that one node claimed.
type courier struct {
	p      *Provider
	report func(error)
	freed  chan struct{}

	mu       sync.Mutex
	underway map[string]int  // by application
	silent   map[string]bool // applications that did not answer the last time

	running sync.WaitGroup
}

// DeliverLogouts tells applications of sessions that ended (OpenID Connect
// Back-Channel Logout 1.0): at once after a sign-out on this node, and for a day
// where an application does not answer. Several nodes share the work. It returns
// when ctx has ended and the attempts under way are over; failures that are ours
// are handed to report.
func (p *Provider) DeliverLogouts(ctx context.Context, report func(error)) {
	d := &courier{p: p, report: report, freed: make(chan struct{}, 1), underway: map[string]int{}, silent: map[string]bool{}}
	defer d.running.Wait()
	poll := time.NewTicker(noticePoll)
	defer poll.Stop()
	for {
		if err := d.take(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-p.DB.Queued():
		case <-d.freed:
		case <-poll.C:
		}
	}
}

// take claims what there is room for and starts to deliver it.
func (d *courier) take(ctx context.Context) error {
	c := storage.LogoutClaim{Limit: noticesAtOnce, Each: noticesEach, Lease: noticeLease}
	d.mu.Lock()
	for client, n := range d.underway {
		c.Limit -= n
		if n >= noticesEach || d.silent[client] {
			c.Busy = append(c.Busy, client)
		}
	}
	for client := range d.silent {
		c.Slow = append(c.Slow, client)
	}
	d.mu.Unlock()
	if c.Limit <= 0 {
		return nil
	}
	due, err := d.p.DB.ClaimLogouts(ctx, c)
	if err != nil {
		return err
	}
	for _, one := range due {
		d.mu.Lock()
		d.underway[one.ClientID]++
		d.mu.Unlock()
		d.running.Go(func() { d.deliver(ctx, one) })
	}
	return nil
}

// deliver makes one attempt and writes down what came of it. A stop of the
// server does not cut it off: it is short, and what the application was told
// would be forgotten.
func (d *courier) deliver(ctx context.Context, due storage.DueLogout) {
	ctx = latchkey.WithActor(context.WithoutCancel(ctx), latchkey.Actor{Kind: latchkey.ActorSystem})
	o, err := d.p.tell(ctx, due)
	if err == nil {
		err = d.p.settle(ctx, due, o)
	}
	d.mu.Lock()
	if d.underway[due.ClientID]--; d.underway[due.ClientID] == 0 {
		delete(d.underway, due.ClientID)
	}
	if o.Reason == latchkey.NoticeNoAnswer || o.Reason == latchkey.NoticeResting {
		d.silent[due.ClientID] = true
	} else {
		delete(d.silent, due.ClientID)
	}
	d.mu.Unlock()
	if err != nil {
		d.report(fmt.Errorf("tell %s of a sign-out: %w", due.ClientID, err)) // the lease ends, and somebody tries again
	}
	select {
	case d.freed <- struct{}{}:
	default: // it has not been read yet, and stands for this one too
	}
}

// tell sends one logout token (§2.5) to the address that the application has
// registered now. An error is ours, and no verdict on the application.
func (p *Provider) tell(ctx context.Context, due storage.DueLogout) (storage.LogoutOutcome, error) {
	if due.Broken {
		return storage.LogoutOutcome{Reason: latchkey.NoticeUnreadable, Final: true}, nil
	}
	c, err := p.DB.Client(ctx, due.ClientID)
	switch {
	case errors.Is(err, latchkey.ErrNotFound):
		return storage.LogoutOutcome{Reason: latchkey.NoticeNoApp, Final: true}, nil
	case err != nil:
		return storage.LogoutOutcome{}, err
	case c.Protocol.BackchannelLogoutURI == "":
		return storage.LogoutOutcome{Reason: latchkey.NoticeNoAddress, Final: true}, nil
	}
	token, err := p.logoutToken(ctx, c, due)
	if err != nil {
		return storage.LogoutOutcome{}, err
	}
	form := url.Values{"logout_token": {token}}
	answer, err := p.Outbound.Post(ctx, c.Protocol.BackchannelLogoutURI, "application/x-www-form-urlencoded", []byte(form.Encode()))
	o := storage.LogoutOutcome{Reason: whyNot(answer, err), Pause: pauseAfter(due.Attempt)}
	if r := (*outbound.Refusal)(nil); errors.As(err, &r) && due.Attempt == 1 {
		return o, p.refused(ctx, latchkey.Event{Kind: latchkey.OutboundBlocked, ClientID: c.ID, Outcome: latchkey.Failure,
			Reason: r.Reason, Detail: map[string]any{"member": "backchannel_logout_uri"}})
	}
	return o, nil
}

// whyNot is the reason why an attempt failed; "" = the application took the
// token. §2.8 asks for 200, and knows frameworks that answer 204.
func whyNot(answer *outbound.Answer, err error) string {
	r := (*outbound.Refusal)(nil)
	switch {
	case errors.As(err, &r) && r.Reason == outbound.Redirect:
		return latchkey.NoticeRedirect
	case errors.As(err, &r):
		return latchkey.NoticeBlocked
	case errors.Is(err, outbound.ErrResting):
		return latchkey.NoticeResting
	case err != nil:
		return latchkey.NoticeNoAnswer
	case answer.Status == http.StatusOK || answer.Status == http.StatusNoContent:
		return ""
	}
	return fmt.Sprintf("%s%d", latchkey.NoticeStatus, answer.Status)
}

// pauseAfter grows with the attempts, and differs by a fifth either way, so that
// an application that comes back does not meet all its notices at once.
func pauseAfter(attempt int) time.Duration {
	pause := firstPause
	for range attempt - 1 {
		if pause = 3 * pause; pause >= longestPause {
			pause = longestPause
			break
		}
	}
	return pause - pause/5 + rand.N(pause*2/5)
}

// settle writes the outcome down. A notice that was settled meanwhile by a node
// that took this one for dead is done.
func (p *Provider) settle(ctx context.Context, due storage.DueLogout, o storage.LogoutOutcome) error {
	state, err := p.DB.SettleLogout(ctx, due, o)
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil
	}
	if err == nil && state != latchkey.NoticeDelivered {
		p.Log.WarnContext(ctx, "an application was not told of a sign-out", "client_id", due.ClientID, "reason", o.Reason, "attempt", due.Attempt, "given_up", state == latchkey.NoticeFailed)
	}
	return err
}
