-- Of a file that a team's journal falls back to: up to which number the team's database is known to have each chain. What comes after that is
-- to be brought there. No record: it may be behind what is there, and never ahead.
CREATE TABLE merged (
    writer TEXT    NOT NULL PRIMARY KEY,
    seq    INTEGER NOT NULL CHECK (seq >= 1)
) STRICT, WITHOUT ROWID;
