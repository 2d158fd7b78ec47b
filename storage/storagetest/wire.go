package storagetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// Wire stands between a program and its database and counts round trips: how
// often the program waits for the database (messages Sync and Query of
// PostgreSQL's protocol, §55.7). Statements that travel together are one.
type Wire struct {
	URL   string // connection string through the wire
	trips atomic.Int64
}

// NewWire puts a wire before the database at url, until the test ends.
func NewWire(t testing.TB, url string) *Wire {
	t.Helper()
	r, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	address := listener.Addr().(*net.TCPAddr)
	w := &Wire{URL: fmt.Sprintf("host=%s port=%d sslmode=disable %s", address.IP, address.Port, strings.TrimPrefix(url, "host="+r.dir))}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			go w.carry(conn, r.dir+"/.s.PGSQL.5432")
		}
	}()
	return w
}

// Reset begins to count anew.
func (w *Wire) Reset() { w.trips.Store(0) }

// Trips is the number of round trips since the last Reset.
func (w *Wire) Trips() int { return int(w.trips.Load()) }

// carry connects one client with the server until either leaves.
func (w *Wire) carry(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return // the client sees its connection end
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server) // ends with either connection
		_ = client.Close()
	}()
	_ = w.count(server, client) // likewise
}

// count passes the client's messages on. The first has no type.
func (w *Wire) count(to io.Writer, from io.Reader) error {
	for begun := false; ; begun = true {
		head := make([]byte, 5)
		if !begun {
			head = head[:4]
		}
		if _, err := io.ReadFull(from, head); err != nil {
			return err
		}
		size := binary.BigEndian.Uint32(head[len(head)-4:])
		if size < 4 {
			return errors.New("a message shorter than its length")
		}
		if begun && (head[0] == 'S' || head[0] == 'Q') {
			w.trips.Add(1)
		}
		if _, err := to.Write(head); err != nil {
			return err
		}
		if _, err := io.CopyN(to, from, int64(size)-4); err != nil {
			return err
		}
	}
}
