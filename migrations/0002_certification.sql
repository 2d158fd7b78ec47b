-- +goose Up

-- Applications -------------------------------------------------------------

-- Members of registration that steer the protocol (latchkey.ClientProtocol).
ALTER TABLE clients ADD COLUMN protocol jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(protocol) = 'object');

-- The web origins whose scripts may call for an application: those that it
-- lists, and of a browser application those of its redirect URIs, with and
-- without the port that the scheme has anyway, which browsers leave out.
-- Strangers name an origin with every call, so it must not be looked for in
-- every row.
CREATE FUNCTION client_origins(kind text, redirect_uris text[], listed text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000 -- so that the index is asked, and not each row
    RETURN listed || ARRAY(
        SELECT spelled FROM unnest(redirect_uris) u, LATERAL (VALUES (substring(u FROM '^https?://[^/?]+')),
            (substring(u FROM '^(https://[^/?]+):443(?:[/?]|$)')), (substring(u FROM '^(http://[^/?]+):80(?:[/?]|$)'))) o (spelled)
        WHERE kind = 'spa' AND spelled IS NOT NULL);
CREATE INDEX clients_origins ON clients USING gin (client_origins(type, redirect_uris, allowed_cors_origins)) WITH (fastupdate = off) WHERE enabled;


-- Signing keys -------------------------------------------------------------

-- Keys to which applications encrypt. A table of their own: whoever reads
-- signing_keys signs with what is there.
CREATE TABLE encryption_keys (
    kid         text        COLLATE "C" PRIMARY KEY,
    alg         text        NOT NULL CHECK (alg IN ('RSA-OAEP-256', 'ECDH-ES')),
    private_key bytea       NOT NULL CHECK (length(private_key) <= 16384),  -- sealed PKCS #8
    created_at  timestamptz NOT NULL DEFAULT now(),
    retire_at   timestamptz,  -- when it left the JWKS
    delete_at   timestamptz
);

-- From where confidential applications fetch tokens, and which of these places
-- have fetched the key set: to tell who does not know a new key yet. Addresses
-- are whole ones of IPv4 and /64 of IPv6.
CREATE TABLE client_callers (
    client_id      text         COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    address_prefix varchar(64)  COLLATE "C" NOT NULL,
    agent          varchar(120) COLLATE "C" NOT NULL,
    called_at      timestamptz  NOT NULL DEFAULT now(),
    expires_at     timestamptz  NOT NULL,
    PRIMARY KEY (client_id, address_prefix, agent)
);
CREATE INDEX client_callers_address_prefix_idx ON client_callers (address_prefix);
CREATE INDEX client_callers_expires_at_idx ON client_callers (expires_at);

CREATE TABLE jwks_fetches (
    address_prefix varchar(64)  COLLATE "C" NOT NULL,
    agent          varchar(120) COLLATE "C" NOT NULL,
    newest_key     timestamptz  NOT NULL,  -- created_at of the newest key of the set that was given
    fetched_at     timestamptz  NOT NULL DEFAULT now(),
    expires_at     timestamptz  NOT NULL,
    PRIMARY KEY (address_prefix, agent)
);
CREATE INDEX jwks_fetches_expires_at_idx ON jwks_fetches (expires_at);


-- People -------------------------------------------------------------------


-- Authorizations and tokens ------------------------------------------------

-- implicit: tokens by the browser, without a code.
ALTER TABLE grants DROP CONSTRAINT grants_kind_check;
ALTER TABLE grants ADD CONSTRAINT grants_kind_check CHECK (kind IN ('code', 'implicit', 'device', 'ciba', 'exchange')) NOT VALID;
ALTER TABLE grants VALIDATE CONSTRAINT grants_kind_check;

-- The pushed request that a waiting one came from: it is spent with it.
ALTER TABLE interactions ADD COLUMN pushed_hash bytea CHECK (length(pushed_hash) = 33);


-- APIs ---------------------------------------------------------------------

-- Resource servers that access tokens are made for (RFC 8707).
CREATE TABLE apis (
    id                  uuid        PRIMARY KEY,
    resource            text        COLLATE "C" NOT NULL UNIQUE CHECK (length(resource) BETWEEN 1 AND 2000),
    name                text        NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    client_id           text        COLLATE "C" REFERENCES clients ON DELETE SET NULL,  -- who serves it
    access_token_format text        CHECK (access_token_format IN ('jwt', 'opaque')),  -- null = the application's
    access_token_ttl    int         CHECK (access_token_ttl BETWEEN 30 AND 86400),  -- null = the application's
    version             bigint      NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX apis_client ON apis (client_id) WHERE client_id IS NOT NULL;

-- A scope belongs to one API, and then to no application.
CREATE TABLE api_permissions (
    api_id      uuid    NOT NULL REFERENCES apis ON DELETE CASCADE,
    scope       text    COLLATE "C" NOT NULL UNIQUE CHECK (length(scope) BETWEEN 1 AND 128),
    description text    NOT NULL CHECK (length(description) BETWEEN 1 AND 256),
    advertised  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (api_id, scope)
);

-- Which applications may get tokens for it: for people, or for themselves.
CREATE TABLE api_clients (
    api_id     uuid        NOT NULL REFERENCES apis ON DELETE CASCADE,
    client_id  text        COLLATE "C" NOT NULL REFERENCES clients ON DELETE CASCADE,
    people     boolean     NOT NULL,
    itself     boolean     NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client_id, api_id),
    CHECK (people OR itself)
);
CREATE INDEX api_clients_api ON api_clients (api_id);

CREATE TABLE api_client_permissions (
    api_id    uuid    NOT NULL,
    client_id text    COLLATE "C" NOT NULL,
    scope     text    COLLATE "C" NOT NULL,
    people    boolean NOT NULL,
    itself    boolean NOT NULL,
    PRIMARY KEY (client_id, api_id, scope),
    FOREIGN KEY (client_id, api_id) REFERENCES api_clients ON DELETE CASCADE,
    FOREIGN KEY (api_id, scope) REFERENCES api_permissions ON DELETE CASCADE,
    CHECK (people OR itself)
);
CREATE INDEX api_client_permissions_permission ON api_client_permissions (api_id, scope);

-- The resources that the person allowed beside the scopes.
ALTER TABLE consents ADD COLUMN audience text[] NOT NULL DEFAULT '{}';


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

-- Copies of the logos of applications, as people are shown them: fetched from
-- logo_uri, drawn anew as small PNG. A row without an image is a fetch that
-- failed.
CREATE TABLE client_logos (
    client_id varchar(128) PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    uri       text        NOT NULL,                      -- what was fetched
    hash      bytea       CHECK (length(hash) = 32),     -- SHA-256 of image: its address
    image     bytea       CHECK (octet_length(image) BETWEEN 1 AND 131072),
    asked_at  timestamptz NOT NULL DEFAULT now(),        -- when it was fetched last, or tried
    CHECK ((hash IS NULL) = (image IS NULL))
);
CREATE INDEX client_logos_hash ON client_logos (hash) WHERE hash IS NOT NULL;
CREATE INDEX clients_logo ON clients (id) WHERE metadata ? 'logo_uri';


-- Signing out --------------------------------------------------------------

-- Whom a notice is about, so that the person can look up who was told; their
-- row may be gone before. A notice stays readable for a week after its end.
ALTER TABLE jobs ADD COLUMN user_id uuid;
CREATE INDEX jobs_user ON jobs (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX jobs_key ON jobs (key, created_at) WHERE kind = 'logout';
CREATE INDEX jobs_key_due ON jobs (key, next_at) WHERE kind = 'logout' AND done_at IS NULL;


-- What applications use ----------------------------------------------------

