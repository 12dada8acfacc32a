-- The lane of receipts: it does not take the app's lock, so that receipts never hold up messages. The migrations install
-- this file.
--
-- Receipts come sorted by conversation and reader, so that the calls of several processes take their locks in one order.
-- Writes under the app's lock take the same rows in any order. So a call waits at most 50 ms for a row, and not at all
-- for that of a message: then it fails, and is made again. Nothing that waits for a receipt waits longer.
--
-- The lock of the change log comes last, because it is held until the commit: so its numbers are in the order of commits.

-- Store receipts: marks move forward, messages get their times. `n_…` are entries of the change log, each of a receipt
-- (`n_of`, counted from 1); those up to the mark before are not written.
--
-- The answer has `receipts`, an object for each: `before`, the mark that it moved, or null if it was not lower or the reader was removed; `all`, for
-- a group, what all members but the sender have now received (`read` is false) or read: sender, the highest such id,
-- `read`. And it has `numbers` in the change log: for each receipt, those of its entries and then those of its `all`.
CREATE OR REPLACE FUNCTION tailwire_receipts_1(
    p_process bigint, p_num bigint,
    r_conversation text[], r_reader text[], r_up_to bigint[], r_now bigint[], r_read boolean[], r_group text[], r_log boolean[],
    n_of int[], n_sender text[], n_device text[], n_up_to bigint[],
    event_of int[], event_webhook text[], event_trigger text[], event_body bytea[],
    OUT answers jsonb
) LANGUAGE plpgsql SET lock_timeout = '50ms' AS $$
#variable_conflict use_column
DECLARE
    v_mark marks;
    v_before bigint;
    v_first bigint;
    v_known bigint;
    v_kind boolean;
    v_uids text[];
    v_floors bigint[];
    v_all jsonb;
    v_more jsonb;
    v_receipts jsonb := '[]';
    v_entry record;
    v_last bigint;
    v_number bigint;
    v_numbers bigint[] := '{}';
    e_of int[] := '{}';
    e_kind text[] := '{}';
    e_sender text[] := '{}';
    e_device text[] := '{}';
    e_message bigint[] := '{}';
    i int;
