CREATE FUNCTION public.audit_ensure_month(day timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO '$user', 'public'
    AS $$
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

CREATE FUNCTION public.audit_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % of % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION public.client_origins(kind text, redirect_uris text[], listed text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE COST 10000 PARALLEL SAFE
    RETURN (listed || ARRAY(SELECT o.spelled FROM unnest(client_origins.redirect_uris) u(u), LATERAL (VALUES ("substring"(u.u, '^https?://[^/?]+'::text)), ("substring"(u.u, '^(https://[^/?]+):443(?:[/?]|$)'::text)), ("substring"(u.u, '^(http://[^/?]+):80(?:[/?]|$)'::text))) o(spelled) WHERE ((client_origins.kind = 'spa'::text) AND (o.spelled IS NOT NULL))));

CREATE TABLE public.api_client_permissions (
    api_id uuid NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    scope text NOT NULL COLLATE pg_catalog."C",
    people boolean NOT NULL,
    itself boolean NOT NULL,
    CONSTRAINT api_client_permissions_check CHECK ((people OR itself))
);

CREATE TABLE public.api_clients (
    api_id uuid NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    people boolean NOT NULL,
    itself boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT api_clients_check CHECK ((people OR itself))
);

CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    key_hash bytea NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    permissions text[] NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((length(key_hash) = 33)),
    CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 128))),
    CONSTRAINT api_keys_prefix_check CHECK ((length(prefix) <= 16))
);

CREATE TABLE public.api_permissions (
    api_id uuid NOT NULL,
    scope text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL,
    advertised boolean DEFAULT false NOT NULL,
    CONSTRAINT api_permissions_description_check CHECK (((length(description) >= 1) AND (length(description) <= 256))),
    CONSTRAINT api_permissions_scope_check CHECK (((length(scope) >= 1) AND (length(scope) <= 128)))
);

CREATE TABLE public.apis (
    id uuid NOT NULL,
    resource text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    client_id text COLLATE pg_catalog."C",
    access_token_format text,
    access_token_ttl integer,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT apis_access_token_format_check CHECK ((access_token_format = ANY (ARRAY['jwt'::text, 'opaque'::text]))),
    CONSTRAINT apis_access_token_ttl_check CHECK (((access_token_ttl >= 30) AND (access_token_ttl <= 86400))),
    CONSTRAINT apis_name_check CHECK (((length(name) >= 1) AND (length(name) <= 128))),
    CONSTRAINT apis_resource_check CHECK (((length(resource) >= 1) AND (length(resource) <= 2000)))
);

CREATE TABLE public.audit_checkpoint (
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_checkpoint_root_check CHECK ((length(root) = 32))
);

CREATE TABLE public.audit_head (
    singleton boolean DEFAULT true NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    edge bytea DEFAULT '\x'::bytea NOT NULL,
    floor bigint DEFAULT 0 NOT NULL,
    mark bigint DEFAULT 0 NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL,
    epoch integer DEFAULT 1 NOT NULL,
    halted text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_head_root_check CHECK ((length(root) = 32)),
    CONSTRAINT audit_head_singleton_check CHECK (singleton)
);

CREATE TABLE public.audit_key (
    singleton boolean DEFAULT true NOT NULL,
    seed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_key_seed_check CHECK ((length(seed) <= 256)),
    CONSTRAINT audit_key_singleton_check CHECK (singleton)
);

CREATE TABLE public.audit_leaf (
    index bigint NOT NULL,
    sequenced_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    leaf bytea NOT NULL,
    leaf_hash bytea NOT NULL,
    personal bytea,
    created_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    subject uuid,
    client_id text NOT NULL,
    passkey_id uuid,
    session_id uuid,
    success boolean NOT NULL,
    reason text NOT NULL,
    request_id text NOT NULL,
    address_prefix text NOT NULL,
    agent text NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT audit_leaf_leaf_hash_check CHECK ((length(leaf_hash) = 32))
)
PARTITION BY RANGE (sequenced_at);

