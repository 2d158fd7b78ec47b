package chrome

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
)

// listen collects what the page complains about. It runs on the goroutine that
// reads from Chromium.
func (p *Page) listen(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.complain(fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.complain("exception: " + text + " " + e.ExceptionDetails.URL)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.complain(fmt.Sprintf("console %s: %s", e.Type, arguments(e.Args)))
		}
	case *audits.EventIssueAdded:
		switch d := e.Issue.Details; {
		case d != nil && d.ContentSecurityPolicyIssueDetails != nil:
			p.complain(fmt.Sprintf("content security policy: %s forbids %s", d.ContentSecurityPolicyIssueDetails.ViolatedDirective, d.ContentSecurityPolicyIssueDetails.BlockedURL))
		case d != nil && d.GenericIssueDetails != nil && d.GenericIssueDetails.ErrorType == audits.GenericIssueErrorTypeNavigationEntryMarkedSkippable:
			// Virtual authenticators answer without anybody touching the page.
		case e.Issue.Code == audits.InspectorIssueCodePerformanceIssue, e.Issue.Code == audits.InspectorIssueCodeBounceTrackingIssue:
			// Advice: scripts that read cookies, sites that only redirect.
		default:
			raw, err := json.Marshal(e.Issue.Details)
			p.complain(fmt.Sprintf("issue %s: %s %v", e.Issue.Code, raw, err))
		}
	}
}

func arguments(values []*runtime.RemoteObject) string {
	var words []string
	for _, v := range values {
		words = append(words, strings.TrimSpace(string(v.Value)+" "+v.Description))
	}
	return strings.Join(words, " ")
}

func (p *Page) complain(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, line)
}

// Expect waits for a complaint that holds these words, and takes it and its like
// away: a refusal is one line in the console that has to be there.
func (p *Page) Expect(words string) {
	p.t.Helper()
	deadline := time.Now().Add(p.Patience)
	for !p.forgive(words) {
		if time.Now().After(deadline) {
			p.t.Fatalf("nobody complained about %q", words)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Forgive lets complaints that hold these words pass from now on, whether they
// come or not: for a page that is refused again and again.
func (p *Page) Forgive(words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgiven = append(p.forgiven, words)
}

func (p *Page) forgive(words string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.complaints)
	p.complaints = slices.DeleteFunc(p.complaints, func(line string) bool { return strings.Contains(line, words) })
	return len(p.complaints) < before
}

// quiet demands that there was nothing to complain about since the last time.
func (p *Page) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.complaints {
		if !slices.ContainsFunc(p.forgiven, func(words string) bool { return strings.Contains(line, words) }) {
			p.t.Errorf("the browser complains: %s", line)
		}
	}
	p.complaints = nil
}
