package seal_test

import (
	"testing"

	"latchkey/seal"
)

func BenchmarkSeal(b *testing.B) {
	r, text := ring(b, fixed(b)), make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Seal(place, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, fixed(b))
	s := sealed(b, r, place, make([]byte, 300))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(place, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	r := ring(b, fixed(b))
	b.ReportAllocs()
	for b.Loop() {
		r.Hash("session", "a secret")
	}
}

func BenchmarkHashToken(b *testing.B) {
	r := ring(b, fixed(b))
	token, _ := r.NewToken("session")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.HashToken("session", token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	content := document(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seal.Parse(content); err != nil {
			b.Fatal(err)
		}
	}
}