CREATE TABLE public.audit_pending (
    pos bigint NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind character varying(64) NOT NULL,
    actor_kind character varying(16) NOT NULL,
    actor_id character varying(128) DEFAULT ''::character varying NOT NULL,
    subject uuid,
    client_id character varying(128) DEFAULT ''::character varying NOT NULL,
    passkey_id uuid,
    session_id uuid,
    success boolean NOT NULL,
    reason character varying(128) DEFAULT ''::character varying NOT NULL,
    request_id character varying(128) DEFAULT ''::character varying NOT NULL,
    address_prefix character varying(64) DEFAULT ''::character varying NOT NULL,
    agent character varying(120) DEFAULT ''::character varying NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    personal bytea
);

CREATE VIEW public.audit_log AS
 SELECT audit_leaf.id,
    audit_leaf.subject AS user_id,
    audit_leaf.kind AS event_type,
    audit_leaf.passkey_id AS credential_id,
    audit_leaf.address_prefix AS ip_address,
    audit_leaf.agent AS user_agent,
    audit_leaf.success,
    audit_leaf.reason AS error_details,
    audit_leaf.created_at,
    audit_leaf.index
   FROM public.audit_leaf
UNION ALL
 SELECT audit_pending.id,
    audit_pending.subject AS user_id,
    audit_pending.kind AS event_type,
    audit_pending.passkey_id AS credential_id,
    audit_pending.address_prefix AS ip_address,
    audit_pending.agent AS user_agent,
    audit_pending.success,
    audit_pending.reason AS error_details,
    audit_pending.created_at,
    NULL::bigint AS index
   FROM public.audit_pending;

ALTER TABLE public.audit_pending ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_pending_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit_tile (
    level integer NOT NULL,
    number bigint NOT NULL,
    data bytea NOT NULL
);

CREATE TABLE public.cache_version (
    name text NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);

CREATE TABLE public.challenges (
    id_hash bytea NOT NULL,
    user_id uuid,
    challenge_type text NOT NULL,
    purpose text NOT NULL,
    binding_hash bytea NOT NULL,
    interaction bytea,
    challenge_data bytea NOT NULL,
    address_prefix character varying(64) DEFAULT ''::character varying NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT challenges_binding_hash_check CHECK ((length(binding_hash) = 33)),
    CONSTRAINT challenges_challenge_data_check CHECK ((length(challenge_data) <= 131072)),
    CONSTRAINT challenges_challenge_type_check CHECK ((challenge_type = ANY (ARRAY['registration'::text, 'authentication'::text]))),
    CONSTRAINT challenges_id_hash_check CHECK ((length(id_hash) = 33)),
    CONSTRAINT challenges_interaction_check CHECK ((length(interaction) = 33)),
    CONSTRAINT challenges_purpose_check CHECK ((purpose = ANY (ARRAY['setup'::text, 'invite'::text, 'signup'::text, 'add'::text, 'recover'::text, 'login'::text, 'reauth'::text])))
);

