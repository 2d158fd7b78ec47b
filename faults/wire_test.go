package faults_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// answer is what the server said, read to its end. Status 0 means that there
// was none, or only a part of one: nobody can tell then what was done.
type answer struct {
	request string // number of the request in the log
	status  int
	header  http.Header
	body    []byte
}

// acknowledged tells whether the caller was told that it was done. An answer of
// 503 is no such word, and no word of the contrary either: the database may
// have gone after it committed and before it said so.
func (a *answer) acknowledged() bool { return a.status >= 200 && a.status < 400 }

// inDoubt tells whether nobody knows if it was done.
func (a *answer) inDoubt() bool { return a.status == 0 || a.status == http.StatusServiceUnavailable }

func (a *answer) String() string { return fmt.Sprintf("%d %.300s", a.status, a.body) }

// decode reads the body as JSON into v; what is no JSON leaves v empty.
func (a *answer) decode(v any) { _ = json.Unmarshal(a.body, v) }

// requests numbers what all tests of this binary send.
var requests atomic.Int64

// line is a connection that sends every request once: the usual transport
// repeats a GET on a connection that broke, and two events would be right then.
type line struct {
	transport *http.Transport
	last      string // number of the last request
	failed    bool   // it got no answer, or 503
	answer    *answer
}

func newLine() *line {
	return &line{transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 20 * time.Second}}
}

// RoundTrip implements http.RoundTripper. It numbers the request.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	l.last = fmt.Sprintf("request-%d", requests.Add(1))
	req = req.Clone(req.Context())
	req.Header.Set("X-Request-Id", l.last)
	res, err := l.transport.RoundTrip(req)
	l.failed = err != nil || res.StatusCode == http.StatusServiceUnavailable
	return res, err
}

// send sends one request without a cookie jar.
func (l *line) send(req *http.Request) (*answer, error) {
	return l.sendWith(&http.Client{Transport: l, CheckRedirect: stay}, req)
}

func (l *line) sendWith(client *http.Client, req *http.Request) (*answer, error) {
	res, err := client.Do(req)
	got := &answer{request: l.last}
	l.answer = got
	if err != nil {
		return got, err
	}
	defer res.Body.Close()
	got.header = res.Header
	if got.body, err = io.ReadAll(res.Body); err != nil {
		return got, err // half an answer is none
	}
	got.status = res.StatusCode
	return got, nil
}

// stay follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
