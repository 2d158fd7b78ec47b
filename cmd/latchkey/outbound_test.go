package main

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/storage/storagetest"
)

// authority runs an https host on this machine and writes who vouches for it to
// a file.
func authority(t *testing.T) (address, file string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, file
}

// TestOutboundSettings: each of the two is needed to reach a private host whose
// certificate is of an authority of one's own.
func TestOutboundSettings(t *testing.T) {
	t.Parallel()
	address, file := authority(t)
	for _, c := range []struct {
		name     string
		settings settings
		says     string
	}{
		{"both", settings{OutboundAllow: []string{" 127.0.0.1"}, OutboundCA: file}, ""},
		{"no network", settings{OutboundCA: file}, "loopback"},
		{"another network", settings{OutboundAllow: []string{"127.0.0.2", "10.0.0.0/8"}, OutboundCA: file}, "loopback"},
		{"no authority", settings{OutboundAllow: []string{"127.0.0.0/8"}}, "certificate"},
	} {
		if err := c.settings.checkOutbound(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_, err := c.settings.outbound.Get(t.Context(), address, "")
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// TestOpenedNetworksAreSaid: in the log of each start.
func TestOpenedNetworksAreSaid(t *testing.T) {
	t.Parallel()
	_, file := authority(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log strings.Builder
	code := run(ctx, []string{"serve", "--listen", freeAddress(t), "--database-url", storagetest.Empty(t), "--data-dir", t.TempDir(),
		"--outbound-allow", "10.1.0.0/16,fd00::/8", "--outbound-ca", file, "--log-format", "json"}, onReady(cancel), &log)
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, log.String())
	}
	for _, said := range []string{`"outbound_allow":["10.1.0.0/16","fd00::/8"]`, `"outbound_ca":"` + file + `"`} {
		if strings.Count(log.String(), said) != 1 {
			t.Errorf("the log does not say %s once:\n%s", said, log.String())
		}
	}
}

// onReady is a standard output that does something when serve is ready.
type onReady func()

func (f onReady) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "latchkey is ready at ") {
		f()
	}
	return len(p), nil
}