CREATE TABLE public.client_callers (
    client_id text NOT NULL COLLATE pg_catalog."C",
    address_prefix character varying(64) NOT NULL COLLATE pg_catalog."C",
    agent character varying(120) NOT NULL COLLATE pg_catalog."C",
    called_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.client_groups (
    client_id text NOT NULL COLLATE pg_catalog."C",
    group_id uuid NOT NULL
);

CREATE TABLE public.client_logos (
    client_id character varying(128) NOT NULL,
    uri text NOT NULL,
    hash bytea,
    image bytea,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT client_logos_check CHECK (((hash IS NULL) = (image IS NULL))),
    CONSTRAINT client_logos_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT client_logos_image_check CHECK (((octet_length(image) >= 1) AND (octet_length(image) <= 131072)))
);

CREATE TABLE public.client_secrets (
    id uuid NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    secret_hash bytea NOT NULL,
    secret bytea,
    prefix text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT client_secrets_prefix_check CHECK ((length(prefix) <= 16)),
    CONSTRAINT client_secrets_secret_check CHECK ((length(secret) <= 1024)),
    CONSTRAINT client_secrets_secret_hash_check CHECK ((length(secret_hash) = 33))
);

CREATE TABLE public.clients (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    type text NOT NULL,
    profile text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    redirect_uris text[] DEFAULT '{}'::text[] NOT NULL,
    post_logout_redirect_uris text[] DEFAULT '{}'::text[] NOT NULL,
    allowed_cors_origins text[] DEFAULT '{}'::text[] NOT NULL,
    grant_types text[] NOT NULL,
    response_types text[] NOT NULL,
    scopes text[] NOT NULL,
    auth_method text NOT NULL,
    first_party boolean DEFAULT false NOT NULL,
    introspects boolean DEFAULT false NOT NULL,
    id_token_alg text DEFAULT 'RS256'::text NOT NULL,
    access_token_alg text DEFAULT 'ES256'::text NOT NULL,
    access_token_format text DEFAULT 'jwt'::text NOT NULL,
    access_token_ttl integer,
    id_token_ttl integer,
    refresh_token_ttl integer,
    refresh_grace integer,
    refresh_without_offline boolean DEFAULT false NOT NULL,
    tokens_not_before timestamp with time zone,
    registration_token_hash bytea,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_by uuid,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    protocol jsonb DEFAULT '{}'::jsonb NOT NULL,
    registration jsonb,
    CONSTRAINT clients_access_token_alg_check CHECK ((length(access_token_alg) <= 16)),
    CONSTRAINT clients_access_token_format_check CHECK ((access_token_format = ANY (ARRAY['jwt'::text, 'opaque'::text]))),
    CONSTRAINT clients_access_token_ttl_check CHECK (((access_token_ttl >= 30) AND (access_token_ttl <= 86400))),
    CONSTRAINT clients_auth_method_check CHECK ((length(auth_method) <= 64)),
    CONSTRAINT clients_id_check CHECK ((id ~ '^[A-Za-z0-9_-]{1,128}$'::text)),
    CONSTRAINT clients_id_token_alg_check CHECK ((length(id_token_alg) <= 16)),
    CONSTRAINT clients_id_token_ttl_check CHECK (((id_token_ttl >= 30) AND (id_token_ttl <= 86400))),
    CONSTRAINT clients_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT clients_name_check CHECK (((length(name) >= 1) AND (length(name) <= 128))),
    CONSTRAINT clients_profile_check CHECK ((profile = ANY (ARRAY['oidc'::text, 'oauth21'::text, 'fapi2'::text]))),
    CONSTRAINT clients_protocol_check CHECK ((jsonb_typeof(protocol) = 'object'::text)),
    CONSTRAINT clients_refresh_grace_check CHECK (((refresh_grace >= 0) AND (refresh_grace <= 300))),
    CONSTRAINT clients_refresh_token_ttl_check CHECK (((refresh_token_ttl >= 60) AND (refresh_token_ttl <= 7776000))),
    CONSTRAINT clients_registration_check CHECK ((jsonb_typeof(registration) = 'object'::text)),
    CONSTRAINT clients_registration_token_hash_check CHECK ((length(registration_token_hash) = 33)),
    CONSTRAINT clients_type_check CHECK ((type = ANY (ARRAY['web'::text, 'spa'::text, 'native'::text, 'machine'::text])))
);

CREATE TABLE public.consents (
    user_id uuid NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    scopes text[] NOT NULL,
    claims jsonb DEFAULT '{}'::jsonb NOT NULL,
    details jsonb DEFAULT '[]'::jsonb NOT NULL,
    granted_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    audience text[] DEFAULT '{}'::text[] NOT NULL
);

CREATE TABLE public.credentials (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    credential_id bytea NOT NULL,
    credential_public_key bytea NOT NULL,
    attestation_type text DEFAULT 'none'::text NOT NULL,
    attestation bytea,
    aaguid uuid NOT NULL,
    sign_count bigint NOT NULL,
    transports jsonb DEFAULT '[]'::jsonb NOT NULL,
    backup_eligible boolean NOT NULL,
    backup_state boolean NOT NULL,
    user_verified boolean NOT NULL,
    device_name text NOT NULL,
    rp_id text NOT NULL,
    metadata bytea NOT NULL,
    clone_warning_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    CONSTRAINT credentials_attestation_check CHECK ((length(attestation) <= 65536)),
    CONSTRAINT credentials_attestation_type_check CHECK ((length(attestation_type) <= 64)),
    CONSTRAINT credentials_credential_id_check CHECK (((length(credential_id) >= 16) AND (length(credential_id) <= 1023))),
    CONSTRAINT credentials_credential_public_key_check CHECK ((length(credential_public_key) <= 4096)),
    CONSTRAINT credentials_device_name_check CHECK (((length(device_name) >= 1) AND (length(device_name) <= 64))),
    CONSTRAINT credentials_metadata_check CHECK ((length(metadata) <= 16384)),
    CONSTRAINT credentials_rp_id_check CHECK (((length(rp_id) >= 1) AND (length(rp_id) <= 253))),
    CONSTRAINT credentials_sign_count_check CHECK (((sign_count >= 0) AND (sign_count <= '4294967295'::bigint))),
    CONSTRAINT credentials_transports_check CHECK ((jsonb_typeof(transports) = 'array'::text))
);

CREATE TABLE public.encryption_keys (
    kid text NOT NULL COLLATE pg_catalog."C",
    alg text NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    retire_at timestamp with time zone,
    delete_at timestamp with time zone,
    CONSTRAINT encryption_keys_alg_check CHECK ((alg = ANY (ARRAY['RSA-OAEP-256'::text, 'ECDH-ES'::text]))),
    CONSTRAINT encryption_keys_private_key_check CHECK ((length(private_key) <= 16384))
);

CREATE TABLE public.grants (
    id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    user_id uuid,
    session_id uuid,
    code_hash bytea,
    code_expires_at timestamp with time zone,
    code_uses integer DEFAULT 0 NOT NULL,
    user_code_hash bytea,
    last_poll_at timestamp with time zone,
    poll_interval integer,
    redirect_uri character varying(4096) DEFAULT ''::character varying NOT NULL,
    code_challenge character varying(128) DEFAULT ''::character varying NOT NULL,
    nonce character varying(4096) DEFAULT ''::character varying NOT NULL,
    scopes_req text[] DEFAULT '{}'::text[] NOT NULL,
    scopes text[] DEFAULT '{}'::text[] NOT NULL,
    audience text[] DEFAULT '{}'::text[] NOT NULL,
    claims jsonb,
    rar jsonb,
    acr text DEFAULT ''::text NOT NULL,
    amr text[] DEFAULT '{}'::text[] NOT NULL,
    auth_time timestamp with time zone,
    jkt text,
    x5t text,
    rt_gen integer DEFAULT 0 NOT NULL,
    rt_salt bytea NOT NULL,
    rt_rotated_at timestamp with time zone,
    rt_expires_at timestamp with time zone,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    revoke_reason character varying(64) DEFAULT ''::character varying NOT NULL,
    access_not_before timestamp with time zone,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT grants_code_hash_check CHECK ((length(code_hash) = 33)),
    CONSTRAINT grants_kind_check CHECK ((kind = ANY (ARRAY['code'::text, 'implicit'::text, 'device'::text, 'ciba'::text, 'exchange'::text]))),
    CONSTRAINT grants_rt_salt_check CHECK ((length(rt_salt) = 16)),
    CONSTRAINT grants_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'approved'::text, 'active'::text, 'denied'::text]))),
    CONSTRAINT grants_user_code_hash_check CHECK ((length(user_code_hash) = 33))
)
WITH (fillfactor='85');

