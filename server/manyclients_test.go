package server_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkManyClients: how many applications are registered must not matter to
// any of them, nor to a stranger's script that names an origin. p50 is of whole
// requests, authorize and exchange as one.
func BenchmarkManyClients(b *testing.B) {
	for _, registered := range []int{10, 10_000} {
		b.Run(fmt.Sprint(registered), func(b *testing.B) {
			d := benchDriver(b)
			d.register(registered)
			stranger := 0
			for _, flow := range []struct {
				name string
				do   func()
			}{
				{"authorize and token", func() { d.wants(d.exchange(d.code()), 200, "exchange") }},
				{"client_credentials", func() { d.wants(d.own(), 200, "client_credentials") }},
				{"token from an unknown origin", func() {
					stranger++
					origin := fmt.Sprintf("Origin: https://stranger-%d.example\r\n", stranger)
					d.wants(d.send("OPTIONS", "/oauth2/token", origin+"Access-Control-Request-Method: POST\r\n", "", ""), 204, "preflight")
				}},
			} {
				b.Run(flow.name, func(b *testing.B) {
					d.tb = b
					for range 20 {
						flow.do()
					}
					var took []time.Duration
					for b.Loop() {
						begin := time.Now()
						flow.do()
						took = append(took, time.Since(begin))
					}
					slices.Sort(took)
					b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
				})
			}
		})
	}
}

// register copies the web application so often, half of the copies for browsers,
// each with addresses of its own.
func (d *driver) register(n int) {
	d.tb.Helper()
	d.app.Exec(d.tb, `
		INSERT INTO clients SELECT (jsonb_populate_record(c, jsonb_build_object('id', 'many-' || n, 'name', 'Copy ' || n,
			'type', CASE WHEN n % 2 = 0 THEN 'spa' ELSE 'web' END, 'redirect_uris', jsonb_build_array('https://app-' || n || '.example/callback')))).*
		FROM clients c, generate_series(1, $1::int) n WHERE c.id = 'wiki'`, n)
	d.app.Exec(d.tb, `UPDATE cache_version SET version = version + 1 WHERE name = 'clients'`)
	d.app.Exec(d.tb, `ANALYZE clients`)
}
