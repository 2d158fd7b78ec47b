package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"latchkey"
)

// fuzzed is an application with every kind of redirect URI.
func fuzzed(typ string) *latchkey.Client {
	return &latchkey.Client{
		ID: "wiki", Type: typ, Profile: latchkey.ProfileOIDC, Enabled: true, AuthMethod: latchkey.AuthBasic,
		RedirectURIs: []string{"https://wiki.example.com/callback?keep=1", "http://127.0.0.1/cb", "http://[::1]:8000/cb?x=1",
			"http://127.0.0.1", "http://localhost/cb", "com.example.app:/cb"},
		GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken}, ResponseTypes: []string{"code"},
		Scopes: []string{"openid", "profile", "offline_access", "jobs:run"},
		APIs: []latchkey.ClientAPI{{Resource: "https://api.example.com", People: true, Permissions: []latchkey.ClientPermission{
			{Permission: latchkey.Permission{Scope: "read"}, People: true}, {Permission: latchkey.Permission{Scope: "write"}, Itself: true},
		}}},
	}
}

// FuzzMatchRedirect: what matches is registered letter by letter, or is the
// registered loopback address of a native application on another port, as the
// URL parser of a browser's kind reads it.
func FuzzMatchRedirect(f *testing.F) {
	for _, uri := range append(fuzzed("native").RedirectURIs, "http://127.0.0.1:49152/cb", "http://[::1]:7/cb?x=1", "http://127.0.0.1:1@evil.example/cb",
		"http://127.0.0.1:99999/cb", "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:1\\@evil/cb", "http://127.0.0.1:080/cb", "http://127.0.0.1?", "") {
		f.Add(uri, true)
		f.Add(uri, false)
	}
	f.Fuzz(func(t *testing.T, sent string, native bool) {
		typ := "web"
		if native {
			typ = "native"
		}
		c := fuzzed(typ)
		got, ok := matchRedirect(c, sent, true)
		if ok && got != sent {
			t.Fatalf("%q was answered at %q", sent, got)
		}
		if exact := slices.Contains(c.RedirectURIs, sent); exact != ok && (exact || !native) {
			t.Fatalf("%q: matches %v", sent, ok)
		} else if exact || !ok {
			return
		}
		u, err := url.Parse(sent)
		if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
			t.Fatalf("%q matches, and is %+v", sent, u)
		}
		if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
			t.Fatalf("%q matches on port %s", sent, u.Port())
		}
		same := func(registered string) bool {
			r, err := url.Parse(registered)
			return err == nil && r.Scheme == u.Scheme && r.Hostname() == u.Hostname() && r.EscapedPath() == u.EscapedPath() && r.RawQuery == u.RawQuery
		}
		if !slices.ContainsFunc(c.RedirectURIs, same) {
			t.Fatalf("%q matches nothing but for its port", sent)
		}
	})
}

// FuzzGate: a request that passes asks for nothing that is not allowed, and
// whatever happens the answer carries what the application may get and no more.
func FuzzGate(f *testing.F) {
	good := "response_type=code&scope=openid+profile&state=s&nonce=n&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
	for _, more := range []string{"", "&state=a&state=b", "&prompt=none+login", "&prompt=consent", "&max_age=-1", "&max_age=9223372036854775808", "&max_age=",
		"&request=x", "&resource=a&resource=b", "&resource=https://api.example.com", "&resource=https://api.example.com&resource=%ff", "&scope=openid+read&resource=https://api.example.com", "&scope=write&resource=https://api.example.com", "&scope=read", "&response_mode=fragment", "&a=%00", "&a=%ff", "&a=;b", "&scope=", "&hinted_subject=x", "&%zz"} {
		f.Add(good + more)
	}
	p := &Provider{Options: Options{Issuer: "https://id.example.com"}}
	f.Fuzz(func(t *testing.T, raw string) {
		form, err := parseQuery(raw)
		if err != nil {
			return
		}
		form = valued(form)
		rq := &request{client: fuzzed("web"), maxAge: -1, redirect: "https://wiki.example.com/callback?keep=1"}
		if v := form["state"]; len(v) == 1 && isText(v[0]) {
			rq.state = v[0]
		}
		rq.mode, rq.signed = answerMode(rq.client, form)
		err = judgeAll(rq, form)
		if err == nil {
			passed(t, rq, form)
		}
		params := errorParams(refuse(codeInvalidRequest, "Something \"odd\" \\ happened.\n"))
		p.complete(t.Context(), rq, params)
		back, perr := url.Parse(target(rq, params))
		if perr != nil || back.Host != "wiki.example.com" || (back.Fragment != "") != (rq.mode == latchkey.ModeFragment) {
			t.Fatalf("the answer goes to %v: %v", back, perr)
		}
		q := back.Query()
		if rq.mode == latchkey.ModeFragment {
			if q, perr = url.ParseQuery(back.EscapedFragment()); perr != nil {
				t.Fatal(perr)
			}
			q.Set("keep", back.Query().Get("keep"))
		}
		if q.Get("keep") != "1" || q.Get("iss") != p.Issuer || q.Get("state") != rq.state || len(q["error"]) != 1 || strings.ContainsAny(q.Get("error_description"), "\"\\\n") {
			t.Fatalf("the answer is %v", q)
		}
	})
}