CREATE TABLE public.groups (
    id uuid NOT NULL,
    name text NOT NULL,
    name_key text NOT NULL COLLATE pg_catalog."C",
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT groups_name_check CHECK (((length(name) >= 1) AND (length(name) <= 64))),
    CONSTRAINT groups_name_key_check CHECK (((length(name_key) >= 1) AND (length(name_key) <= 128)))
);

CREATE TABLE public.idempotency (
    actor text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    answer bytea,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_key_check CHECK ((length(key) <= 255))
);

CREATE TABLE public.initial_tokens (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    name character varying(128) NOT NULL,
    profile character varying(16) NOT NULL,
    scopes text[] DEFAULT '{}'::text[] NOT NULL,
    max_uses integer NOT NULL,
    uses integer DEFAULT 0 NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT initial_tokens_check CHECK (((uses >= 0) AND (uses <= max_uses))),
    CONSTRAINT initial_tokens_max_uses_check CHECK ((max_uses > 0)),
    CONSTRAINT initial_tokens_name_check CHECK (((name)::text <> ''::text)),
    CONSTRAINT initial_tokens_profile_check CHECK (((profile)::text = ANY ((ARRAY['oidc'::character varying, 'oauth21'::character varying, 'fapi2'::character varying])::text[]))),
    CONSTRAINT initial_tokens_token_hash_check CHECK ((length(token_hash) = 33))
);

