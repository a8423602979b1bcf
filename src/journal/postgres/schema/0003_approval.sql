-- The second person, and locks that change hands. Nobody writes here but the functions below; the records that they judge stand in
-- `record`, under the name that this server gives whoever logged in.

-- What was asked for by `run.approval.asked` (the same id), and what came of it. It is of one plan, lasts until `until` by this database's
-- clock, and lets one run begin: `run` is written in the transaction that writes its `run.start` or `run.resume`.
CREATE TABLE quarterdeck.approval (
    id        uuid        PRIMARY KEY REFERENCES quarterdeck.record (id),
    asker     text        NOT NULL DEFAULT session_user,
    plan_hash text        NOT NULL CHECK (length(plan_hash) = 64),
    asked     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    until     timestamptz NOT NULL,
    decider   text        CHECK (decider <> asker),
    approved  boolean,
    decision  uuid        REFERENCES quarterdeck.record (id),
    withdrawn boolean     NOT NULL DEFAULT false,
    run       uuid,
    CHECK ((decider IS NULL) = (approved IS NULL) AND (decider IS NULL) = (decision IS NULL)),
    CHECK (run IS NULL OR approved)
);

CREATE INDEX approval_plan ON quarterdeck.approval (plan_hash);

-- What a record says, as this server can take it apart: it knows no NUL in a text.
CREATE FUNCTION quarterdeck.said(p_data text) RETURNS json
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT replace(p_data, '\u0000', '\u0001')::json
$$;

CREATE FUNCTION quarterdeck.judge_approval() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said json := quarterdeck.said(NEW.data);
    one  quarterdeck.approval;
