-- +goose Up
-- Everything that grants, leaves, subjects and the RP ID rest on, from the first day.
-- *_hash columns: key version (1 byte) + HMAC-SHA-256 (32 bytes). Columns called
-- sealed in their comment: AES-256-GCM bound to table, column, row and owner.

CREATE TABLE users (
    id                uuid        PRIMARY KEY,
    subject           text        NOT NULL UNIQUE CHECK (length(subject) BETWEEN 1 AND 255),
    webauthn_handle   bytea       NOT NULL UNIQUE CHECK (length(webauthn_handle) BETWEEN 1 AND 64),
    username          text        NOT NULL CHECK (length(username) BETWEEN 1 AND 64),
    username_key      text        COLLATE "C" NOT NULL UNIQUE CHECK (length(username_key) BETWEEN 1 AND 128),
    display_name      text        NOT NULL CHECK (length(display_name) BETWEEN 1 AND 128),
    email             text        CHECK (length(email) BETWEEN 3 AND 254),
    email_verified_at timestamptz CHECK (email_verified_at IS NULL OR email IS NOT NULL),
    claims            jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(claims) = 'object'),
    role              text        NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    status            text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    person_key_id     uuid,
    version           bigint      NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    disabled_at       timestamptz
);
CREATE UNIQUE INDEX users_verified_email ON users (lower(email) COLLATE "C") WHERE email_verified_at IS NOT NULL;
CREATE INDEX users_admins ON users (role) WHERE role <> 'user';