BEGIN
    SELECT b.answers INTO answers FROM batches b WHERE b.process = p_process AND b.num = p_num;
    IF FOUND THEN
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(r_reader) LOOP
        IF r_group[i] <> '' THEN
            -- What all have read is found only if the receipts of a group take turns.
            PERFORM pg_advisory_xact_lock(7308899, hashtext(r_conversation[i]));
        END IF;
        -- A receipt that waited while its reader was removed would bring back what the removal has deleted.
        IF EXISTS (SELECT FROM removed_names r WHERE r.kind = 'user' AND r.name = r_reader[i]
                   AND NOT EXISTS (SELECT FROM users u WHERE u.uid = r.name)) THEN
            v_receipts := v_receipts || '{"before": null}'::jsonb;
            CONTINUE;
        END IF;
        INSERT INTO marks (conversation_id, uid, delivered_id, read_id) VALUES (r_conversation[i], r_reader[i], 0, 0)
            ON CONFLICT DO NOTHING;
        SELECT * INTO v_mark FROM marks
            WHERE conversation_id = r_conversation[i] AND uid = r_reader[i] FOR NO KEY UPDATE;
        v_before := CASE WHEN r_read[i] THEN v_mark.read_id ELSE v_mark.delivered_id END;
        IF v_before >= r_up_to[i] THEN
            v_receipts := v_receipts || '{"before": null}'::jsonb;
            CONTINUE;
        END IF;
        UPDATE marks SET
            delivered_id = greatest(delivered_id, r_up_to[i]),
            read_id = CASE WHEN r_read[i] THEN r_up_to[i] ELSE read_id END
            WHERE conversation_id = r_conversation[i] AND uid = r_reader[i];
        IF n_of IS NOT NULL THEN
            FOR v_entry IN
                SELECT n.sender, n.device, n.up_to FROM unnest(n_of, n_sender, n_device, n_up_to) WITH ORDINALITY
                    AS n (of, sender, device, up_to, number)
                WHERE n.of = i AND n.up_to > v_before ORDER BY n.number
            LOOP
                e_of := array_append(e_of, i);
                e_kind := array_append(e_kind, CASE WHEN r_read[i] THEN 'read' ELSE 'delivered' END);
                e_sender := array_append(e_sender, v_entry.sender);
                e_device := array_append(e_device, v_entry.device);
                e_message := array_append(e_message, v_entry.up_to);
            END LOOP;
        END IF;
        v_all := '[]';
        IF r_group[i] = '' THEN
            -- A call must end soon, however many messages were unread: only the newest of them get their times.
            SELECT min(id) INTO v_first FROM (
                SELECT id FROM messages WHERE conversation_id = r_conversation[i] AND id > v_before AND id <= r_up_to[i]
                ORDER BY id DESC LIMIT 5000) AS newest;
            PERFORM 1 FROM messages
                WHERE conversation_id = r_conversation[i] AND id >= v_first AND id <= r_up_to[i]
                AND receiver = r_reader[i] AND CASE WHEN r_read[i] THEN read_at ELSE delivered_at END IS NULL
                ORDER BY id FOR NO KEY UPDATE NOWAIT;
            UPDATE messages SET
                delivered_at = coalesce(delivered_at, r_now[i]),
                read_at = CASE WHEN r_read[i] THEN r_now[i] ELSE read_at END,
                updated_at = r_now[i]
                WHERE conversation_id = r_conversation[i] AND id >= v_first AND id <= r_up_to[i]
                AND receiver = r_reader[i] AND CASE WHEN r_read[i] THEN read_at ELSE delivered_at END IS NULL;
        ELSIF r_log[i] THEN
            FOREACH v_kind IN ARRAY CASE WHEN r_read[i] THEN ARRAY[false, true] ELSE ARRAY[false] END LOOP
                v_known := CASE WHEN v_kind THEN v_mark.read_id ELSE v_mark.delivered_id END;
                CONTINUE WHEN v_known >= r_up_to[i];
                INSERT INTO receipts (conversation_id, uid, read, up_to, at)
                    VALUES (r_conversation[i], r_reader[i], v_kind::int, r_up_to[i], r_now[i]) ON CONFLICT DO NOTHING;
                -- A member counts as having received and read what was sent before they joined.
                SELECT array_agg(s.uid ORDER BY s.up_to, s.uid), array_agg(s.up_to ORDER BY s.up_to, s.uid)
                    INTO v_uids, v_floors
                    FROM (SELECT m.uid, greatest(m.joined_after_id, coalesce((
                              SELECT CASE WHEN v_kind THEN k.read_id ELSE k.delivered_id END FROM marks k
                              WHERE k.conversation_id = r_conversation[i] AND k.uid = m.uid), 0)) AS up_to
                          FROM members m WHERE m.guid = r_group[i] ORDER BY 2, 1 LIMIT 2) AS s;
                CONTINUE WHEN cardinality(v_uids) IS DISTINCT FROM 2 OR v_floors[2] <= v_known;
                SELECT min(id) INTO v_first FROM (
                    SELECT id FROM messages
                    WHERE conversation_id = r_conversation[i] AND id > v_known AND id <= least(r_up_to[i], v_floors[2])
                    AND sender <> r_reader[i] AND category <> 'action'
                    AND CASE WHEN v_kind THEN read_at ELSE delivered_at END IS NULL
                    ORDER BY id DESC LIMIT 1000) AS newest;
                PERFORM 1 FROM messages
                    WHERE conversation_id = r_conversation[i] AND id >= v_first AND id <= least(r_up_to[i], v_floors[2])
                    AND sender <> r_reader[i] AND CASE WHEN v_kind THEN read_at ELSE delivered_at END IS NULL
                    ORDER BY id FOR NO KEY UPDATE NOWAIT;
                WITH senders AS MATERIALIZED (
                    SELECT s.sender, min(s.id) AS first FROM (
                        SELECT sender, id FROM messages
                        WHERE conversation_id = r_conversation[i] AND id >= v_first AND id <= least(r_up_to[i], v_floors[2])
                        AND sender <> r_reader[i] AND category <> 'action'
                        AND CASE WHEN v_kind THEN read_at ELSE delivered_at END IS NULL) AS s
                    GROUP BY s.sender),
                changed AS (
                    UPDATE messages m SET
                        delivered_at = CASE WHEN v_kind THEN m.delivered_at ELSE r_now[i] END,
                        read_at = CASE WHEN v_kind THEN r_now[i] ELSE m.read_at END,
                        updated_at = r_now[i]
                        FROM senders s
                        WHERE m.conversation_id = r_conversation[i] AND m.id >= s.first AND m.sender = s.sender
                        AND m.id <= least(r_up_to[i], CASE WHEN v_uids[1] = s.sender THEN v_floors[2] ELSE v_floors[1] END)
                        AND CASE WHEN v_kind THEN m.read_at ELSE m.delivered_at END IS NULL
                        RETURNING m.sender, m.id)
                SELECT jsonb_agg(jsonb_build_array(c.sender, c.id, v_kind) ORDER BY c.sender) INTO v_more
                    FROM (SELECT sender, max(id) AS id FROM changed GROUP BY sender) AS c;
                v_all := v_all || coalesce(v_more, '[]');
                FOR v_entry IN SELECT * FROM jsonb_array_elements(v_more) LOOP
                    e_of := array_append(e_of, i);
                    e_kind := array_append(e_kind, CASE WHEN v_kind THEN 'read by all' ELSE 'delivered to all' END);
                    e_sender := array_append(e_sender, (v_entry.value ->> 0));
                    e_device := array_append(e_device, '');
                    e_message := array_append(e_message, (v_entry.value ->> 1)::bigint);
                END LOOP;
            END LOOP;
        END IF;
        IF event_of IS NOT NULL THEN
            INSERT INTO deliveries (webhook, trigger, body, attempt, due_at, queued_at)
                SELECT e.webhook, e.trigger, e.body, 0, 0, r_now[i]
                FROM unnest(event_of, event_webhook, event_trigger, event_body) WITH ORDINALITY
                    AS e (of, webhook, trigger, body, number)
                WHERE e.of = i ORDER BY e.number;
        END IF;
        v_receipts := v_receipts || jsonb_build_object('before', v_before, 'all', v_all);
    END LOOP;
    IF cardinality(e_of) > 0 THEN
        PERFORM pg_advisory_xact_lock(7308901);
        -- Not the last id that was given out: the batch that has it may not be committed, and have older entries.
        SELECT greatest(
            coalesce((SELECT max(id) FROM messages), 0),
            coalesce((SELECT after_id FROM change_log ORDER BY number DESC LIMIT 1), 0)) INTO v_last;
        FOR j IN 1 .. cardinality(e_of) LOOP
            i := e_of[j];
            INSERT INTO change_log AS c
                (subject, key, after_id, kind, uid, device, to_uid, message_id, since_id, detail, at)
                VALUES (
                    r_conversation[i],
                    e_kind[j] || ' ' || e_sender[j] ||
                        CASE WHEN e_kind[j] IN ('read', 'delivered') THEN ' ' || r_reader[i] ELSE '' END,
                    v_last, e_kind[j], r_reader[i], e_device[j], e_sender[j], e_message[j], 0, '', r_now[i])
                ON CONFLICT (subject, key) DO UPDATE SET
                    number = excluded.number, after_id = excluded.after_id, uid = excluded.uid, device = excluded.device,
                    message_id = excluded.message_id, at = excluded.at
                RETURNING c.number INTO v_number;
            v_numbers := v_numbers || v_number;
        END LOOP;
    END IF;
    answers := jsonb_build_object('receipts', v_receipts, 'numbers', v_numbers);
    INSERT INTO batches (process, num, first, answers) VALUES (p_process, p_num, 0, answers);
END $$;
