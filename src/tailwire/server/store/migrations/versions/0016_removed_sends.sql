-- A message whose muid belongs to one that was removed for good is not stored again. A trigger, so that this also holds for
-- batches of processes of an older version.
CREATE FUNCTION tailwire_not_removed_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM removed_sends r WHERE r.uid = NEW.sender AND r.muid = NEW.muid) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER not_removed BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.muid IS NOT NULL)
EXECUTE FUNCTION tailwire_not_removed_1();
