package oidc

import (
	"context"
	"time"

	"latchkey"
	"latchkey/storage"
	"latchkey/templates"
)

// answerWait is how long a page of ours waits, so that it can say who answered.
// Nobody waits who is sent on to an application.
const answerWait = time.Second

// answers is what became of the notices of a sign-out so far. The person is
// signed out already, so that a database that fails now costs them only the
// news.
func (p *Provider) answers(ctx context.Context, told []storage.Told) (apps []templates.ToldApp) {
	var ids []string
	for _, t := range told {
		if t.NoticeID != "" {
			ids = append(ids, t.NoticeID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	notices, err := p.waitForAnswers(ctx, ids)
	if err != nil {
		p.Log.ErrorContext(ctx, "the page after a sign-out cannot say who answered", "error", err)
	}
	for _, n := range notices {
		apps = append(apps, templates.ToldOf(n))
	}
	return apps
}

// waitForAnswers looks, ever less often, until each application was tried once
// or the wait is over. Another node may be the one that tells them: the rows
// know.
func (p *Provider) waitForAnswers(ctx context.Context, ids []string) ([]latchkey.Notice, error) {
	began := time.Now()
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		notices, err := p.DB.Notices(ctx, ids)
		left := answerWait - time.Since(began)
		if err != nil || left <= 0 || allTried(notices) {
			return notices, err
		}
		select {
		case <-ctx.Done():
			return notices, ctx.Err()
		case <-time.After(min(pause, left)):
		}
	}
}

func allTried(notices []latchkey.Notice) bool {
	for i := range notices {
		if !notices[i].Tried() {
			return false
		}
	}
	return true
}
