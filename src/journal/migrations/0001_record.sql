-- One row is one record. `hash` covers every column but `place`; src/journal/chain.rs says how.
-- `place` is the order of arrival in this file alone: a merge with another journal gives other places.
CREATE TABLE record (
    place      INTEGER PRIMARY KEY,
    writer     TEXT    NOT NULL,
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    id         TEXT    NOT NULL UNIQUE,
    prev       TEXT    NOT NULL CHECK (length(prev) = 64),
    hash       TEXT    NOT NULL CHECK (length(hash) = 64),
    at         TEXT    NOT NULL,
    mono_ms    INTEGER NOT NULL,
    incident   TEXT,
    actor_name TEXT    NOT NULL,
    actor_uid  INTEGER NOT NULL,
    actor_host TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    run        TEXT,
    step       TEXT,
    role       TEXT,
    target     TEXT,
    env        TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    UNIQUE (writer, seq)
) STRICT;

CREATE INDEX record_run ON record (run, kind) WHERE run IS NOT NULL;
CREATE INDEX record_start ON record (run) WHERE kind = 'run.start';

CREATE TRIGGER record_no_update BEFORE UPDATE ON record
BEGIN
    SELECT RAISE(ABORT, 'a journal record is never changed: append another one that corrects it');
END;

CREATE TRIGGER record_no_delete BEFORE DELETE ON record
BEGIN
    SELECT RAISE(ABORT, 'a journal record is never deleted: export what you need, move the whole file away, and a new one is begun');
END;

-- REPLACE would remove the old row without asking the trigger above. A record out of order would break the chain.
CREATE TRIGGER record_in_order BEFORE INSERT ON record
BEGIN
    SELECT RAISE(ABORT, 'a journal record is never replaced: append another one that corrects it')
    WHERE EXISTS (SELECT 1 FROM record WHERE place = NEW.place OR id = NEW.id OR (writer = NEW.writer AND seq = NEW.seq));
    SELECT RAISE(ABORT, 'a journal record must follow its writer''s last one: number and prev do not fit')
    WHERE NEW.seq <> 1 + coalesce((SELECT max(seq) FROM record WHERE writer = NEW.writer), 0)
       OR NEW.prev <> coalesce(
            (SELECT hash FROM record WHERE writer = NEW.writer ORDER BY seq DESC LIMIT 1),
            '0000000000000000000000000000000000000000000000000000000000000000');
END;

-- Who drives a run that its first writer left behind. No record: it may be replaced when the holder is gone too.
CREATE TABLE claim (
    run    TEXT NOT NULL PRIMARY KEY,
    writer TEXT NOT NULL
) STRICT, WITHOUT ROWID;
