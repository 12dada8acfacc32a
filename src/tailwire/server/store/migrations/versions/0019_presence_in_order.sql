-- Store which users are online at a process. p_after is the version of its last change that it knows to be stored, or 0.
-- If another version is stored, nothing changes, and befores and afters are null: either this statement was given up and
-- arrives late, or the one before it was stored although its answer was lost.
CREATE OR REPLACE FUNCTION tailwire_presence_2(
    p_process bigint, p_after bigint, p_uids text[], p_here boolean[], p_away boolean[],
    OUT befores int[], OUT afters int[], OUT version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(7308899);
    SELECT v.version INTO version FROM presence_versions v WHERE v.process = p_process;
    IF version <> p_after THEN
        RETURN;
    END IF;
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
