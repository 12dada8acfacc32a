-- A message is not stored if its sender or receiver was removed while it waited, or its muid belongs to one that was removed
-- for good. A trigger, so that this also holds for batches of processes of an older version, and for a removal earlier in the
-- same batch: the function of batches carries out its units first. `removed_names.py` has the rule for SQLite and for units.
CREATE OR REPLACE FUNCTION tailwire_not_removed_2() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.muid IS NOT NULL AND EXISTS (
        SELECT FROM removed_sends r WHERE r.uid = NEW.sender AND r.muid = NEW.muid
    ) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM removed_names) THEN  -- mostly there are none
        IF NEW.receiver_type = 'group' AND EXISTS (
            SELECT FROM removed_names r WHERE r.kind = 'group' AND r.name = NEW.receiver
            AND NOT EXISTS (SELECT FROM groups g WHERE g.guid = r.name)
        ) THEN
            RETURN NULL;
        END IF;
        -- What was written to a user who was deleted since can still be edited and deleted.
        IF NEW.receiver_type = 'user' AND NOT (NEW.category = 'action' AND NEW.type = 'message') AND EXISTS (
            SELECT FROM removed_names r WHERE r.kind = 'user' AND r.name = NEW.receiver
            AND NOT EXISTS (SELECT FROM users u WHERE u.uid = r.name)
        ) THEN
            RETURN NULL;
        END IF;
        -- A change of a membership is reported whoever made it. An edit or a deletion was made before its sender was removed,
        -- if in the same batch: one that comes later is refused by its unit.
        IF NEW.category <> 'action' AND EXISTS (
            SELECT FROM removed_names r WHERE r.kind = 'user' AND r.name = NEW.sender
            AND NOT EXISTS (SELECT FROM users u WHERE u.uid = r.name)
        ) THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER not_removed BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION tailwire_not_removed_2();
DROP FUNCTION IF EXISTS tailwire_not_removed_1();
