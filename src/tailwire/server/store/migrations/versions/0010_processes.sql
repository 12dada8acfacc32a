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