BEGIN
    IF NEW.kind = 'run.approval.asked' THEN
        INSERT INTO quarterdeck.approval (id, plan_hash, until) VALUES (NEW.id, said ->> 'plan_hash',
            clock_timestamp() + least(greatest((said ->> 'ttl_ms')::bigint, 0), 86400000) * interval '1 millisecond');
        RETURN NULL;
    END IF;
    IF NEW.kind IN ('run.start', 'run.resume') AND said ->> 'approval' IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO one FROM quarterdeck.approval WHERE id = (said ->> 'approval')::uuid FOR UPDATE;
    IF one.id IS NULL THEN
        RAISE EXCEPTION 'approval: nobody asked for it';
    END IF;
    IF one.plan_hash IS DISTINCT FROM said ->> 'plan_hash' THEN
        RAISE EXCEPTION 'approval: it is of another plan';
    END IF;
    IF one.run IS NOT NULL THEN
        RAISE EXCEPTION 'approval: it was used by a run';
    END IF;
    IF one.withdrawn THEN
        RAISE EXCEPTION 'approval: % has withdrawn the request', one.asker;
    END IF;
    IF one.until <= clock_timestamp() THEN
        RAISE EXCEPTION 'approval: its time was over at %', to_char(one.until AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"');
    END IF;
    IF NEW.kind IN ('run.approval.withdrawn', 'run.start', 'run.resume') THEN
        IF one.asker <> session_user THEN
            RAISE EXCEPTION 'approval: it was asked for by %, and not by %', one.asker, session_user;
        END IF;
    ELSIF one.asker = session_user THEN
        RAISE EXCEPTION 'approval: it was asked for by %, whose login this is too: it takes another person''s', one.asker;
    END IF;
    IF NEW.kind = 'run.approval.withdrawn' THEN
        UPDATE quarterdeck.approval SET withdrawn = true WHERE id = one.id;
    ELSIF NEW.kind IN ('run.start', 'run.resume') THEN
        IF one.approved IS NOT TRUE THEN
            RAISE EXCEPTION 'approval: nobody has approved it';
        END IF;
        UPDATE quarterdeck.approval SET run = NEW.run WHERE id = one.id;
    ELSE
        IF one.decider IS NOT NULL THEN
            RAISE EXCEPTION 'approval: % has decided it already', one.decider;
        END IF;
        UPDATE quarterdeck.approval SET decider = session_user, approved = NEW.kind = 'run.approval.given', decision = NEW.id
            WHERE id = one.id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER judge_approval AFTER INSERT ON quarterdeck.record FOR EACH ROW
    WHEN (NEW.kind IN ('run.approval.asked', 'run.approval.given', 'run.approval.refused', 'run.approval.withdrawn', 'run.start', 'run.resume'))
    EXECUTE FUNCTION quarterdeck.judge_approval();

-- Moves what one run holds to another run that is to begin, as the record `p_wanted` (`lock.wanted`) asks: the holder's process grants it,
-- or the asker takes it over: at once when nobody drives the holder any more or its time is over, else when the holder was told and the
-- grace is over. Each grant has a greater number, so that the old holder is none any more. NULL: done; else why not.
CREATE FUNCTION quarterdeck.pass(p_wanted uuid, p_writer uuid, p_gone uuid[], p_ms bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted quarterdeck.record;
    said   json;
    names  text[];
    holder uuid;
    driver uuid;
    held   boolean;
    waits  interval;
BEGIN
    PERFORM quarterdeck.own(p_writer);
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    SELECT * INTO wanted FROM quarterdeck.record WHERE id = p_wanted AND kind = 'lock.wanted';
    IF wanted.id IS NULL THEN
        RETURN 'nobody asked for it';
    END IF;
    said := quarterdeck.said(wanted.data);
    holder := (said ->> 'run')::uuid;
    SELECT array_agg(name) INTO names FROM json_array_elements_text(said -> 'resources') AS name;
    IF NOT EXISTS (SELECT FROM quarterdeck.lease WHERE resource = ANY (names) AND run = holder) THEN
        RETURN 'that run does not hold it any more';
    END IF;
    driver := quarterdeck.driver(holder);
    held := EXISTS (SELECT FROM quarterdeck.lease WHERE resource = ANY (names) AND run = holder AND until > clock_timestamp())
        AND driver IS NOT NULL AND quarterdeck.is_heard(driver) AND NOT (driver = ANY (p_gone) AND EXISTS (
            SELECT FROM quarterdeck.process theirs JOIN quarterdeck.process ours ON ours.boot = theirs.boot
            WHERE theirs.writer = driver AND ours.writer = p_writer));
    IF NOT EXISTS (SELECT FROM quarterdeck.lease WHERE resource = ANY (names) AND run = holder AND writer = p_writer)
        AND driver IS DISTINCT FROM p_writer
    THEN
        IF wanted.writer <> p_writer THEN
            RETURN 'somebody else asked for it';
        END IF;
        IF NOT (said ->> 'take')::boolean THEN
            RETURN 'the run that holds it has not handed it over';
        END IF;
        waits := wanted.stored + least(greatest((said ->> 'grace_ms')::bigint, 5000), 600000) * interval '1 millisecond' - clock_timestamp();
        IF held AND waits > interval '0' THEN
            RETURN 'its holder was told, and has ' || ceil(extract(epoch FROM waits)) || ' s to hand it over';
        END IF;
    END IF;
    UPDATE quarterdeck.lease SET fence = fence + 1, run = (said ->> 'for_run')::uuid, writer = wanted.writer,
        since = clock_timestamp(), until = clock_timestamp() + p_ms * interval '1 millisecond'
        WHERE resource = ANY (names) AND run = holder;
    RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION quarterdeck.said(text), quarterdeck.judge_approval(), quarterdeck.pass(uuid, uuid, uuid[], bigint) FROM PUBLIC;
GRANT SELECT ON quarterdeck.approval TO quarterdeck_reader, quarterdeck_writer;
GRANT EXECUTE ON FUNCTION quarterdeck.pass(uuid, uuid, uuid[], bigint) TO quarterdeck_writer;