// passed checks what the gate let through.
func passed(t *testing.T, rq *request, form url.Values) {
	t.Helper()
	for _, resource := range rq.resources {
		if resource != rq.issuer && !slices.Contains(rq.client.Resources(false), resource) {
			t.Fatalf("resource %q passed", resource)
		}
	}
	for name, values := range form {
		if len(values) != 1 && name != paramResource || !isText(name) || slices.ContainsFunc(values, isNoText) {
			t.Fatalf("%q=%q passed", name, values)
		}
	}
	for _, name := range []string{"request", "request_uri", "registration"} {
		if form.Has(name) {
			t.Fatalf("%s passed", name)
		}
	}
	allowed := func(s string) bool {
		return slices.Contains(rq.client.Scopes, s) || slices.Contains(rq.client.PermissionsAt(rq.resources, false), s)
	}
	if len(rq.scopes) == 0 || !allAre(rq.scopes, allowed) || len(rq.scopes) != len(words(strings.Join(rq.scopes, " "))) {
		t.Fatalf("scopes %q passed", rq.scopes)
	}
	if !slices.Contains(rq.client.ResponseTypes, rq.types) || rq.inFront() && rq.mode == latchkey.ModeQuery || rq.challenge != "" && len(rq.challenge) != 43 ||
		rq.gets("id_token") && (rq.nonce == "" || !slices.Contains(rq.scopes, scopeOpenID)) || form.Has("response_mode") && !strings.HasSuffix(form.Get("response_mode"), "jwt") && form.Get("response_mode") != rq.mode {
		t.Fatalf("%v passed", form)
	}
	if form.Has("max_age") != (rq.maxAge >= 0) || rq.asks(promptNone) && len(rq.prompt) != 1 {
		t.Fatalf("max_age %d and prompt %q passed for %v", rq.maxAge, rq.prompt, form)
	}
}

func allAre(list []string, is func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !is(s) })
}

// FuzzProtocolForm: what goes on from a POST is text, once each, with a value,
// and came in the body.
func FuzzProtocolForm(f *testing.F) {
	for _, body := range []string{"grant_type=refresh_token&refresh_token=x", "a=1&a=2", "a=%00", "a=%zz", "a=;b=c", "=x", "&&&", "a", "a=%ff", "scope=&scope="} {
		f.Add("POST", "", "application/x-www-form-urlencoded", body)
	}
	f.Add("GET", "a=1", "", "")
	f.Add("POST", "a=1", "application/x-www-form-urlencoded", "b=1")
	f.Add("POST", "", "application/json", "{}")
	f.Fuzz(func(t *testing.T, method, query, media, body string) {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(body))
		r.Method, r.URL.RawQuery = method, query
		r.Header.Set("Content-Type", media)
		form, err := protocolForm(r)
		if err != nil {
			return
		}
		if method != http.MethodPost || query != "" || !strings.HasPrefix(media, "application/x-www-form-urlencoded") {
			t.Fatalf("%s ?%s %s passed", method, query, media)
		}
		for name, values := range form {
			if len(values) != 1 || values[0] == "" && name != "max_age" || !isText(name+values[0]) {
				t.Fatalf("%q=%q passed", name, values)
			}
		}
	})
}

// FuzzBasic: id and secret are what was encoded (RFC 6749 §2.3.1), or nothing.
func FuzzBasic(f *testing.F) {
	encode := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, header := range []string{encode("wiki:secret"), encode("a%3Ab+c:%25%2B"), encode("wiki:a:b"), encode("wiki"), encode("%zz:x"), encode("%00:x"), encode(":"),
		"basic d2lraTp4", "Basic", "Basic !", "Bearer x", "", "Basic  d2lraTp4"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		id, secret, tried, why := readBasic(r)
		scheme, sent, _ := strings.Cut(header, " ")
		if tried != strings.EqualFold(scheme, "basic") {
			t.Fatalf("%q: tried %v", header, tried)
		}
		if why != "" {
			if id != "" || secret != "" {
				t.Fatalf("%q was refused and gave %q %q", header, id, secret)
			}
			return
		}
		raw, err := base64.StdEncoding.DecodeString(sent)
		if err != nil || !tried {
			t.Fatalf("%q was read", header)
		}
		rawID, rawSecret, found := strings.Cut(string(raw), ":")
		for _, part := range []struct{ raw, read string }{{rawID, id}, {rawSecret, secret}} {
			if want, err := url.QueryUnescape(part.raw); !found || err != nil || want != part.read {
				t.Fatalf("%q was read as %q", part.raw, part.read)
			}
		}
	})
}

