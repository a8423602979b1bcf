-- What was recorded on a machine while this database was away, brought here later. `merged_by` is who brought it, by this server; who acted is
-- what their machine said, and covered by the hash. NULL: it was written here when it happened.
ALTER TABLE quarterdeck.record ADD COLUMN merged_by text;

-- As `in_order`, for what has happened already: it is recorded whoever has taken over the run meanwhile.
CREATE FUNCTION quarterdeck.in_order_merged() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_seq  bigint;
    last_hash text;
BEGIN
    NEW.merged_by := session_user;
    NEW.stored := clock_timestamp();
    PERFORM quarterdeck.own(NEW.writer);
    SELECT seq, hash INTO last_seq, last_hash
        FROM quarterdeck.record WHERE writer = NEW.writer ORDER BY seq DESC LIMIT 1;
    IF NEW.seq <> 1 + coalesce(last_seq, 0) OR NEW.prev <> coalesce(last_hash, repeat('0', 64)) THEN
        RAISE EXCEPTION 'a journal record must follow its writer''s last one: number and prev do not fit';
    END IF;
    -- Whoever took a run up there drives it, unless somebody here does by now.
    IF NEW.kind = 'run.resume' THEN
        INSERT INTO quarterdeck.claim AS known (run, writer) VALUES (NEW.run, NEW.writer)
            ON CONFLICT (run) DO UPDATE SET writer = excluded.writer WHERE NOT quarterdeck.is_heard(known.writer);
    END IF;
    -- It could not be given back when it was over.
    IF NEW.kind IN ('lock.released', 'run.finish') THEN
        UPDATE quarterdeck.lease SET run = NULL, writer = NULL WHERE run = NEW.run AND writer = NEW.writer;
    END IF;
    RETURN NEW;
END $$;

-- What takes two was judged where it was asked; what is brought later changes nothing of that, but an approval that let a run begin is used.
CREATE FUNCTION quarterdeck.use_approval() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE quarterdeck.approval SET run = NEW.run
        WHERE id = (quarterdeck.said(NEW.data) ->> 'approval')::uuid AND asker = session_user AND approved AND run IS NULL;
    RETURN NULL;
END $$;

DROP TRIGGER judge_approval ON quarterdeck.record;
CREATE TRIGGER judge_approval AFTER INSERT ON quarterdeck.record FOR EACH ROW
    WHEN (NEW.merged_by IS NULL AND NEW.kind IN ('run.approval.asked', 'run.approval.given', 'run.approval.refused', 'run.approval.withdrawn',
        'run.start', 'run.resume'))
    EXECUTE FUNCTION quarterdeck.judge_approval();
CREATE TRIGGER use_approval AFTER INSERT ON quarterdeck.record FOR EACH ROW
    WHEN (NEW.merged_by IS NOT NULL AND NEW.kind IN ('run.start', 'run.resume'))
    EXECUTE FUNCTION quarterdeck.use_approval();

DROP TRIGGER in_order ON quarterdeck.record;
CREATE TRIGGER in_order BEFORE INSERT ON quarterdeck.record
    FOR EACH ROW WHEN (NEW.merged_by IS NULL) EXECUTE FUNCTION quarterdeck.in_order();
CREATE TRIGGER in_order_merged BEFORE INSERT ON quarterdeck.record
    FOR EACH ROW WHEN (NEW.merged_by IS NOT NULL) EXECUTE FUNCTION quarterdeck.in_order_merged();

-- Brings records here, in the order of the array: all that are not there yet, or none. How many those are. One that is there must be the same.
CREATE FUNCTION quarterdeck.merge(p_records json) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one   record;
    known text;
    added bigint := 0;
BEGIN
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    FOR one IN SELECT * FROM json_to_recordset(p_records) AS given (
        writer uuid, seq bigint, id uuid, prev text, hash text, at text, mono_ms bigint, incident text, actor_name text, actor_uid bigint,
        actor_host text, kind text, run uuid, step text, role text, target text, env text, data text)
    LOOP
        -- A chain that was begun there is of who brings it. Nobody has heard of its process.
        INSERT INTO quarterdeck.process (writer, login, boot, seen)
            VALUES (one.writer, session_user, CASE WHEN one.kind = 'journal.open' THEN quarterdeck.said(one.data) ->> 'boot' END, '-infinity')
            ON CONFLICT (writer) DO NOTHING;
        PERFORM quarterdeck.own(one.writer);
        SELECT hash INTO known FROM quarterdeck.record WHERE writer = one.writer AND seq = one.seq;
        IF FOUND THEN
            IF known <> one.hash THEN
                RAISE EXCEPTION 'record % of the chain % is another one here', one.seq, one.writer;
            END IF;
            CONTINUE;
        END IF;
        INSERT INTO quarterdeck.record (writer, seq, id, prev, hash, at, mono_ms, incident, actor_name, actor_uid, actor_host, kind, run, step,
                role, target, env, data, merged_by)
            VALUES (one.writer, one.seq, one.id, one.prev, one.hash, one.at, one.mono_ms, one.incident, one.actor_name, one.actor_uid,
                one.actor_host, one.kind, one.run, one.step, one.role, one.target, one.env, one.data, session_user);
        added := added + 1;
    END LOOP;
    RETURN added;
END $$;

REVOKE ALL ON FUNCTION quarterdeck.in_order_merged(), quarterdeck.use_approval(), quarterdeck.merge(json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION quarterdeck.merge(json) TO quarterdeck_writer;
