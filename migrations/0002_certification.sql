-- +goose Up

-- Applications -------------------------------------------------------------

-- Members of registration that steer the protocol (latchkey.ClientProtocol).
ALTER TABLE clients ADD COLUMN protocol jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(protocol) = 'object');


-- Signing keys -------------------------------------------------------------


-- People -------------------------------------------------------------------


-- Authorizations and tokens ------------------------------------------------

-- implicit: tokens by the browser, without a code.
ALTER TABLE grants DROP CONSTRAINT grants_kind_check;
ALTER TABLE grants ADD CONSTRAINT grants_kind_check CHECK (kind IN ('code', 'implicit', 'device', 'ciba', 'exchange')) NOT VALID;
ALTER TABLE grants VALIDATE CONSTRAINT grants_kind_check;

-- The pushed request that a waiting one came from: it is spent with it.
ALTER TABLE interactions ADD COLUMN pushed_hash bytea CHECK (length(pushed_hash) = 33);


-- Registration -------------------------------------------------------------


-- Signing out --------------------------------------------------------------

-- Whom a notice is about, so that the person can look up who was told; their
-- row may be gone before. A notice stays readable for a week after its end.
ALTER TABLE jobs ADD COLUMN user_id uuid;
CREATE INDEX jobs_user ON jobs (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX jobs_key ON jobs (key, created_at) WHERE kind = 'logout';
CREATE INDEX jobs_key_due ON jobs (key, next_at) WHERE kind = 'logout' AND done_at IS NULL;


-- What applications use ----------------------------------------------------

