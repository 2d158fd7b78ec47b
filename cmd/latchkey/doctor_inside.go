package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"latchkey"
	signing "latchkey/keys"
	"latchkey/migrations"
	"latchkey/seal"
	"latchkey/storage"
	"latchkey/storage/embedpg"
)

// Bounds beyond which doctor speaks up.
const (
	clockWarn  = 2 * time.Second
	clockFail  = time.Minute
	keyAge     = signing.Age + 7*day // of a signing key without a successor
	auditDelay = time.Minute         // of the sequencer
	engineWait = 10 * time.Second    // for the database to answer
)

// inside looks at what this machine holds: files, database, keys.
func (x *examination) inside(ctx context.Context) {
	if !x.dataDir() {
		return
	}
	err := x.attached(ctx, func(url string) error {
		x.database(ctx, url)
		return nil
	})
	if err != nil {
		x.fail("database", "The private database cannot be used: "+err.Error()+".", "Look at postgres.log in "+x.DataDir+" and at the log of `latchkey serve`.")
	}
}

// dataDir looks at the folder, then stops being root. It reports whether there
// is a database to go on with.
func (x *examination) dataDir() bool {
	const check = "data_dir"
	state, err := embedpg.Look(x.DataDir)
	embedded := x.DatabaseURL == ""
	switch {
	case err != nil && errors.Is(err, embedpg.ErrDataDir):
		x.fail(check, err.Error()+".", "Name the folder of `latchkey serve` with --data-dir, and run doctor as the user that runs latchkey.")
		return false
	case err != nil && embedded:
		x.fail("database", err.Error()+".", "Install that version, or name another database with --database-url.")
		return false
	case embedded && state.Major == 0:
		x.warn(check, "There is no database in "+x.DataDir+" yet.", "Start `latchkey serve`, which makes it, or name the right folder with --data-dir.")
		return false
	case !state.Exists:
		return true
	case os.Geteuid() != 0 && state.Owner != uint32(os.Geteuid()):
		x.fail(check, fmt.Sprintf("%s belongs to user id %d, and doctor runs as %d.", x.DataDir, state.Owner, os.Geteuid()), "Run doctor as the user that runs latchkey.")
		return false
	}
	if err := x.giveUpRoot(); err != nil {
		x.keyTrouble(check, err)
		return false
	}
	switch {
	case state.Mode != 0o700:
		x.warn(check, fmt.Sprintf("%s was open to other users (mode %04o).", x.DataDir, state.Mode), "Run: chmod 700 "+x.DataDir+". See who can have read keys.json in it.")
	case state.Served:
		x.ok(check, x.DataDir+" is private, and latchkey serves from it.")
	default:
		x.ok(check, x.DataDir+" is private; nothing serves from it.")
	}
	return true
}

// keyTrouble is a finding about the key file when err is about it, else one of
// the given check.
func (x *examination) keyTrouble(check string, err error) {
	if code, _ := exitCode(err); code == exitKeys {
		x.fail("key_file", err.Error()+".", "Put the right key file in place (docs/operations.md, The key file). latchkey does not start without it.")
		return
	}
	x.fail(check, err.Error()+".", "Run doctor as root or as the user that runs latchkey.")
}

// database looks at the server, its schema, and all that is in it.
func (x *examination) database(ctx context.Context, url string) {
	const check = "database"
	asking, cancel := context.WithTimeout(ctx, engineWait)
	defer cancel()
	engine, err := storage.Look(asking, url)
	switch {
	case err != nil:
		x.fail(check, "The database does not answer: "+err.Error()+".", "Start PostgreSQL, and check address, user and password in --database-url.")
		return
	case engine.TooOld():
		x.fail(check, engine.Name()+" is too old.", "latchkey needs PostgreSQL 15 or newer: upgrade it.")
		return
	}
	x.ok(check, engine.Name()+" answers.")
	x.clock(engine.Ahead)
	if x.schema(ctx, url) {
		x.sealed(ctx, url)
	}
}

// clock compares this machine with the database, by whose time everything is
// judged.
func (x *examination) clock(ahead time.Duration) {
	message := fmt.Sprintf("This machine and the database differ by %v.", ahead.Abs().Round(100*time.Millisecond))
	next := "Let both follow the same time servers (NTP)."
	switch {
	case ahead.Abs() > clockFail:
		x.fail("clock", message, next)
	case ahead.Abs() > clockWarn:
		x.warn("clock", message, next)
	default:
		x.ok("clock", message)
	}
}

// schema reports whether it is one that this release can look into.
func (x *examination) schema(ctx context.Context, url string) bool {
	const check = "schema"
	status, err := migrations.Read(ctx, x.ownerURL(url))
	switch {
	case errors.Is(err, migrations.ErrNewer):
		x.fail(check, err.Error()+".", "Start the release that this database belongs to; an older one must not write to it.")
	case err != nil:
		x.fail(check, "The schema's version cannot be read: "+err.Error()+".", "Check the rights of the role in --database-url.")
	case len(status.Pending) > 0:
		x.warn(check, describe(status), "`latchkey serve` migrates at its start; with --no-migrate run `latchkey migrate up` first.")
	default:
		x.ok(check, describe(status))
		return true
	}
	return false
}

// sealed opens the database with the keys and looks at what they protect.
func (x *examination) sealed(ctx context.Context, url string) {
	db := x.keyFile(ctx, url)
	if db == nil {
		return
	}
	defer db.Close()
	in, err := db.Inspect(ctx)
	if err == nil {
		err = db.PollCaches(ctx) // the probe carries the database's time
	}
	if err != nil {
		x.fail("database", "The tables cannot be read: "+err.Error()+".", "Check the rights of the role in --database-url.")
		return
	}
	x.probe = db.NewProbe()
	x.rpID(in)
	x.signingKeys(ctx, db)
	x.audit(in)
}