// FuzzJTI: an id of a token has one spelling, and names what it was made for.
func FuzzJTI(f *testing.F) {
	grant, at := uuid.MustParse("01a20b62-0000-7000-8000-000000000001"), time.UnixMicro(1_800_000_000_000_001)
	jti := newJTI(grant, at)
	for _, seed := range []string{jti, jti + "=", jti[:42], strings.Repeat("A", 43), strings.Repeat("_", 43), jti + "A", " " + jti, ""} {
		f.Add(seed)
	}
	if id, issued, ok := readJTI(jti); !ok || id != grant.String() || !issued.Equal(at) {
		f.Fatalf("read back as %s %v %v", id, issued, ok)
	}
	f.Fuzz(func(t *testing.T, jti string) {
		id, issued, ok := readJTI(jti)
		if !ok {
			return
		}
		parsed := uuid.Nil
		if id != "" {
			parsed = uuid.MustParse(id)
		}
		if again := newJTI(parsed, issued); again[:32] != jti[:32] || len(again) != len(jti) {
			t.Fatalf("%q has another spelling, %q", jti, again)
		}
	})
}

// FuzzScopes: a list of scopes is a set without white space, and a refresh never
// widens it.
func FuzzScopes(f *testing.F) {
	for _, s := range []string{"openid", "openid profile", " openid\t profile\nopenid ", "", " ", "OPENID", "openid\u00a0profile", "offline_access jobs:run", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := words(s)
		for i, word := range list {
			if word == "" || strings.ContainsAny(word, " \t\r\n") || slices.Contains(list[:i], word) {
				t.Fatalf("%q is the list %q", s, list)
			}
		}
		granted := []string{"openid", "profile"}
		u := &unit{client: fuzzed("web"), scopes: granted}
		err := u.narrow(url.Values{"scope": {s}})
		if err == nil && (len(u.scopes) == 0 || !allAre(u.scopes, func(s string) bool { return slices.Contains(granted, s) })) {
			t.Fatalf("%q gave %q", s, u.scopes)
		}
		if err != nil && !slices.Equal(u.scopes, granted) {
			t.Fatalf("%q was refused and left %q", s, u.scopes)
		}
	})
}

// FuzzVerifier: the challenge of a verifier is that of RFC 7636 §4.6, one that
// the gate takes, or nothing that any challenge equals.
func FuzzVerifier(f *testing.F) {
	for _, s := range []string{"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", strings.Repeat("a", 42), strings.Repeat("~", 128), strings.Repeat("a", 129),
		strings.Repeat("a", 42) + "=", strings.Repeat("a", 42) + "\x00", strings.Repeat("é", 43), "malformed", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, verifier string) {
		got := challengeOf(url.Values{"code_verifier": {verifier}})
		rq := &request{client: fuzzed("spa")}
		taken := judgePKCE(rq, url.Values{"code_challenge": {got}, "code_challenge_method": {"S256"}}) == nil
		right := regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(verifier)
		if taken != right || got == "" {
			t.Fatalf("%q has the challenge %q", verifier, got)
		}
		if sum := sha256.Sum256([]byte(verifier)); right && got != base64.RawURLEncoding.EncodeToString(sum[:]) {
			t.Fatalf("%q has the challenge %q", verifier, got)
		}
	})
}

// FuzzAnswerAddress: an answer goes to the registered address, whatever is
// answered: the same scheme, host and path, its own parameters and ours once each.
func FuzzAnswerAddress(f *testing.F) {
	for _, uri := range append(fuzzed("native").RedirectURIs, "https://a.example", "https://a.example?", "https://a.example/?a=b&", "https://a.example/?a=b&a=c",
		"https://a.example/%2f?%61=%26", "https://a.example/;x?y;z=1", "com.example.app://host?a", "http://localhost:1/?=") {
		f.Add(uri, "state", "code")
	}
	f.Add("https://a.example/cb", "a&code=x#y\r\nSet-Cookie: a=b", "<>\"")
	p := &Provider{Options: Options{Issuer: "https://id.example.com"}}
	f.Fuzz(func(t *testing.T, uri, state, code string) {
		if latchkey.RedirectURIProblem(uri, true) != "" || !isText(state) || !isText(code) {
			return
		}
		rq, params := &request{redirect: uri, state: state}, url.Values{"code": {code}}
		p.complete(t.Context(), rq, params)
		target := target(rq, params)
		before, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		after, err := url.Parse(target)
		if err != nil || after.Scheme != before.Scheme || after.Host != before.Host || after.EscapedPath() != before.EscapedPath() || after.Opaque != before.Opaque ||
			after.User != nil || strings.ContainsAny(target, "#\r\n \"<>") || !strings.HasPrefix(target, uri) {
			t.Fatalf("an answer for %q goes to %q: %v", uri, target, err)
		}
		want, got := before.Query(), after.Query()
		want["code"], want["iss"] = []string{code}, []string{p.Issuer}
		if state != "" {
			want["state"] = []string{state}
		}
		if want.Encode() != got.Encode() {
			t.Fatalf("an answer for %q has the parameters %v, want %v", uri, got, want)
		}
	})
}
