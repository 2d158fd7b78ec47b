package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"

	"latchkey"
)

// maxLogValue is the longest value of a log attribute in bytes; whatever
// strangers send is cut to it.
const maxLogValue = 512

// maxStack is the exception: a stack shorter than this is worth its bytes.
const maxStack = 16 << 10

// NewLogger returns a logger that writes one line per record to w, as "json"
// or as "text", and cuts every value. Messages are constants; what varies is
// in attributes, where the handlers escape line ends, control characters and
// broken UTF-8.
func NewLogger(w io.Writer, format string, level slog.Leveler) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: cutAttr}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	default:
		return nil, fmt.Errorf("log format %q is neither json nor text", cut(format, 20))
	}
}

func cutAttr(_ []string, a slog.Attr) slog.Attr {
	limit := maxLogValue
	if a.Key == "stack" {
		limit = maxStack
	}
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(cut(a.Value.String(), limit))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(cut(v.Error(), limit))
		case []byte:
			a.Value = slog.StringValue(cut(string(v), limit))
		}
	}
	return a
}

// serverLog receives what net/http has to say. Its lines carry whole client
// addresses, which the log must not, and handshakes that fail are daily noise
// from scanners.
func serverLog(l *slog.Logger) *log.Logger {
	return log.New(lineWriter{l}, "", 0)
}

type lineWriter struct{ log *slog.Logger }

func (w lineWriter) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if rest, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		peer, reason, _ := strings.Cut(rest, ": ")
		w.log.Debug("TLS handshake did not succeed", "address", latchkey.AddressPrefix(hostAddr(peer)), "reason", reason)
		return len(line), nil
	}
	level := slog.LevelWarn
	if strings.HasPrefix(text, "http2:") {
		level = slog.LevelDebug // what clients do wrong on their own connection
	}
	w.log.Log(context.Background(), level, "http server", "detail", text)
	return len(line), nil
}
