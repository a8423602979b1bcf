-- Who holds what, so that two runs never change one thing at the same time. No record: `lock.taken` and `lock.released` are. Times are
-- milliseconds of Unix time, read by this database. A row stays when it is released: `fence` only ever grows.
CREATE TABLE lease (
    resource TEXT    NOT NULL PRIMARY KEY,
    fence    INTEGER NOT NULL CHECK (fence >= 1),
    run      TEXT,
    writer   TEXT,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER lease_fence_grows BEFORE UPDATE ON lease
BEGIN
    SELECT RAISE(ABORT, 'the number of a lease only grows') WHERE NEW.fence < OLD.fence;
END;