CREATE TABLE public.interactions (
    id_hash bytea NOT NULL,
    kind text DEFAULT 'pending'::text NOT NULL,
    client_id text COLLATE pg_catalog."C",
    form jsonb NOT NULL,
    needs jsonb DEFAULT '{}'::jsonb NOT NULL,
    binding_hash bytea,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    pushed_hash bytea,
    CONSTRAINT interactions_binding_hash_check CHECK ((length(binding_hash) = 33)),
    CONSTRAINT interactions_form_check CHECK ((pg_column_size(form) <= 131072)),
    CONSTRAINT interactions_id_hash_check CHECK ((length(id_hash) = 33)),
    CONSTRAINT interactions_kind_check CHECK ((kind = ANY (ARRAY['pending'::text, 'pushed'::text, 'logout'::text]))),
    CONSTRAINT interactions_pushed_hash_check CHECK ((length(pushed_hash) = 33))
);

CREATE TABLE public.jobs (
    id uuid NOT NULL,
    kind text NOT NULL,
    key text DEFAULT ''::text NOT NULL,
    payload bytea NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    last_status text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    user_id uuid,
    CONSTRAINT jobs_kind_check CHECK ((kind = ANY (ARRAY['logout'::text, 'mail'::text, 'webhook'::text]))),
    CONSTRAINT jobs_last_status_check CHECK ((length(last_status) <= 256))
);

CREATE TABLE public.jwks_fetches (
    address_prefix character varying(64) NOT NULL COLLATE pg_catalog."C",
    agent character varying(120) NOT NULL COLLATE pg_catalog."C",
    newest_key timestamp with time zone NOT NULL,
    fetched_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.memberships (
    group_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.one_time_links (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    purpose text NOT NULL,
    user_id uuid,
    created_by uuid,
    payload bytea,
    first_browser bytea,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT one_time_links_first_browser_check CHECK ((length(first_browser) = 33)),
    CONSTRAINT one_time_links_payload_check CHECK ((length(payload) <= 16384)),
    CONSTRAINT one_time_links_purpose_check CHECK ((purpose = ANY (ARRAY['setup'::text, 'invite'::text, 'recover'::text, 'email'::text]))),
    CONSTRAINT one_time_links_token_hash_check CHECK ((length(token_hash) = 33))
);

CREATE TABLE public.person_keys (
    id uuid NOT NULL,
    user_id uuid,
    month date,
    key bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    destroyed_at timestamp with time zone,
    CONSTRAINT person_keys_check CHECK (((user_id IS NULL) <> (month IS NULL))),
    CONSTRAINT person_keys_check1 CHECK (((key IS NULL) = (destroyed_at IS NOT NULL))),
    CONSTRAINT person_keys_key_check CHECK ((length(key) <= 256))
);

CREATE TABLE public.recovery_codes (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT recovery_codes_code_hash_check CHECK ((length(code_hash) = 33))
);

CREATE TABLE public.seal_keys (
    version integer NOT NULL,
    canary bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT seal_keys_version_check CHECK (((version >= 1) AND (version <= 255)))
);

CREATE TABLE public.sessions (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    credential_id uuid,
    kind text NOT NULL,
    auth_time timestamp with time zone NOT NULL,
    acr character varying(64) DEFAULT ''::character varying NOT NULL,
    amr text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_activity timestamp with time zone DEFAULT now() NOT NULL,
    idle_expires_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ip_address inet,
    user_agent character varying(120) DEFAULT ''::character varying NOT NULL,
    CONSTRAINT sessions_kind_check CHECK ((kind = ANY (ARRAY['full'::text, 'recovery'::text]))),
    CONSTRAINT sessions_token_hash_check CHECK ((length(token_hash) = 33))
)
WITH (fillfactor='85');

CREATE TABLE public.settings (
    key text NOT NULL,
    value jsonb NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.signing_keys (
    kid text NOT NULL COLLATE pg_catalog."C",
    alg text NOT NULL,
    public_jwk jsonb NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    activate_at timestamp with time zone NOT NULL,
    retire_at timestamp with time zone,
    delete_at timestamp with time zone,
    CONSTRAINT signing_keys_alg_check CHECK ((alg = ANY (ARRAY['RS256'::text, 'PS256'::text, 'ES256'::text, 'EdDSA'::text]))),
    CONSTRAINT signing_keys_private_key_check CHECK ((length(private_key) <= 16384))
);

CREATE TABLE public.spent (
    kind text NOT NULL,
    hash bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT spent_hash_check CHECK ((length(hash) = 33)),
    CONSTRAINT spent_kind_check CHECK ((kind = ANY (ARRAY['access_token'::text, 'assertion'::text, 'proof'::text, 'software_statement'::text])))
);

CREATE TABLE public.users (
    id uuid NOT NULL,
    subject text NOT NULL,
    webauthn_handle bytea NOT NULL,
    username text NOT NULL,
    username_key text NOT NULL COLLATE pg_catalog."C",
    display_name text NOT NULL,
    email text,
    email_verified_at timestamp with time zone,
    claims jsonb DEFAULT '{}'::jsonb NOT NULL,
    role text DEFAULT 'user'::text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    person_key_id uuid,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT users_check CHECK (((email_verified_at IS NULL) OR (email IS NOT NULL))),
    CONSTRAINT users_claims_check CHECK ((jsonb_typeof(claims) = 'object'::text)),
    CONSTRAINT users_display_name_check CHECK (((length(display_name) >= 1) AND (length(display_name) <= 128))),
    CONSTRAINT users_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['user'::text, 'admin'::text]))),
    CONSTRAINT users_status_check CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text]))),
    CONSTRAINT users_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 255))),
    CONSTRAINT users_username_check CHECK (((length(username) >= 1) AND (length(username) <= 64))),
    CONSTRAINT users_username_key_check CHECK (((length(username_key) >= 1) AND (length(username_key) <= 128))),
    CONSTRAINT users_webauthn_handle_check CHECK (((length(webauthn_handle) >= 1) AND (length(webauthn_handle) <= 64)))
);

