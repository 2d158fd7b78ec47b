package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestWhatAnApplicationWasTold stands on its page: the address, the newest
// sign-outs with state, reason, attempts and next try, and how many there were.
func TestWhatAnApplicationWasTold(t *testing.T) {
	t.Parallel()
	c := open(t)
	_, path, _ := c.wiki()
	if p := c.open(path); p.find("table", "id", "logout-notices") != nil || p.shows("Sign-outs") {
		t.Errorf("an application that is told nothing: %s", p.text())
	}
	const uri = "https://wiki.example.com/backchannel"
	c.done(c.submit(c.open(path), path, url.Values{"backchannel_logout_uri": {uri}}), path, "saved", "Settings saved")
	if p := c.open(path); !p.shows("latchkey tells "+uri, "Nobody did in the last days.") || p.form(path).Get("backchannel_logout_uri") != uri {
		t.Errorf("before anybody signed out: %s", p.text())
	}
	c.Exec(t, `
		INSERT INTO jobs (id, kind, key, payload, attempts, next_at, expires_at, done_at, last_status, created_at)
		SELECT gen_random_uuid(), 'logout', c.id, '\x00', j.n, now() + interval '10 minutes 5 seconds', now() + interval '1 day', CASE WHEN j.done THEN now() END, j.why, now() - j.age * interval '1 hour'
		FROM clients c, (VALUES (1, true, '', 3), (4, false, 'status_503', 2), (29, true, 'no_answer', 25)) j (n, done, why, age)`)
	p := c.open(path)
	if !p.shows("In the last days: 1 delivered, 1 waiting, 1 given up.", "2 hours agoWaiting It answered with status 503.4in 10 minutes", "3 hours agoSigned out1–", "Not reached It did not answer.29–") {
		t.Errorf("the page says %s", p.text())
	}
	for wrong, says := range map[string]string{"https://wiki.example.com/b#x": "fragment", "wiki.example.com": "https://"} {
		p := c.submit(c.open(path), path, url.Values{"backchannel_logout_uri": {wrong}}).want(http.StatusUnprocessableEntity, "admin-client-detail")
		if !strings.Contains(p.problem("backchannel_logout_uri"), says) {
			t.Errorf("%s: %q", wrong, p.problem("backchannel_logout_uri"))
		}
	}
}
