-- Numbers of the change log are in the order of commits, because whoever writes an entry keeps this lock until the commit.
-- Messages and receipts have different lanes, and several processes write. The trigger comes before a number is drawn.
CREATE FUNCTION tailwire_changes_in_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7308901);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_in_turn BEFORE INSERT ON change_log
    FOR EACH STATEMENT EXECUTE FUNCTION tailwire_changes_in_turn();