ALTER TABLE ONLY public.api_client_permissions
    ADD CONSTRAINT api_client_permissions_pkey PRIMARY KEY (client_id, api_id, scope);

ALTER TABLE ONLY public.api_clients
    ADD CONSTRAINT api_clients_pkey PRIMARY KEY (client_id, api_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_permissions
    ADD CONSTRAINT api_permissions_pkey PRIMARY KEY (api_id, scope);

ALTER TABLE ONLY public.api_permissions
    ADD CONSTRAINT api_permissions_scope_key UNIQUE (scope);

ALTER TABLE ONLY public.apis
    ADD CONSTRAINT apis_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.apis
    ADD CONSTRAINT apis_resource_key UNIQUE (resource);

ALTER TABLE ONLY public.audit_checkpoint
    ADD CONSTRAINT audit_checkpoint_pkey PRIMARY KEY (size);

ALTER TABLE ONLY public.audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.audit_key
    ADD CONSTRAINT audit_key_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.audit_leaf
    ADD CONSTRAINT audit_leaf_pkey PRIMARY KEY (index, sequenced_at);

ALTER TABLE ONLY public.audit_pending
    ADD CONSTRAINT audit_pending_id_key UNIQUE (id);

ALTER TABLE ONLY public.audit_pending
    ADD CONSTRAINT audit_pending_pkey PRIMARY KEY (pos);

ALTER TABLE ONLY public.audit_tile
    ADD CONSTRAINT audit_tile_pkey PRIMARY KEY (level, number);

ALTER TABLE ONLY public.cache_version
    ADD CONSTRAINT cache_version_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.challenges
    ADD CONSTRAINT challenges_pkey PRIMARY KEY (id_hash);

ALTER TABLE ONLY public.client_callers
    ADD CONSTRAINT client_callers_pkey PRIMARY KEY (client_id, address_prefix, agent);

ALTER TABLE ONLY public.client_groups
    ADD CONSTRAINT client_groups_pkey PRIMARY KEY (client_id, group_id);

ALTER TABLE ONLY public.client_logos
    ADD CONSTRAINT client_logos_pkey PRIMARY KEY (client_id);

ALTER TABLE ONLY public.client_secrets
    ADD CONSTRAINT client_secrets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_registration_token_hash_key UNIQUE (registration_token_hash);

ALTER TABLE ONLY public.consents
    ADD CONSTRAINT consents_pkey PRIMARY KEY (user_id, client_id);

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_credential_id_key UNIQUE (credential_id);

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.encryption_keys
    ADD CONSTRAINT encryption_keys_pkey PRIMARY KEY (kid);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_name_key_key UNIQUE (name_key);

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (actor, key);

ALTER TABLE ONLY public.initial_tokens
    ADD CONSTRAINT initial_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.initial_tokens
    ADD CONSTRAINT initial_tokens_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.interactions
    ADD CONSTRAINT interactions_pkey PRIMARY KEY (id_hash);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.jwks_fetches
    ADD CONSTRAINT jwks_fetches_pkey PRIMARY KEY (address_prefix, agent);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (user_id, group_id);

ALTER TABLE ONLY public.one_time_links
    ADD CONSTRAINT one_time_links_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.one_time_links
    ADD CONSTRAINT one_time_links_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.person_keys
    ADD CONSTRAINT person_keys_month_key UNIQUE (month);

ALTER TABLE ONLY public.person_keys
    ADD CONSTRAINT person_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.person_keys
    ADD CONSTRAINT person_keys_user_id_key UNIQUE (user_id);

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_user_id_code_hash_key UNIQUE (user_id, code_hash);

ALTER TABLE ONLY public.seal_keys
    ADD CONSTRAINT seal_keys_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (kid);

ALTER TABLE ONLY public.spent
    ADD CONSTRAINT spent_pkey PRIMARY KEY (kind, hash);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_subject_key UNIQUE (subject);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_username_key_key UNIQUE (username_key);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_webauthn_handle_key UNIQUE (webauthn_handle);

CREATE INDEX api_client_permissions_permission ON public.api_client_permissions USING btree (api_id, scope);

CREATE INDEX api_clients_api ON public.api_clients USING btree (api_id);

CREATE INDEX apis_client ON public.apis USING btree (client_id) WHERE (client_id IS NOT NULL);

CREATE INDEX audit_leaf_actor ON ONLY public.audit_leaf USING btree (actor_id, created_at) WHERE (actor_kind = 'user'::text);

CREATE INDEX audit_leaf_created ON ONLY public.audit_leaf USING btree (created_at);

CREATE INDEX audit_leaf_id ON ONLY public.audit_leaf USING btree (id);

CREATE INDEX audit_leaf_kind ON ONLY public.audit_leaf USING btree (kind, created_at);

CREATE INDEX audit_leaf_subject ON ONLY public.audit_leaf USING btree (subject, created_at) WHERE (subject IS NOT NULL);

CREATE INDEX challenges_binding ON public.challenges USING btree (binding_hash, created_at);

CREATE INDEX challenges_expires ON public.challenges USING btree (expires_at);

CREATE INDEX client_callers_address_prefix_idx ON public.client_callers USING btree (address_prefix);

CREATE INDEX client_callers_expires_at_idx ON public.client_callers USING btree (expires_at);

CREATE INDEX client_groups_group ON public.client_groups USING btree (group_id);

CREATE INDEX client_logos_hash ON public.client_logos USING btree (hash) WHERE (hash IS NOT NULL);

CREATE INDEX client_secrets_client ON public.client_secrets USING btree (client_id);

CREATE INDEX clients_logo ON public.clients USING btree (id) WHERE (metadata ? 'logo_uri'::text);

CREATE INDEX clients_origins ON public.clients USING gin (public.client_origins(type, redirect_uris, allowed_cors_origins)) WITH (fastupdate=off) WHERE enabled;

CREATE INDEX consents_client ON public.consents USING btree (client_id);

CREATE INDEX credentials_user_credential ON public.credentials USING btree (user_id, credential_id);

CREATE INDEX credentials_user_last_used ON public.credentials USING btree (user_id, last_used_at);

CREATE UNIQUE INDEX grants_code ON public.grants USING btree (code_hash) WHERE (code_hash IS NOT NULL);

CREATE INDEX grants_expires ON public.grants USING btree (expires_at);

CREATE INDEX grants_session ON public.grants USING btree (session_id) WHERE (session_id IS NOT NULL);

CREATE INDEX grants_user_client ON public.grants USING btree (user_id, client_id) WHERE (revoked_at IS NULL);

CREATE UNIQUE INDEX grants_user_code ON public.grants USING btree (user_code_hash) WHERE (state = 'pending'::text);

CREATE INDEX idempotency_expires ON public.idempotency USING btree (expires_at);

CREATE INDEX initial_tokens_expires ON public.initial_tokens USING btree (expires_at);

CREATE INDEX interactions_expires ON public.interactions USING btree (expires_at);

CREATE INDEX jobs_due ON public.jobs USING btree (next_at) WHERE (done_at IS NULL);

CREATE INDEX jobs_expires ON public.jobs USING btree (expires_at);

CREATE INDEX jobs_key ON public.jobs USING btree (key, created_at) WHERE (kind = 'logout'::text);

CREATE INDEX jobs_key_due ON public.jobs USING btree (key, next_at) WHERE ((kind = 'logout'::text) AND (done_at IS NULL));

CREATE INDEX jobs_user ON public.jobs USING btree (user_id, created_at) WHERE (user_id IS NOT NULL);

CREATE INDEX jwks_fetches_expires_at_idx ON public.jwks_fetches USING btree (expires_at);

CREATE INDEX memberships_group ON public.memberships USING btree (group_id);

CREATE INDEX one_time_links_expires ON public.one_time_links USING btree (expires_at);

CREATE INDEX one_time_links_user ON public.one_time_links USING btree (user_id) WHERE (user_id IS NOT NULL);

CREATE INDEX sessions_credential ON public.sessions USING btree (credential_id) WHERE (credential_id IS NOT NULL);

CREATE INDEX sessions_expires ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_user ON public.sessions USING btree (user_id, created_at);

CREATE INDEX spent_expires ON public.spent USING btree (expires_at);

CREATE INDEX users_admins ON public.users USING btree (role) WHERE (role <> 'user'::text);

CREATE UNIQUE INDEX users_verified_email ON public.users USING btree (lower(email) COLLATE "C") WHERE (email_verified_at IS NOT NULL);

CREATE TRIGGER audit_leaf_no_truncate BEFORE TRUNCATE ON public.audit_leaf FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change();

CREATE TRIGGER audit_leaf_no_update BEFORE DELETE OR UPDATE ON public.audit_leaf FOR EACH ROW EXECUTE FUNCTION public.audit_refuse_change();

ALTER TABLE ONLY public.api_client_permissions
    ADD CONSTRAINT api_client_permissions_api_id_scope_fkey FOREIGN KEY (api_id, scope) REFERENCES public.api_permissions(api_id, scope) ON DELETE CASCADE;

ALTER TABLE ONLY public.api_client_permissions
    ADD CONSTRAINT api_client_permissions_client_id_api_id_fkey FOREIGN KEY (client_id, api_id) REFERENCES public.api_clients(client_id, api_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.api_clients
    ADD CONSTRAINT api_clients_api_id_fkey FOREIGN KEY (api_id) REFERENCES public.apis(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.api_clients
    ADD CONSTRAINT api_clients_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.api_permissions
    ADD CONSTRAINT api_permissions_api_id_fkey FOREIGN KEY (api_id) REFERENCES public.apis(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.apis
    ADD CONSTRAINT apis_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.challenges
    ADD CONSTRAINT challenges_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.client_callers
    ADD CONSTRAINT client_callers_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.client_groups
    ADD CONSTRAINT client_groups_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.client_groups
    ADD CONSTRAINT client_groups_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.groups(id) ON DELETE RESTRICT;

ALTER TABLE ONLY public.client_logos
    ADD CONSTRAINT client_logos_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.client_secrets
    ADD CONSTRAINT client_secrets_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.consents
    ADD CONSTRAINT consents_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.consents
    ADD CONSTRAINT consents_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.interactions
    ADD CONSTRAINT interactions_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.groups(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.one_time_links
    ADD CONSTRAINT one_time_links_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
