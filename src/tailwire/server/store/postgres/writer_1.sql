-- The writer's own tables and its functions. The migrations install this file; the number in the names of the functions
-- rises with every change of them, so that processes of two versions can run side by side.

-- The last message id that was given out. Drawn from only under the lock of `tailwire_batch_1`.
CREATE SEQUENCE message_ids MINVALUE 0 START 0;
SELECT setval('message_ids', 0, true);

-- Running server processes. A process without a row here was declared dead, and its batches are refused.
-- Ids come from the clock and from chance, not from a sequence: after an older copy of the database was restored, no process
-- gets the id of one that is still running.
CREATE TABLE processes (
    id bigint PRIMARY KEY DEFAULT
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000 + floor(random() * 1000)::bigint,
    name text NOT NULL,
    until timestamptz NOT NULL
);

-- Batches that were committed lately, so that one that is sent again is not carried out again.
CREATE TABLE batches (
    process bigint NOT NULL,
    num bigint NOT NULL,
    first bigint NOT NULL,
    ids bigint[],
    answers jsonb,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (process, num)
);
CREATE INDEX batches_by_time ON batches USING brin (at);

-- What processes keep in memory and must forget, with ids from the same sequence as messages.
CREATE TABLE changes (
    id bigint PRIMARY KEY,
    kind text NOT NULL,
    key text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Carry out one unit of work: conditions and statements, each with its values as a JSON object.
--
-- A step is [kind, statement, values]:
--   seen  the statement is a condition about what the process has read; if it does not hold any more, nothing is done;
--   until the statement is a condition; if it holds, the unit ends here;
--   do    a statement; its number of rows is a result;
--   need  as `do`; the unit ends here if no row was changed;
--   rows  a statement that returns rows, which are a result.
-- The answer is {"again": true}, or {"results": [...], "ended": the number of the step that ended it, or null}.
CREATE FUNCTION tailwire_unit_1(p_unit jsonb, p_given jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_step jsonb;
    v_number int := -1;
    v_values jsonb;
    v_holds boolean;
    v_count bigint;
    v_row record;
    v_rows jsonb[];
    v_results jsonb := '[]';
BEGIN
    FOR v_step IN SELECT value FROM jsonb_array_elements(p_unit -> 'steps') LOOP
        v_number := v_number + 1;
        v_values := (v_step -> 2) || p_given;
        CASE v_step ->> 0
        WHEN 'seen' THEN
            EXECUTE 'SELECT ' || (v_step ->> 1) INTO v_holds USING v_values;
            IF v_holds IS NOT TRUE THEN
                RETURN '{"again": true}';
            END IF;
        WHEN 'until' THEN
            EXECUTE 'SELECT ' || (v_step ->> 1) INTO v_holds USING v_values;
            IF v_holds IS TRUE THEN
                RETURN jsonb_build_object('results', v_results, 'ended', v_number);
            END IF;
        WHEN 'rows' THEN
            v_rows := '{}';
            FOR v_row IN EXECUTE v_step ->> 1 USING v_values LOOP
                v_rows := v_rows || to_jsonb(v_row);
            END LOOP;
            v_results := v_results || jsonb_build_array(to_jsonb(v_rows));
        ELSE
            EXECUTE v_step ->> 1 USING v_values;
            GET DIAGNOSTICS v_count = ROW_COUNT;
            v_results := v_results || to_jsonb(v_count);
            IF v_step ->> 0 = 'need' AND v_count = 0 THEN
                RETURN jsonb_build_object('results', v_results, 'ended', v_number);
            END IF;
        END CASE;
    END LOOP;
    RETURN jsonb_build_object('results', v_results, 'ended', NULL);
END $$;

-- Store a batch: drafts of messages and units of work, in one transaction under the lock of the app.
--
-- Arrays of drafts have one element for each. `*_of` arrays name the draft, counted from 1, that an element belongs to.
-- A unit may name one of the drafts, which is stored only if the unit is carried out to its end. `p_start` and
-- `p_highest` are the mark of the start and the highest id that the process knows (see `starts_1.sql`).
--
-- ids: for each draft its new id; or -id of the message that its sender has stored under its muid before; or 0 if it
-- was not stored (the sender is not a member of the group, or its unit was not carried out).
-- befores: the id of the message before it in its conversation.
-- first, last: the ids that the batch has taken, those of its changes at the end.
CREATE FUNCTION tailwire_batch_1(
    p_process bigint, p_num bigint, p_start text, p_highest bigint, p_now bigint,
    d_conversation text[], d_sender text[], d_receiver text[], d_receiver_type text[], d_category text[], d_type text[],
    d_muid text[], d_parent bigint[], d_quoted bigint[], d_sent_at bigint[], d_body bytea[], d_traits int[],
    d_shown boolean[], d_by_member boolean[],
    mention_of int[], mention_uid text[],
    file_of int[], file_name text[],
    delivery_of int[], delivery_webhook text[], delivery_trigger text[], delivery_body bytea[],
    p_units jsonb, p_changes int,
    OUT ids bigint[], OUT befores bigint[], OUT answers jsonb, OUT first bigint, OUT last bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    n CONSTANT int := cardinality(d_sender);
    v_last bigint;
    v_first bigint;
    v_keep boolean[];
    v_new boolean[];
    v_stored int := 0;
    v_known boolean;
    v_unit jsonb;
    v_answer jsonb;
    v_change jsonb;
    v_draft int;
    v_id bigint;
    i int;
BEGIN
    PERFORM pg_advisory_xact_lock(7308895);

    SELECT b.first, b.ids, b.answers INTO v_first, ids, answers FROM batches b WHERE b.process = p_process AND b.num = p_num;
    v_known := FOUND;
    IF v_known THEN
        first := v_first;
        last := v_first + n + p_changes - 1;
        IF ids IS NULL THEN
            ids := array(SELECT generate_series(v_first, v_first + n - 1));
        END IF;
        befores := array(
            SELECT coalesce((SELECT max(m.id) FROM messages m WHERE m.conversation_id = d.conversation AND m.id < d.id), 0)
            FROM unnest(d_conversation, ids) WITH ORDINALITY AS d (conversation, id, i) ORDER BY d.i);
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM processes WHERE id = p_process) THEN
        RAISE EXCEPTION 'process % was declared dead', p_process USING ERRCODE = 'TW001';
    END IF;

    SELECT last_value INTO v_last FROM message_ids;
    IF p_highest > v_last OR NOT EXISTS (
        SELECT FROM origin o WHERE o.mark = p_start AND o.timeline = tailwire_timeline_1()
    ) THEN
        RAISE EXCEPTION 'this is not the database that process % knows', p_process USING ERRCODE = 'TW002';
    END IF;
    v_first := v_last + 1;
    first := v_first;
    last := v_last + n + p_changes;
    IF n + p_changes > 0 THEN
        PERFORM setval('message_ids', last);
    END IF;
    v_keep := array_fill(true, ARRAY[n]);
    v_new := array_fill(false, ARRAY[n]);
    ids := array_fill(0::bigint, ARRAY[n]);

    IF p_units IS NOT NULL THEN
        answers := '[]';
        v_id := v_first + n;
        FOR v_unit IN SELECT value FROM jsonb_array_elements(p_units) LOOP
            v_draft := (v_unit ->> 'draft')::int;
            v_answer := tailwire_unit_1(
                v_unit, jsonb_build_object('last_id', v_last, 'message_id', v_first + v_draft - 1));
            answers := answers || jsonb_build_array(v_answer);
            IF v_answer -> 'ended' IS DISTINCT FROM 'null' THEN
                IF v_draft IS NOT NULL THEN
                    v_keep[v_draft] := false;
                END IF;
            ELSE
                FOR v_change IN SELECT value FROM jsonb_array_elements(v_unit -> 'changes') LOOP
                    INSERT INTO changes (id, kind, key) VALUES (v_id, v_change ->> 0, v_change ->> 1);
                    v_id := v_id + 1;
                END LOOP;
            END IF;
        END LOOP;
    END IF;

    IF n > 0 THEN
        FOR v_id IN
            INSERT INTO messages (id, conversation_id, sender, receiver, receiver_type, category, type, muid, parent_id,
                                  sent_at, updated_at, body, quoted_id, traits)
            SELECT v_first + d.i - 1, d.conversation, d.sender, d.receiver, d.receiver_type, d.category, d.type, d.muid,
                   d.parent, d.sent_at, d.sent_at, d.body, d.quoted, d.traits
            FROM unnest(d_conversation, d_sender, d_receiver, d_receiver_type, d_category, d_type, d_muid, d_parent,
                        d_quoted, d_sent_at, d_body, d_traits, d_by_member, v_keep) WITH ORDINALITY
                AS d (conversation, sender, receiver, receiver_type, category, type, muid, parent, quoted, sent_at,
                      body, traits, by_member, keep, i)
            WHERE d.keep AND (NOT d.by_member OR EXISTS (
                SELECT FROM members m WHERE m.guid = d.receiver AND m.uid = d.sender))
            ON CONFLICT DO NOTHING
            RETURNING id
        LOOP
            v_new[v_id - v_last] := true;
            ids[v_id - v_last] := v_id;
            v_stored := v_stored + 1;
        END LOOP;
        IF v_stored < n THEN
            FOR i IN 1 .. n LOOP
                IF NOT v_new[i] AND v_keep[i] AND d_muid[i] IS NOT NULL THEN
                    SELECT m.id INTO v_id FROM messages m WHERE m.sender = d_sender[i] AND m.muid = d_muid[i];
                    ids[i] := coalesce(-v_id, 0);
                END IF;
            END LOOP;
        END IF;

        befores := array(
            SELECT coalesce(s.before,
                (SELECT c.last_message_id FROM conversations c WHERE c.conversation_id = s.conversation), 0)
            FROM (SELECT d.i, d.conversation, lag(v_last + d.i) OVER (PARTITION BY d.conversation, d.new ORDER BY d.i) AS before
                  FROM unnest(d_conversation, v_new) WITH ORDINALITY AS d (conversation, new, i)) AS s
            ORDER BY s.i);
        IF 0 = ANY (befores) THEN
            INSERT INTO participants (uid, conversation_id)
                SELECT DISTINCT who.uid, d.conversation
                FROM unnest(d_conversation, d_sender, d_receiver, d_receiver_type, v_new, befores)
                    AS d (conversation, sender, receiver, receiver_type, new, before),
                    LATERAL (VALUES (d.sender), (d.receiver)) AS who (uid)
                WHERE d.new AND d.before = 0 AND d.receiver_type = 'user'
                ON CONFLICT DO NOTHING;
        END IF;
        INSERT INTO conversations (conversation_id, last_message_id, shown_message_id, created_at, updated_at)
            SELECT d.conversation, max(v_last + d.i), coalesce(max(v_last + d.i) FILTER (WHERE d.shown AND d.parent IS NULL), 0),
                   min(d.sent_at), max(d.sent_at)
            FROM unnest(d_conversation, d_sent_at, d_shown, d_parent, v_new) WITH ORDINALITY
                AS d (conversation, sent_at, shown, parent, new, i)
            WHERE d.new GROUP BY d.conversation
            ON CONFLICT (conversation_id) DO UPDATE SET
                last_message_id = excluded.last_message_id,
                shown_message_id = CASE WHEN excluded.shown_message_id > 0 THEN excluded.shown_message_id
                                        ELSE conversations.shown_message_id END,
                updated_at = excluded.updated_at;
    END IF;

    IF d_parent IS NOT NULL THEN
        UPDATE messages m SET reply_count = m.reply_count + d.count, updated_at = greatest(m.updated_at, d.sent_at)
            FROM (SELECT r.parent, count(*) AS count, max(r.sent_at) AS sent_at
                  FROM unnest(d_parent, d_sent_at, v_new) AS r (parent, sent_at, new)
                  WHERE r.new AND r.parent IS NOT NULL GROUP BY r.parent) AS d
            WHERE m.id = d.parent;
        INSERT INTO subscriptions (uid, message_id)
            SELECT DISTINCT d.sender, d.parent FROM unnest(d_sender, d_parent, v_new) AS d (sender, parent, new)
            WHERE d.new AND d.parent IS NOT NULL
            ON CONFLICT DO NOTHING;
    END IF;
    IF mention_of IS NOT NULL THEN
        INSERT INTO mentions (message_id, uid, conversation_id)
            SELECT v_last + d.of, d.uid, d_conversation[d.of] FROM unnest(mention_of, mention_uid) AS d (of, uid)
            WHERE v_new[d.of]
            ON CONFLICT DO NOTHING;
    END IF;
    IF file_of IS NOT NULL THEN
        UPDATE files f SET used = 1, unused_since = NULL
            FROM (SELECT DISTINCT d.name FROM unnest(file_of, file_name) AS d (of, name) WHERE v_new[d.of]) AS d
            WHERE f.name = d.name AND f.used < 2;
        INSERT INTO file_uses (place, key, name)
            SELECT 'message', (v_last + d.of)::text, d.name FROM unnest(file_of, file_name) AS d (of, name)
            WHERE v_new[d.of] AND EXISTS (SELECT FROM files f WHERE f.name = d.name AND f.used < 2)
            ON CONFLICT DO NOTHING;
    END IF;
    -- A delivery without a draft is complete; that of a draft is the end of the message, which its id is put before.
    IF delivery_of IS NOT NULL THEN
        INSERT INTO deliveries (webhook, trigger, body, attempt, due_at, queued_at)
            SELECT d.webhook, d.trigger,
                   CASE WHEN d.whole THEN d.body ELSE convert_to('{"message":{"id":"' || v_last + d.of, 'UTF8') || d.body END,
                   0, 0, p_now
            FROM (SELECT abs(w.of) AS of, w.of < 0 AS whole, w.webhook, w.trigger, w.body, w.i
                  FROM unnest(delivery_of, delivery_webhook, delivery_trigger, delivery_body) WITH ORDINALITY
                      AS w (of, webhook, trigger, body, i)) AS d
            WHERE v_new[d.of] ORDER BY d.i;
    END IF;

    INSERT INTO batches (process, num, first, ids, answers)
        VALUES (p_process, p_num, v_first, CASE WHEN v_stored < n THEN ids END, answers);
    IF n + p_changes > 0 THEN
        PERFORM pg_notify('tailwire', first || ' ' || last);
    END IF;
END $$;
