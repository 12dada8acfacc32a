-- The starts of the store, and what tells that its contents were taken back. The migrations install this file.

-- Where the ids were given out last, and under which start: one row. A dump that is restored has new objects, another
-- database or another cluster; a standby that is promoted, and a recovery to a point in time, have a new timeline.
CREATE TABLE origin (
    place text NOT NULL,
    timeline text NOT NULL,
    mark text NOT NULL
);

CREATE FUNCTION tailwire_place_1() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT c.system_identifier || '/' || d.oid || '/' || 'message_ids'::regclass::oid
    FROM pg_control_system() AS c, pg_database AS d WHERE d.datname = current_database()
$$;

-- The timeline of the write-ahead log; '' on a standby.
CREATE FUNCTION tailwire_timeline_1() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END
$$;

-- Whether this is the database that a process knows: by the mark of its start, and the highest id that it has seen.
CREATE FUNCTION tailwire_known_1(p_start text, p_highest bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT p_highest <= (SELECT last_value FROM message_ids) AND EXISTS (
        SELECT FROM origin o
        WHERE o.mark = p_start AND o.timeline = tailwire_timeline_1() AND o.place = tailwire_place_1())
$$;

-- Return the mark of the current start. Before that, begin a new one if the contents were taken back, or if a server
-- begins and no other process is alive.
--
-- why: '' if no new start was begun; otherwise 'begun', 'copied' (restored from a dump), 'promoted' (a new timeline),
-- or 'older' (the process has seen a higher id). Except for 'begun', ids are skipped, so that none is given out twice:
-- those that were given out after the copy was made are unknown.
CREATE FUNCTION tailwire_start_1(
    p_mark text, p_name text, p_now bigint, p_highest bigint, p_begin boolean,
    OUT mark text, OUT last bigint, OUT before bigint, OUT why text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_origin origin;
    v_place text;
    v_timeline text;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the database is a standby, which cannot be written' USING ERRCODE = '25006';
    END IF;
    PERFORM pg_advisory_xact_lock(7308895);
    v_place := tailwire_place_1();
    v_timeline := tailwire_timeline_1();
    SELECT s.last_value INTO before FROM message_ids s;
    last := before;
    why := '';
    SELECT * INTO v_origin FROM origin;
    IF NOT FOUND THEN
        why := 'begun';
    ELSIF v_origin.place <> v_place THEN
        why := 'copied';
        last := greatest(before, p_highest) + 1000000;
    ELSIF v_origin.timeline <> v_timeline THEN
        why := 'promoted';
        last := greatest(before, p_highest) + 1048576;
    ELSIF p_highest > before THEN
        why := 'older';
        last := p_highest + 10000;
    ELSIF p_begin AND NOT EXISTS (SELECT FROM processes p WHERE p.until > clock_timestamp()) THEN
        why := 'begun';
    ELSE
        mark := v_origin.mark;
        RETURN;
    END IF;
    mark := p_mark;
    INSERT INTO starts (mark, after_id, started_at) VALUES (p_mark, before, p_now);
    DELETE FROM starts s WHERE s.number <= (SELECT max(number) FROM starts) - 10000;
    DELETE FROM origin;
    INSERT INTO origin (place, timeline, mark) VALUES (v_place, v_timeline, p_mark);
    IF last > before THEN
        PERFORM setval('message_ids', last);
        INSERT INTO changes (id, kind, key) VALUES (last, 'start', p_mark);
    END IF;
    IF why IN ('copied', 'older') THEN
        UPDATE app SET store_name = p_name;
    END IF;
END $$;