-- One key per person for the personal data in the log: destroying it erases the
-- text and leaves every proof valid. key: sealed.
CREATE TABLE person_keys (
    id           uuid        PRIMARY KEY,
    user_id      uuid        UNIQUE,  -- null: the monthly key of nobody's events
    month        date        UNIQUE,
    key          bytea       CHECK (length(key) <= 256),
    created_at   timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CHECK ((user_id IS NULL) <> (month IS NULL)),
    CHECK ((key IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE TABLE credentials (
    id                    uuid        PRIMARY KEY,
    user_id               uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    credential_id         bytea       NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 16 AND 1023),
    credential_public_key bytea       NOT NULL CHECK (length(credential_public_key) <= 4096),  -- sealed
    attestation_type      text        NOT NULL DEFAULT 'none' CHECK (length(attestation_type) <= 64),
    attestation           bytea       CHECK (length(attestation) <= 65536),                    -- sealed
    aaguid                uuid        NOT NULL,
    sign_count            bigint      NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    transports            jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(transports) = 'array'),
    backup_eligible       boolean     NOT NULL,
    backup_state          boolean     NOT NULL,
    user_verified         boolean     NOT NULL,
    device_name           text        NOT NULL CHECK (length(device_name) BETWEEN 1 AND 64),
    rp_id                 text        NOT NULL CHECK (length(rp_id) BETWEEN 1 AND 253),
    metadata              bytea       NOT NULL CHECK (length(metadata) <= 16384),              -- sealed
    clone_warning_at      timestamptz,
    created_at            timestamptz NOT NULL DEFAULT now(),
    last_used_at          timestamptz
);
CREATE INDEX credentials_user_last_used ON credentials (user_id, last_used_at);
CREATE INDEX credentials_user_credential ON credentials (user_id, credential_id);

-- One open ceremony. Taken by DELETE … RETURNING, committed before it is verified.
CREATE TABLE challenges (
    id_hash        bytea       PRIMARY KEY CHECK (length(id_hash) = 33),
    user_id        uuid        REFERENCES users ON DELETE CASCADE,
    challenge_type text        NOT NULL CHECK (challenge_type IN ('registration', 'authentication')),
    purpose        text        NOT NULL CHECK (purpose IN ('setup', 'invite', 'signup', 'add', 'recover', 'login', 'reauth')),
    binding_hash   bytea       NOT NULL CHECK (length(binding_hash) = 33),
    interaction    bytea       CHECK (length(interaction) = 33),
    challenge_data bytea       NOT NULL CHECK (length(challenge_data) <= 131072),              -- sealed
    address_prefix varchar(64) NOT NULL DEFAULT '',
    expires_at     timestamptz NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX challenges_expires ON challenges (expires_at);
CREATE INDEX challenges_binding ON challenges (binding_hash, created_at);

CREATE TABLE sessions (
    id              uuid        PRIMARY KEY,
    token_hash      bytea       NOT NULL UNIQUE CHECK (length(token_hash) = 33),
    user_id         uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    credential_id   uuid,
    kind            text        NOT NULL CHECK (kind IN ('full', 'recovery')),
    auth_time       timestamptz NOT NULL,
    acr             varchar(64) NOT NULL DEFAULT '',
    amr             text[]      NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_activity   timestamptz NOT NULL DEFAULT now(),
    idle_expires_at timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    ip_address      inet,
    user_agent      varchar(120) NOT NULL DEFAULT ''
) WITH (fillfactor = 85);
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_credential ON sessions (credential_id) WHERE credential_id IS NOT NULL;

CREATE TABLE recovery_codes (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    code_hash  bytea       NOT NULL CHECK (length(code_hash) = 33),
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz,
    UNIQUE (user_id, code_hash)
);

CREATE TABLE one_time_links (
    id            uuid        PRIMARY KEY,
    token_hash    bytea       NOT NULL UNIQUE CHECK (length(token_hash) = 33),
    purpose       text        NOT NULL CHECK (purpose IN ('setup', 'invite', 'recover', 'email')),
    user_id       uuid        REFERENCES users ON DELETE CASCADE,
    created_by    uuid,
    payload       bytea       CHECK (length(payload) <= 16384),                                -- sealed
    first_browser bytea       CHECK (length(first_browser) = 33),
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX one_time_links_expires ON one_time_links (expires_at);
CREATE INDEX one_time_links_user ON one_time_links (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE groups (
    id         uuid        PRIMARY KEY,
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    name_key   text        COLLATE "C" NOT NULL UNIQUE CHECK (length(name_key) BETWEEN 1 AND 128),
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE memberships (
    group_id   uuid        NOT NULL REFERENCES groups ON DELETE CASCADE,
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX memberships_group ON memberships (group_id);

CREATE TABLE clients (
    id                        text        COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,128}$'),
    name                      text        NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    type                      text        NOT NULL CHECK (type IN ('web', 'spa', 'native', 'machine')),
    profile                   text        NOT NULL CHECK (profile IN ('oidc', 'oauth21', 'fapi2')),
    enabled                   boolean     NOT NULL DEFAULT true,
    redirect_uris             text[]      NOT NULL DEFAULT '{}',
    post_logout_redirect_uris text[]      NOT NULL DEFAULT '{}',
    allowed_cors_origins      text[]      NOT NULL DEFAULT '{}',
    grant_types               text[]      NOT NULL,
    response_types            text[]      NOT NULL,
    scopes                    text[]      NOT NULL,
    auth_method               text        NOT NULL CHECK (length(auth_method) <= 64),
    first_party               boolean     NOT NULL DEFAULT false,
    introspects               boolean     NOT NULL DEFAULT false,
    id_token_alg              text        NOT NULL DEFAULT 'RS256' CHECK (length(id_token_alg) <= 16),
    access_token_alg          text        NOT NULL DEFAULT 'ES256' CHECK (length(access_token_alg) <= 16),
    access_token_format       text        NOT NULL DEFAULT 'jwt' CHECK (access_token_format IN ('jwt', 'opaque')),
    access_token_ttl          int         CHECK (access_token_ttl BETWEEN 30 AND 86400),
    id_token_ttl              int         CHECK (id_token_ttl BETWEEN 30 AND 86400),
    refresh_token_ttl         int         CHECK (refresh_token_ttl BETWEEN 60 AND 7776000),
    refresh_grace             int         CHECK (refresh_grace BETWEEN 0 AND 300),
    refresh_without_offline   boolean     NOT NULL DEFAULT false,
    tokens_not_before         timestamptz,
    registration_token_hash   bytea       UNIQUE CHECK (length(registration_token_hash) = 33),
    metadata                  jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    created_by                uuid,
    version                   bigint      NOT NULL DEFAULT 1,
    created_at                timestamptz NOT NULL DEFAULT now(),
    updated_at                timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE client_secrets (
    id           uuid        PRIMARY KEY,
    client_id    text        COLLATE "C" NOT NULL REFERENCES clients ON DELETE CASCADE,
    secret_hash  bytea       NOT NULL CHECK (length(secret_hash) = 33),
    secret       bytea       CHECK (length(secret) <= 1024),  -- sealed; only where client_secret_jwt needs it
    prefix       text        NOT NULL CHECK (length(prefix) <= 16),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX client_secrets_client ON client_secrets (client_id);

-- allowed_groups of a client.
CREATE TABLE client_groups (
    client_id text COLLATE "C" NOT NULL REFERENCES clients ON DELETE CASCADE,
    group_id  uuid NOT NULL REFERENCES groups ON DELETE RESTRICT,
    PRIMARY KEY (client_id, group_id)
);
CREATE INDEX client_groups_group ON client_groups (group_id);

-- Pushed and pending authorization requests.
CREATE TABLE interactions (
    id_hash      bytea       PRIMARY KEY CHECK (length(id_hash) = 33),
    kind         text        NOT NULL DEFAULT 'pending' CHECK (kind IN ('pending', 'pushed', 'logout')),
    client_id    text        COLLATE "C" REFERENCES clients ON DELETE CASCADE,
    form         jsonb       NOT NULL,
    needs        jsonb       NOT NULL DEFAULT '{}',
    binding_hash bytea       CHECK (length(binding_hash) = 33),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (pg_column_size(form) <= 131072)
);
CREATE INDEX interactions_expires ON interactions (expires_at);

CREATE TABLE consents (
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    client_id  text        COLLATE "C" NOT NULL REFERENCES clients ON DELETE CASCADE,
    scopes     text[]      NOT NULL,
    claims     jsonb       NOT NULL DEFAULT '{}',
    details    jsonb       NOT NULL DEFAULT '[]',
    granted_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX consents_client ON consents (client_id);

-- One row for the whole life of one authorization. Columns that rotation
-- changes are in no index, so that updates stay heap-only.
CREATE TABLE grants (
    id                uuid        PRIMARY KEY,
    kind              text        NOT NULL CHECK (kind IN ('code', 'device', 'ciba', 'exchange')),
    state             text        NOT NULL CHECK (state IN ('pending', 'approved', 'active', 'denied')),
    client_id         text        COLLATE "C" NOT NULL REFERENCES clients ON DELETE CASCADE,
    user_id           uuid        REFERENCES users ON DELETE CASCADE,
    session_id        uuid,
    code_hash         bytea       CHECK (length(code_hash) = 33),
    code_expires_at   timestamptz,
    code_uses         int         NOT NULL DEFAULT 0,
    user_code_hash    bytea       CHECK (length(user_code_hash) = 33),
    last_poll_at      timestamptz,
    poll_interval     int,
    redirect_uri      varchar(4096) NOT NULL DEFAULT '',
    code_challenge    varchar(128) NOT NULL DEFAULT '',
    nonce             varchar(4096) NOT NULL DEFAULT '',
    scopes_req        text[]      NOT NULL DEFAULT '{}',
    scopes            text[]      NOT NULL DEFAULT '{}',
    audience          text[]      NOT NULL DEFAULT '{}',
    claims            jsonb,
    rar               jsonb,
    acr               text        NOT NULL DEFAULT '',
    amr               text[]      NOT NULL DEFAULT '{}',
    auth_time         timestamptz,
    jkt               text,
    x5t               text,
    rt_gen            int         NOT NULL DEFAULT 0,
    rt_salt           bytea       NOT NULL CHECK (length(rt_salt) = 16),
    rt_rotated_at     timestamptz,
    rt_expires_at     timestamptz,
    expires_at        timestamptz NOT NULL,
    revoked_at        timestamptz,
    revoke_reason     varchar(64) NOT NULL DEFAULT '',
    access_not_before timestamptz,
    payload           jsonb       NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX grants_code ON grants (code_hash) WHERE code_hash IS NOT NULL;
CREATE UNIQUE INDEX grants_user_code ON grants (user_code_hash) WHERE state = 'pending';
CREATE INDEX grants_user_client ON grants (user_id, client_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_session ON grants (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX grants_expires ON grants (expires_at);

-- Things that count once: revoked token ids, assertion and proof ids.
CREATE TABLE spent (
    kind       text        NOT NULL CHECK (kind IN ('access_token', 'assertion', 'proof', 'software_statement')),
    hash       bytea       NOT NULL CHECK (length(hash) = 33),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, hash)
);
CREATE INDEX spent_expires ON spent (expires_at);

CREATE TABLE signing_keys (
    kid         text        COLLATE "C" PRIMARY KEY,
    alg         text        NOT NULL CHECK (alg IN ('RS256', 'PS256', 'ES256', 'EdDSA')),
    public_jwk  jsonb       NOT NULL,
    private_key bytea       NOT NULL CHECK (length(private_key) <= 16384),  -- sealed PKCS #8
    created_at  timestamptz NOT NULL DEFAULT now(),
    activate_at timestamptz NOT NULL,
    retire_at   timestamptz,
    delete_at   timestamptz
);

CREATE TABLE seal_keys (
    version    int         PRIMARY KEY CHECK (version BETWEEN 1 AND 255),
    canary     bytea       NOT NULL,  -- sealed, known text: shows whether the key file is the right one
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);

CREATE TABLE jobs (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind IN ('logout', 'mail', 'webhook')),
    key         text        NOT NULL DEFAULT '',
    payload     bytea       NOT NULL,  -- sealed
    attempts    int         NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    done_at     timestamptz,
    last_status text        NOT NULL DEFAULT '' CHECK (length(last_status) <= 256),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX jobs_due ON jobs (next_at) WHERE done_at IS NULL;
CREATE INDEX jobs_expires ON jobs (expires_at);

CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY,
    key_hash     bytea       NOT NULL UNIQUE CHECK (length(key_hash) = 33),
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    prefix       text        NOT NULL CHECK (length(prefix) <= 16),
    permissions  text[]      NOT NULL,
    created_by   uuid,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);

-- What administrators change at run time, and what is frozen at set-up (rp_id).
CREATE TABLE settings (
    key        text        PRIMARY KEY,
    value      jsonb       NOT NULL,
    version    bigint      NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE idempotency (
    actor       text        NOT NULL,
    key         text        NOT NULL CHECK (length(key) <= 255),
    fingerprint bytea       NOT NULL,
    status      int,
    answer      bytea,  -- sealed
    expires_at  timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);

-- What nodes keep in memory (clients, signing keys, settings, passkeys of a
-- user) grows a number here when it changes; each node reads it every 2 s.
CREATE TABLE cache_version (
    name    text   PRIMARY KEY,
    version bigint NOT NULL DEFAULT 1
);
INSERT INTO cache_version (name) VALUES ('clients'), ('signing_keys'), ('settings'), ('passkeys');

-- The audit log. Changing transactions insert into audit_pending; one sequencer
-- moves rows into the tree.
CREATE TABLE audit_pending (
    pos            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             uuid        NOT NULL UNIQUE,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind           varchar(64) NOT NULL,
    actor_kind     varchar(16) NOT NULL,
    actor_id       varchar(128) NOT NULL DEFAULT '',
    subject        uuid,
    client_id      varchar(128) NOT NULL DEFAULT '',
    passkey_id     uuid,
    session_id     uuid,
    success        boolean     NOT NULL,
    reason         varchar(128) NOT NULL DEFAULT '',
    request_id     varchar(128) NOT NULL DEFAULT '',
    address_prefix varchar(64) NOT NULL DEFAULT '',
    agent          varchar(120) NOT NULL DEFAULT '',
    detail         jsonb       NOT NULL DEFAULT '{}',
    personal       bytea       -- sealed under the general key
);

CREATE TABLE audit_leaf (
    index          bigint      NOT NULL,
    sequenced_at   timestamptz NOT NULL,
    id             uuid        NOT NULL,
    leaf           bytea       NOT NULL,  -- what the tree hashes; never encoded again
    leaf_hash      bytea       NOT NULL CHECK (length(leaf_hash) = 32),
    personal       bytea,                 -- sealed, each part under the key of the person it describes
    created_at     timestamptz NOT NULL,
    kind           text        NOT NULL,
    actor_kind     text        NOT NULL,
    actor_id       text        NOT NULL,
    subject        uuid,
    client_id      text        NOT NULL,
    passkey_id     uuid,
    session_id     uuid,
    success        boolean     NOT NULL,
    reason         text        NOT NULL,
    request_id     text        NOT NULL,
    address_prefix text        NOT NULL,
    agent          text        NOT NULL,
    detail         jsonb       NOT NULL,
    PRIMARY KEY (index, sequenced_at)
) PARTITION BY RANGE (sequenced_at);
CREATE INDEX audit_leaf_id ON audit_leaf (id);
CREATE INDEX audit_leaf_created ON audit_leaf (created_at);
CREATE INDEX audit_leaf_subject ON audit_leaf (subject, created_at) WHERE subject IS NOT NULL;
CREATE INDEX audit_leaf_actor ON audit_leaf (actor_id, created_at) WHERE actor_kind = 'user';
CREATE INDEX audit_leaf_kind ON audit_leaf (kind, created_at);

CREATE TABLE audit_tile (
    level  int    NOT NULL,
    number bigint NOT NULL,
    data   bytea  NOT NULL,
    PRIMARY KEY (level, number)
);

CREATE TABLE audit_head (
    singleton  boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    size       bigint      NOT NULL,
    root       bytea       NOT NULL CHECK (length(root) = 32),
    edge       bytea       NOT NULL DEFAULT '',  -- hashes right of the last full tile
    floor      bigint      NOT NULL DEFAULT 0,   -- pending rows up to here are gone but for stragglers
    mark       bigint      NOT NULL DEFAULT 0,   -- the floor in a minute: the last row taken at marked_at
    marked_at  timestamptz NOT NULL DEFAULT now(),
    epoch      int         NOT NULL DEFAULT 1,
    halted     text        NOT NULL DEFAULT '',  -- why the sequencer stopped; empty = it runs
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO audit_head (size, root) VALUES (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

CREATE TABLE audit_checkpoint (
    size       bigint      PRIMARY KEY,
    root       bytea       NOT NULL CHECK (length(root) = 32),
    note       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What signs the checkpoints. seed: sealed; the public key follows from it.
CREATE TABLE audit_key (
    singleton  boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    seed       bytea       NOT NULL CHECK (length(seed) <= 256),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Leaves are written once. This guards against bugs; against an insider only a
-- checkpoint outside the house does.
-- +goose StatementBegin
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % of % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_leaf_no_update BEFORE UPDATE OR DELETE ON audit_leaf FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_leaf_no_truncate BEFORE TRUNCATE ON audit_leaf FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- Partitions of a month are made on the way, by the owner's rights, because
-- the role that serves has none of its own for it.
-- +goose StatementBegin
CREATE FUNCTION audit_ensure_month(day timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    first date := date_trunc('month', day AT TIME ZONE 'UTC')::date;
    part  text := 'audit_leaf_' || to_char(first, 'YYYYMM');
BEGIN
    IF to_regclass(part) IS NULL THEN
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF audit_leaf FOR VALUES FROM (%L) TO (%L)',
            part, first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TRIGGER audit_leaf_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', part);
    END IF;
END
$$;
-- +goose StatementEnd

-- People read their own writes: pending rows are there with index null. The
-- full address and agent are personal and sealed; what stands here are the
-- network prefix and the family.
CREATE VIEW audit_log AS
SELECT id, subject AS user_id, kind AS event_type, passkey_id AS credential_id,
       address_prefix AS ip_address, agent AS user_agent, success,
       reason AS error_details, created_at, index
FROM audit_leaf
UNION ALL
SELECT id, subject, kind, passkey_id, address_prefix, agent, success, reason, created_at, NULL
FROM audit_pending;