// keyFile checks the keys against what was sealed with them, and returns the
// database opened with them, or nil.
func (x *examination) keyFile(ctx context.Context, url string) *storage.DB {
	const check = "key_file"
	own, err := x.readKeys()
	if errors.Is(err, seal.ErrMissing) {
		if sealed, lookErr := storage.HoldsSealed(ctx, url); lookErr == nil && !sealed {
			x.ok(check, "There is no key file yet, and nothing is sealed: the first start makes it.")
			return nil
		}
	}
	if err != nil {
		x.keyTrouble(check, err)
		return nil
	}
	db, err := x.openWith(ctx, url, own)
	if err != nil {
		x.fail("database", err.Error()+".", "Check the rights of the role in --database-url.")
		return nil
	}
	if err := db.MatchSealKeys(ctx); err != nil {
		db.Close()
		x.keyTrouble(check, err)
		return nil
	}
	x.ok(check, fmt.Sprintf("The keys belong to this database; they are of %s, version %d.", own.CreatedAt.UTC().Format(time.DateOnly), own.Version))
	return db
}

// rpID compares the setting with what passkeys were made for.
func (x *examination) rpID(in storage.Inspection) {
	const check = "rp_id"
	switch in.RPID {
	case "":
		x.ok(check, "Not frozen yet. Set-up will freeze "+x.RPID+", and passkeys cannot move to another domain later.")
	case x.RPID:
		x.ok(check, fmt.Sprintf("%s, for %d passkeys.", x.RPID, in.Passkeys))
	default:
		x.fail(check, fmt.Sprintf("The settings say %s, but the %d passkeys were made for %s and work nowhere else.", x.RPID, in.Passkeys, in.RPID),
			"Start with --rp-id "+in.RPID+" and an --issuer of that domain.")
	}
}

// signingKeys looks for an active key of each algorithm, and its age.
func (x *examination) signingKeys(ctx context.Context, db *storage.DB) {
	const check = "signing_keys"
	published, err := db.SigningKeys(ctx)
	if err != nil {
		x.fail(check, err.Error()+".", "Restore the database, or the key file that sealed this key; `latchkey keys rotate --now` makes new keys.")
		return
	}
	if _, err := db.EncryptionKeys(ctx); err != nil {
		x.fail(check, err.Error()+".", "Restore the database, or the key file that sealed this key.")
		return
	}
	for _, alg := range latchkey.SigningAlgs() {
		var active *latchkey.SigningKey
		successor := false
		for i := range published {
			switch k := &published[i]; {
			case k.Alg != alg:
			case k.State == latchkey.StateActive:
				active = k
			case k.State == latchkey.StateAnnounced:
				successor = true
			}
		}
		switch {
		case active == nil:
			x.fail(check, "No "+alg+" key signs.", "Start `latchkey serve`, which makes missing keys, or run `latchkey keys rotate --alg "+alg+" --now`.")
			return
		case !successor && time.Since(active.ActivateAt) > keyAge:
			x.warn(check, fmt.Sprintf("The %s key %s has signed since %s.", alg, active.KID, active.ActivateAt.Format(time.DateOnly)), "Run `latchkey keys rotate --alg "+alg+"`.")
			return
		}
	}
	x.newKeys(ctx, db, published)
}

// newKeys looks whether applications know the keys that sign now or within the
// hour.
func (x *examination) newKeys(ctx context.Context, db *storage.DB, published []latchkey.SigningKey) {
	const check = "signing_keys"
	readers, err := db.SuccessorReaders(ctx)
	if err != nil {
		x.fail(check, "It cannot be read who knows the new keys: "+err.Error()+".", "Check the rights of the role in --database-url.")
		return
	}
	missing, waiting := "", 0
	for _, k := range published {
		var names []string
		for _, r := range readers[k.KID] {
			if !r.HasKey() {
				names = append(names, r.ClientName)
			}
		}
		if waiting += len(names); len(names) > 0 && db.Clock().After(k.ActivateAt.Add(-time.Hour)) {
			missing += fmt.Sprintf(" The new %s key: %s.", k.Alg, someOf(names))
		}
	}
	message := fmt.Sprintf("%d published, one active for each algorithm.", len(published))
	switch {
	case missing != "":
		x.warn(check, message+" Applications that seem not to have fetched a key that signs now or within the hour."+missing,
			"See `latchkey keys list`. If one of them refuses tokens, start it again, so that it fetches the key set.")
	case waiting > 0:
		x.ok(check, message+" New ones are announced, and were not fetched by all applications yet.")
	default:
		x.ok(check, message)
	}
}

// someOf are a few of many names.
func someOf(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// audit looks whether the record keeps up.
func (x *examination) audit(in storage.Inspection) {
	const check = "audit"
	switch {
	case in.AuditHalted != "":
		x.fail(check, "The audit log's sequencer has stopped: "+in.AuditHalted+".", "Run `latchkey audit verify`, and keep the database as it is until you know why.")
	case in.AuditWaiting > auditDelay:
		x.warn(check, fmt.Sprintf("Events wait for the audit tree since %v.", in.AuditWaiting.Round(time.Second)), "`latchkey serve` takes them in; when it runs, look at its log.")
	default:
		x.ok(check, "Every event is in the tree, or about to be.")
	}
}
