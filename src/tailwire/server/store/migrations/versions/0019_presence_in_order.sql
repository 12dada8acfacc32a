-- Store which users are online at a process, as tailwire_presence_1 does. p_after is the version of its last change that it
-- knows to be stored, or 0. If another version is stored, nothing changes, and befores and afters are null: either this
-- statement was given up and arrives late, or the one before it was stored although its answer was lost.
CREATE OR REPLACE FUNCTION tailwire_presence_2(
    p_process bigint, p_after bigint, p_uids text[], p_here boolean[], p_away boolean[],
    OUT befores int[], OUT afters int[], OUT version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(7308899); -- before the version is read; tailwire_presence_1 takes it again
    SELECT v.version INTO version FROM presence_versions v WHERE v.process = p_process;
    IF version <> p_after THEN
        RETURN;
    END IF;
    SELECT n.befores, n.afters, n.version INTO befores, afters, version
        FROM tailwire_presence_1(p_process, p_uids, p_here, p_away) AS n;
END $$;
