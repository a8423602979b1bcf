-- What belongs to incidents is read by itself, however long the journal is.
CREATE INDEX record_incident ON quarterdeck.record (place)
    WHERE (incident IS NOT NULL OR kind IN ('journal.open', 'journal.away', 'journal.merge'));
