package admin_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"latchkey"
	"latchkey/admin"
	"latchkey/outbound/outboundtest"
	"latchkey/storage/storagetest"
)

// TestSectorsAreProvedWhenTheyChange: the list that proves a sector is fetched
// when an application gets it, and when its addresses change; other changes do
// not depend on it.
func TestSectorsAreProvedWhenTheyChange(t *testing.T) {
	t.Parallel()
	var list atomic.Value
	list.Store(`["https://wiki.example.com/callback"]`)
	sector := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(list.Load().(string))) })
	db := storagetest.Connect(t, storagetest.URL(t))
	s, err := admin.New(admin.Options{DB: db, Issuer: "https://id.example.com", Outbound: outboundtest.Client(t, nil, outboundtest.Home)})
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(err error) string {
		p := (*latchkey.Problem)(nil)
		if !errors.As(err, &p) {
			t.Fatalf("answered %v", err)
		}
		return p.Fields["sector_identifier_uri"]
	}
	c := &latchkey.Client{ID: "wiki", Name: "Wiki", Type: latchkey.TypeWeb, RedirectURIs: []string{"https://other.example.com/callback"}}
	c.Protocol.SubjectType, c.Protocol.SectorIdentifierURI = latchkey.SubjectPairwise, sector
	if _, err := s.CreateClient(t.Context(), c, ""); !strings.Contains(wrong(err), "https://other.example.com/callback") {
		t.Errorf("answered %v", err)
	}
	c.RedirectURIs = []string{"https://wiki.example.com/callback"}
	made, err := s.CreateClient(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	list.Store("[]")
	renamed := *made.Client
	renamed.Name = "Docs"
	_, is, err := s.UpdateClient(t.Context(), &renamed)
	if err != nil {
		t.Fatalf("another name: %v", err)
	}
	moved := *is.Client
	moved.RedirectURIs = []string{"https://docs.example.com/callback"}
	if _, _, err := s.UpdateClient(t.Context(), &moved); !strings.Contains(wrong(err), "https://docs.example.com/callback") {
		t.Errorf("answered %v", err)
	}
	moved.Protocol.SectorIdentifierURI = sector + "/:)%"
	if _, _, err := s.UpdateClient(t.Context(), &moved); wrong(err) == "" {
		t.Error("a malformed address was taken")
	}
	gone := *is.Client
	gone.ID = "gone"
	if _, _, err := s.UpdateClient(t.Context(), &gone); !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("an application that is not there answered %v", err)
	}
}
