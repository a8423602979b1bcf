-- The journal of a team. One row of `record` is one record, as in the SQLite file; `hash` covers every column but `place` and `stored`
-- (src/journal/chain.rs says how). Whoever runs this owns it, and can change it: let that be nobody who works.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'the journal needs a database with the encoding UTF8: CREATE DATABASE … ENCODING ''UTF8'' TEMPLATE template0';
    END IF;
END $$;

-- Two roles without a login, of the whole server. `GRANT quarterdeck_writer TO ada` lets somebody act, `quarterdeck_reader` look.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'quarterdeck_reader') THEN
        CREATE ROLE quarterdeck_reader NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'quarterdeck_writer') THEN
        CREATE ROLE quarterdeck_writer NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;

CREATE SCHEMA quarterdeck;
REVOKE ALL ON SCHEMA quarterdeck FROM PUBLIC;

CREATE TABLE quarterdeck.migration (
    version integer     PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    login   text        NOT NULL DEFAULT session_user
);

-- A writer is a process. It lives while it was heard of within 45 s by this database's clock: it says so every 10 s.
CREATE TABLE quarterdeck.process (
    writer uuid        PRIMARY KEY,
    login  text        NOT NULL DEFAULT session_user,
    boot   text,
    seen   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

-- `actor_name` is who logged in, by this server: nobody may write it. `place` is the order of arrival, `stored` the time of it by the
-- server's clock; `at` is by the writer's.
CREATE TABLE quarterdeck.record (
    place      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    writer     uuid        NOT NULL REFERENCES quarterdeck.process,
    seq        bigint      NOT NULL CHECK (seq >= 1),
    id         uuid        NOT NULL UNIQUE,
    prev       text        NOT NULL CHECK (length(prev) = 64),
    hash       text        NOT NULL CHECK (length(hash) = 64),
    at         text        NOT NULL,
    mono_ms    bigint      NOT NULL,
    incident   text,
    actor_name text        NOT NULL DEFAULT session_user,
    actor_uid  bigint      NOT NULL,
    actor_host text        NOT NULL,
    kind       text        NOT NULL,
    run        uuid,
    step       text,
    role       text,
    target     text,
    env        text        NOT NULL,
    data       text        NOT NULL,
    stored     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE (writer, seq)
);

CREATE INDEX record_run ON quarterdeck.record (run, place) WHERE run IS NOT NULL;
CREATE INDEX record_start ON quarterdeck.record (place) WHERE kind = 'run.start';
CREATE INDEX record_turns ON quarterdeck.record (run, kind) WHERE kind IN ('run.start', 'run.finish', 'run.resume');

-- Who drives a run that its first writer left behind.
CREATE TABLE quarterdeck.claim (
    run    uuid PRIMARY KEY,
    writer uuid NOT NULL REFERENCES quarterdeck.process
);

-- Never holds a row. Whoever appends or locks has it for a moment, one after the other: so that records arrive in the order of `place`,
-- and whoever read up to a place has missed none before it.
CREATE TABLE quarterdeck.turn ();

CREATE FUNCTION quarterdeck.wait_for_turn() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    RETURN NULL;
END $$;

-- A process is heard of while it said within 45 s that it lives.
CREATE FUNCTION quarterdeck.is_heard(p_writer uuid) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM quarterdeck.process
        WHERE writer = p_writer AND seen > clock_timestamp() - interval '45 seconds')
$$;

-- Who drives a run that has not ended since it was begun, or was last taken up again: the claimant, else whoever began it. NULL: it has
-- ended, or nobody knows it.
CREATE FUNCTION quarterdeck.driver(p_run uuid) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT claim.writer FROM quarterdeck.claim WHERE claim.run = p_run), begun.writer)
    FROM quarterdeck.record begun
    WHERE begun.run = p_run AND begun.kind = 'run.start' AND NOT EXISTS (
        SELECT FROM quarterdeck.record ended
        WHERE ended.run = p_run AND ended.kind = 'run.finish' AND NOT EXISTS (
            SELECT FROM quarterdeck.record again
            WHERE again.run = p_run AND again.kind = 'run.resume' AND again.place > ended.place))
    ORDER BY begun.place LIMIT 1
$$;

CREATE FUNCTION quarterdeck.in_order() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_seq  bigint;
    last_hash text;
    driver    uuid;
