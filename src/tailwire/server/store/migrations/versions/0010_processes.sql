-- Servers, as distinct from commands that run beside them; and a hash of the keys that all servers must share.
ALTER TABLE processes ADD COLUMN serving boolean NOT NULL DEFAULT false;
ALTER TABLE processes ADD COLUMN keys text NOT NULL DEFAULT '';

-- What one server does for all, and which one. A lease ends with the process that has it.
CREATE TABLE leases (
    name text PRIMARY KEY,
    process bigint NOT NULL REFERENCES processes ON DELETE CASCADE
);
CREATE INDEX leases_by_process ON leases (process);

-- Who is online at which server. Emptied by a crash of the database; the servers then fill it again.
CREATE UNLOGGED TABLE presence (
    uid text NOT NULL,
    process bigint NOT NULL REFERENCES processes ON DELETE CASCADE,
    away boolean NOT NULL DEFAULT false,
    PRIMARY KEY (uid, process)
);
CREATE INDEX presence_by_process ON presence (process);

-- A number for each change of the rows of a process in `presence`, so that others notice when they have missed one.
CREATE UNLOGGED TABLE presence_versions (
    process bigint PRIMARY KEY REFERENCES processes ON DELETE CASCADE,
    version bigint NOT NULL
);

-- Store which users are online at a process. Under a lock, so that of two processes that do this for the same user at
-- the same time exactly one finds that the user came or went.
--
-- befores, afters: the state of each user over all processes: 0 offline, 1 away, 2 online.
-- version: increases by 1 with each call. It begins with the time, so that none comes twice after a crash.
CREATE FUNCTION tailwire_presence_1(
    p_process bigint, p_uids text[], p_here boolean[], p_away boolean[],
    OUT befores int[], OUT afters int[], OUT version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(7308899);
    INSERT INTO presence_versions AS v (process, version)
        VALUES (p_process, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint))
        ON CONFLICT (process) DO UPDATE SET version = v.version + 1 RETURNING v.version INTO version;
    befores := array(
        SELECT (SELECT CASE WHEN count(*) = 0 THEN 0 WHEN bool_and(p.away) THEN 1 ELSE 2 END FROM presence p WHERE p.uid = u.uid)
        FROM unnest(p_uids) WITH ORDINALITY AS u (uid, i) ORDER BY u.i);
    DELETE FROM presence p USING unnest(p_uids, p_here) AS u (uid, here)
        WHERE p.uid = u.uid AND p.process = p_process AND NOT u.here;
    INSERT INTO presence (uid, process, away)
        SELECT u.uid, p_process, u.away FROM unnest(p_uids, p_here, p_away) AS u (uid, here, away) WHERE u.here
        ON CONFLICT (uid, process) DO UPDATE SET away = excluded.away WHERE presence.away <> excluded.away;
    afters := array(
        SELECT (SELECT CASE WHEN count(*) = 0 THEN 0 WHEN bool_and(p.away) THEN 1 ELSE 2 END FROM presence p WHERE p.uid = u.uid)
        FROM unnest(p_uids) WITH ORDINALITY AS u (uid, i) ORDER BY u.i);
END $$;
