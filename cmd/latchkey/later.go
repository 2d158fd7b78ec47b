package main

import (
	"fmt"
	"slices"
)

// later are the settings of releases to come. They are known so that nobody
// believes to have switched something on that is not there: any value but what
// the program does anyway is refused.
type later struct {
	RedisURL        string `hidden:"" name:"redis-url"`
	ChallengeStore  string `hidden:""`
	SignUpDomains   string `hidden:""`
	SMTPURL         string `hidden:"" name:"smtp-url"`
	MailFrom        string `hidden:""`
	MetricsListen   string `hidden:""`
	AuditRetention  string `hidden:""`
	AuditArchiveDir string `hidden:""`
	BackupDir       string `hidden:""`
}

// check is asked for sign-up too, of whose three values two are there.
func (l *later) check(signUp string) error {
	for _, s := range []struct {
		flag, value string
		instead     string   // what is done now
		fine        []string // values that say so
	}{
		{"redis-url", l.RedisURL, "nodes share what they must through PostgreSQL", nil},
		{"challenge-store", l.ChallengeStore, "challenges are kept in PostgreSQL", []string{"postgres"}},
		{"sign-up", signUp, "people come by invitation", []string{"invite", "off"}},
		{"sign-up-domains", l.SignUpDomains, "people come by invitation", nil},
		{"smtp-url", l.SMTPURL, "links are shown to whoever makes them", nil},
		{"mail-from", l.MailFrom, "no mail is sent", nil},
		{"metrics-listen", l.MetricsListen, "watch /readyz and the log", nil},
		{"audit-retention", l.AuditRetention, "events are kept for good", nil},
		{"audit-archive-dir", l.AuditArchiveDir, "events are kept in the database for good", nil},
		{"backup-dir", l.BackupDir, "back up with pg_dump", nil},
	} {
		if s.value == "" || slices.Contains(s.fine, s.value) {
			continue
		}
		if s.fine == nil { // the value may be a secret
			return fmt.Errorf("--%s: is not available in this release; %s (example: leave it out)", s.flag, s.instead)
		}
		return wrong(s.flag, fmt.Sprintf("%q is not available in this release; %s", s.value, s.instead), s.fine[0])
	}
	return nil
}