BEGIN
    -- Also for those who may write every column.
    NEW.actor_name := session_user;
    NEW.stored := clock_timestamp();
    IF NOT EXISTS (SELECT FROM quarterdeck.process WHERE writer = NEW.writer AND login = session_user) THEN
        RAISE EXCEPTION 'the chain % is not that of %', NEW.writer, session_user;
    END IF;
    SELECT seq, hash INTO last_seq, last_hash
        FROM quarterdeck.record WHERE writer = NEW.writer ORDER BY seq DESC LIMIT 1;
    IF NEW.seq <> 1 + coalesce(last_seq, 0) OR NEW.prev <> coalesce(last_hash, repeat('0', 64)) THEN
        RAISE EXCEPTION 'a journal record must follow its writer''s last one: number and prev do not fit';
    END IF;
    -- Whoever was away for so long that another process looked after its run may begin nothing more in it.
    IF NEW.kind = 'step.intent' AND EXISTS (SELECT FROM quarterdeck.claim WHERE run = NEW.run AND writer <> NEW.writer) THEN
        RAISE EXCEPTION 'another process has taken over this run: it may change nothing any more';
    END IF;
    -- Whoever takes a run up again drives it from then on.
    IF NEW.kind = 'run.resume' THEN
        driver := quarterdeck.driver(NEW.run);
        IF driver <> NEW.writer AND quarterdeck.is_heard(driver) THEN
            RAISE EXCEPTION 'another process drives this run';
        END IF;
        INSERT INTO quarterdeck.claim (run, writer) VALUES (NEW.run, NEW.writer)
            ON CONFLICT (run) DO UPDATE SET writer = excluded.writer;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION quarterdeck.tell() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('quarterdeck_record', '');
    RETURN NULL;
END $$;

CREATE FUNCTION quarterdeck.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a journal record is never changed or deleted: append another one that corrects it';
END $$;

CREATE TRIGGER a_turn BEFORE INSERT ON quarterdeck.record
    FOR EACH STATEMENT EXECUTE FUNCTION quarterdeck.wait_for_turn();
CREATE TRIGGER in_order BEFORE INSERT ON quarterdeck.record
    FOR EACH ROW EXECUTE FUNCTION quarterdeck.in_order();
CREATE TRIGGER tell AFTER INSERT ON quarterdeck.record
    FOR EACH STATEMENT EXECUTE FUNCTION quarterdeck.tell();
CREATE TRIGGER refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON quarterdeck.record
    FOR EACH STATEMENT EXECUTE FUNCTION quarterdeck.refuse();

-- Begins a chain, and says who begins it and what time it is here (milliseconds of Unix time).
CREATE FUNCTION quarterdeck.begin(p_writer uuid, p_boot text, OUT o_login text, OUT o_now bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO quarterdeck.process AS known (writer, login, boot) VALUES (p_writer, session_user, p_boot)
        ON CONFLICT (writer) DO UPDATE SET seen = clock_timestamp() WHERE known.login = session_user;
    PERFORM quarterdeck.own(p_writer);
    o_login := session_user;
    o_now := floor(extract(epoch FROM clock_timestamp()) * 1000);
END $$;

CREATE FUNCTION quarterdeck.own(p_writer uuid) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM quarterdeck.process WHERE writer = p_writer AND login = session_user) THEN
        RAISE EXCEPTION 'the chain % is not that of %', p_writer, session_user;
    END IF;
END $$;

CREATE FUNCTION quarterdeck.beat(p_writer uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE quarterdeck.process SET seen = clock_timestamp() WHERE writer = p_writer AND login = session_user
$$;

-- Takes over an unfinished run whose driver is not heard of. `p_gone`: processes that ended on the caller's machine, as the caller sees;
-- believed of processes of the same boot alone.
CREATE FUNCTION quarterdeck.take_over(p_run uuid, p_writer uuid, p_gone uuid[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    driver uuid;
BEGIN
    PERFORM quarterdeck.own(p_writer);
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    driver := quarterdeck.driver(p_run);
    IF driver IS NULL THEN
        RETURN false;
    END IF;
    IF driver = p_writer THEN
        RETURN true;
    END IF;
    IF quarterdeck.is_heard(driver) AND NOT (driver = ANY (p_gone) AND EXISTS (
        SELECT FROM quarterdeck.process theirs JOIN quarterdeck.process ours ON ours.boot = theirs.boot
        WHERE theirs.writer = driver AND ours.writer = p_writer))
    THEN
        RETURN false;
    END IF;
    INSERT INTO quarterdeck.claim (run, writer) VALUES (p_run, p_writer)
        ON CONFLICT (run) DO UPDATE SET writer = excluded.writer;
    RETURN true;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA quarterdeck FROM PUBLIC;
GRANT USAGE ON SCHEMA quarterdeck TO quarterdeck_reader, quarterdeck_writer;
GRANT SELECT ON quarterdeck.migration, quarterdeck.process, quarterdeck.record, quarterdeck.claim
    TO quarterdeck_reader, quarterdeck_writer;
GRANT EXECUTE ON FUNCTION quarterdeck.is_heard(uuid), quarterdeck.driver(uuid) TO quarterdeck_reader, quarterdeck_writer;
-- Every column but place, actor_name and stored; and nothing but INSERT.
GRANT INSERT (writer, seq, id, prev, hash, at, mono_ms, incident, actor_uid, actor_host, kind, run, step, role, target, env, data)
    ON quarterdeck.record TO quarterdeck_writer;
GRANT EXECUTE ON FUNCTION quarterdeck.begin(uuid, text), quarterdeck.beat(uuid), quarterdeck.take_over(uuid, uuid, uuid[])
    TO quarterdeck_writer;
