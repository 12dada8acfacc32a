-- The schema of version 0008 on PostgreSQL, where no earlier one has existed.

CREATE TABLE api_keys (
    key_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    hint TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (key_hash)
);

CREATE TABLE app (
    app_id TEXT NOT NULL,
    store_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_id BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (app_id)
);

CREATE TABLE auth_tokens (
    token_hash TEXT NOT NULL,
    uid TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    number BIGINT NOT NULL,
    hint TEXT DEFAULT '' NOT NULL,
    platform TEXT,
    user_agent TEXT,
    app_info TEXT,
    PRIMARY KEY (token_hash)
);

CREATE INDEX auth_tokens_by_uid ON auth_tokens (uid, number);

CREATE TABLE bans (
    guid TEXT NOT NULL,
    uid TEXT NOT NULL,
    scope TEXT NOT NULL,
    banned_at BIGINT NOT NULL,
    banned_by TEXT NOT NULL,
    PRIMARY KEY (guid, uid)
);

CREATE TABLE blocks (
    uid TEXT NOT NULL,
    blocked TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (uid, blocked)
);

CREATE INDEX blocks_by_blocked ON blocks (blocked);

CREATE TABLE chores (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    done_id BIGINT NOT NULL,
    up_to BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE conversations (
    conversation_id TEXT NOT NULL,
    last_message_id BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    shown_message_id BIGINT DEFAULT '0' NOT NULL,
    created_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (conversation_id)
);

CREATE TABLE deliveries (
    id BIGSERIAL NOT NULL,
    webhook TEXT NOT NULL,
    trigger TEXT NOT NULL,
    body BYTEA NOT NULL,
    attempt INTEGER NOT NULL,
    due_at BIGINT NOT NULL,
    queued_at BIGINT DEFAULT '0' NOT NULL,
    first_try_at BIGINT,
    last_try_at BIGINT,
    failed_at BIGINT,
    problem TEXT,
    PRIMARY KEY (id)
);

CREATE INDEX deliveries_due ON deliveries (webhook, due_at) WHERE failed_at IS NULL;

CREATE INDEX deliveries_failed ON deliveries (webhook, failed_at) WHERE failed_at IS NOT NULL;

CREATE INDEX deliveries_waiting ON deliveries (webhook, id) WHERE failed_at IS NULL;

CREATE TABLE edits (
    message_id BIGINT NOT NULL,
    action_id BIGINT NOT NULL,
    PRIMARY KEY (message_id)
);

CREATE TABLE file_uses (
    place TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (place, key, name)
);

CREATE INDEX file_uses_by_name ON file_uses (name);

CREATE TABLE files (
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    file_name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    width INTEGER,
    height INTEGER,
    thumbnail TEXT,
    used INTEGER DEFAULT '0' NOT NULL,
    unused_since BIGINT,
    PRIMARY KEY (name)
);

CREATE INDEX files_by_uid ON files (uid, created_at, size);

CREATE INDEX files_unused ON files (used, unused_since) WHERE unused_since IS NOT NULL;

CREATE TABLE flags (
    message_id BIGINT NOT NULL,
    uid TEXT NOT NULL,
    reason_id TEXT NOT NULL,
    remark TEXT,
    at BIGINT NOT NULL,
    PRIMARY KEY (message_id, uid)
);

CREATE TABLE friends (
    uid TEXT NOT NULL,
    friend TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (uid, friend)
);

CREATE TABLE groups (
    guid TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    password_hash TEXT,
    icon TEXT,
    description TEXT,
    owner TEXT,
    metadata TEXT,
    tags TEXT,
    members_count INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT,
    PRIMARY KEY (guid)
);

CREATE TABLE interactions (
    message_id BIGINT NOT NULL,
    uid TEXT NOT NULL,
    element_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (message_id, uid, element_id)
);

CREATE TABLE marks (
    conversation_id TEXT NOT NULL,
    uid TEXT NOT NULL,
    delivered_id BIGINT NOT NULL,
    read_id BIGINT NOT NULL,
    cleared_id BIGINT DEFAULT '0' NOT NULL,
    tags TEXT,
    pinned_at BIGINT,
    PRIMARY KEY (conversation_id, uid)
);

CREATE INDEX marks_by_uid ON marks (uid);

CREATE TABLE members (
    guid TEXT NOT NULL,
    uid TEXT NOT NULL,
    scope TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    joined_after_id BIGINT NOT NULL,
    PRIMARY KEY (guid, uid)
);

CREATE INDEX members_by_uid ON members (uid);

CREATE TABLE mentions (
    message_id BIGINT NOT NULL,
    uid TEXT NOT NULL,
    conversation_id TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (message_id, uid)
);

CREATE INDEX mentions_by_conversation ON mentions (uid, conversation_id, message_id);

CREATE TABLE messages (
    id BIGINT NOT NULL,
    conversation_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    receiver TEXT NOT NULL,
    receiver_type TEXT NOT NULL,
    category TEXT NOT NULL,
    type TEXT NOT NULL,
    muid TEXT,
    parent_id BIGINT,
    sent_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    delivered_at BIGINT,
    read_at BIGINT,
    edited_at BIGINT,
    edited_by TEXT,
    deleted_at BIGINT,
    deleted_by TEXT,
    body BYTEA NOT NULL,
    reply_count INTEGER DEFAULT '0' NOT NULL,
    pinned_at BIGINT,
    pinned_by TEXT,
    quoted_id BIGINT,
    traits INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX messages_by_conversation ON messages (conversation_id, id);

CREATE UNIQUE INDEX messages_by_muid ON messages (sender, muid) WHERE muid IS NOT NULL;

CREATE INDEX messages_by_parent ON messages (parent_id, id) WHERE parent_id IS NOT NULL;

CREATE INDEX messages_by_update ON messages (conversation_id, updated_at) WHERE updated_at > sent_at;

CREATE INDEX messages_pinned ON messages (conversation_id, pinned_at) WHERE pinned_at IS NOT NULL;

CREATE INDEX messages_unread ON messages (conversation_id, id, sender, category, deleted_at) WHERE category <> 'action' AND deleted_at IS NULL;

CREATE TABLE participants (
    uid TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    PRIMARY KEY (uid, conversation_id)
);

CREATE TABLE reactions (
    id BIGSERIAL NOT NULL,
    message_id BIGINT NOT NULL,
    reaction TEXT NOT NULL,
    uid TEXT NOT NULL,
    reacted_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX reactions_once ON reactions (message_id, reaction, uid);

CREATE TABLE receipts (
    conversation_id TEXT NOT NULL,
    uid TEXT NOT NULL,
    read INTEGER NOT NULL,
    up_to BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, uid, read, up_to)
);

CREATE TABLE restrictions (
    role TEXT NOT NULL,
    feature TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (role, feature)
);

CREATE TABLE roles (
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    metadata TEXT,
    settings TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (role)
);

CREATE TABLE saves (
    uid TEXT NOT NULL,
    message_id BIGINT NOT NULL,
    saved_at BIGINT NOT NULL,
    PRIMARY KEY (uid, message_id)
);

CREATE TABLE starts (
    number BIGSERIAL NOT NULL,
    mark TEXT NOT NULL,
    after_id BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (mark)
);

CREATE TABLE subscriptions (
    uid TEXT NOT NULL,
    message_id BIGINT NOT NULL,
    PRIMARY KEY (uid, message_id)
);

CREATE TABLE users (
    uid TEXT NOT NULL,
    name TEXT NOT NULL,
    avatar TEXT,
    link TEXT,
    role TEXT NOT NULL,
    status_message TEXT,
    metadata TEXT,
    tags TEXT,
    last_active_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deactivated_at BIGINT,
    PRIMARY KEY (uid)
);

CREATE TABLE webhook_states (
    webhook TEXT NOT NULL,
    last_success_at BIGINT,
    last_failure_at BIGINT,
    last_failure TEXT,
    failing_since BIGINT,
    PRIMARY KEY (webhook)
);

CREATE TABLE webhooks (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    triggers TEXT NOT NULL,
    username TEXT,
    password TEXT,
    retry INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    secret TEXT,
    PRIMARY KEY (id)
);

-- The words of messages up to the id in `words_until`, for the full-text search. Those after it are looked through.
CREATE TABLE words (
    message_id BIGINT NOT NULL,
    words TSVECTOR NOT NULL,
    PRIMARY KEY (message_id)
);

CREATE INDEX words_by_word ON words USING gin (words);

CREATE TABLE words_until (id BIGINT NOT NULL);

INSERT INTO words_until VALUES (0);

-- The texts of a JSON list, without other values; none if it is no list.
CREATE FUNCTION tailwire_texts(list TEXT) RETURNS TEXT[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN ARRAY(
        SELECT one #>> '{}' FROM jsonb_array_elements(list::jsonb) AS one WHERE jsonb_typeof(one) = 'string');
EXCEPTION WHEN OTHERS THEN
    RETURN '{}';
END $$;

-- A stored message; NULL if PostgreSQL cannot read it: half of a character in two parts, for example.
CREATE FUNCTION tailwire_json(body BYTEA) RETURNS JSONB LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN convert_from(body, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;

-- The tags of a stored message.
CREATE FUNCTION tailwire_tags(body BYTEA) RETURNS TEXT[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT tailwire_texts((tailwire_json(body) -> 'tags')::text)
$$;
