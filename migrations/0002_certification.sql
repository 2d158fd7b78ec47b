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

-- How an application registered itself (latchkey.SelfRegistration); null = an
-- administrator connected it.
ALTER TABLE clients ADD COLUMN registration jsonb CHECK (jsonb_typeof(registration) = 'object');

-- Initial access tokens, by which applications may register themselves (RFC 7591
-- section 3).
CREATE TABLE initial_tokens (
    id           uuid        PRIMARY KEY,
    token_hash   bytea       NOT NULL UNIQUE CHECK (length(token_hash) = 33),
    name         varchar(128) NOT NULL CHECK (name <> ''),
    profile      varchar(16) NOT NULL CHECK (profile IN ('oidc', 'oauth21', 'fapi2')),
    scopes       text[]      NOT NULL DEFAULT '{}',  -- at most; none = those about a person
    max_uses     int         NOT NULL CHECK (max_uses > 0),
    uses         int         NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND max_uses),
    created_by   uuid,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX initial_tokens_expires ON initial_tokens (expires_at);


-- Signing out --------------------------------------------------------------

-- Whom a notice is about, so that the person can look up who was told; their
-- row may be gone before. A notice stays readable for a week after its end.
ALTER TABLE jobs ADD COLUMN user_id uuid;
CREATE INDEX jobs_user ON jobs (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX jobs_key ON jobs (key, created_at) WHERE kind = 'logout';
CREATE INDEX jobs_key_due ON jobs (key, next_at) WHERE kind = 'logout' AND done_at IS NULL;


-- What applications use ----------------------------------------------------

