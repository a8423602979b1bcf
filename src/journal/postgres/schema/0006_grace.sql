-- What a lease lets its holder do while this database can't be reached: it may use what it holds for as long as it was last granted. So nobody
-- else gets it before that is over, however it was asked for; and whoever was told that it is taken over is granted no more than until then.

-- When what a run holds is taken over, as a `lock.wanted` says. NULL: it is only asked for, is of another run, or can't be taken apart.
CREATE FUNCTION quarterdeck.taken_at(wanted quarterdeck.record, p_run uuid) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said json;
BEGIN
    said := quarterdeck.said(wanted.data);
    IF (said ->> 'run')::uuid = p_run AND (said ->> 'take')::boolean THEN
        RETURN wanted.stored + least(greatest((said ->> 'grace_ms')::bigint, 5000), 600000) * interval '1 millisecond';
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- What is looked for at each renewal, however long the journal is.
CREATE INDEX record_wanted ON quarterdeck.record (stored) WHERE kind = 'lock.wanted';

-- A lease whose time is over and that nobody else has taken is still its run's; unless another process has taken over the run. For how many
-- milliseconds it is granted; NULL: one of it is somebody else's. Whoever renews lives.
DROP FUNCTION quarterdeck.renew(uuid, uuid, text[], bigint[], bigint);
CREATE FUNCTION quarterdeck.renew(p_run uuid, p_writer uuid, p_resources text[], p_fences bigint[], p_ms bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ours   bigint;
    moment timestamptz;
    ends   timestamptz;
BEGIN
    PERFORM quarterdeck.own(p_writer);
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM quarterdeck.claim WHERE run = p_run AND writer <> p_writer) THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO ours FROM unnest(p_resources, p_fences) AS wanted (resource, fence)
        JOIN quarterdeck.lease held USING (resource, fence) WHERE held.run = p_run;
    IF ours <> cardinality(p_resources) THEN
        RETURN NULL;
    END IF;
    moment := clock_timestamp();
    -- One that was to be taken over and was not, for a minute, is not wanted any more.
    SELECT min(quarterdeck.taken_at(wanted, p_run)) INTO ends FROM quarterdeck.record wanted
        WHERE kind = 'lock.wanted' AND stored > moment - interval '11 minutes'
            AND quarterdeck.taken_at(wanted, p_run) > moment - interval '1 minute';
    ends := greatest(moment, least(moment + p_ms * interval '1 millisecond', ends));
    UPDATE quarterdeck.lease SET until = ends, writer = p_writer WHERE resource = ANY (p_resources) AND run = p_run;
    UPDATE quarterdeck.process SET seen = moment WHERE writer = p_writer;
    RETURN floor(extract(epoch FROM ends - moment) * 1000)::bigint;
END $$;

-- As before; but whoever is not known to have ended keeps what they hold until their time is over, whether they are heard of or not.
CREATE OR REPLACE FUNCTION quarterdeck.pass(p_wanted uuid, p_writer uuid, p_gone uuid[], p_ms bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted quarterdeck.record;
    said   json;
    names  text[];
    holder uuid;
    driver uuid;
    held   interval;
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
    SELECT max(until) - clock_timestamp() INTO held FROM quarterdeck.lease WHERE resource = ANY (names) AND run = holder;
    IF held IS NULL THEN
        RETURN 'that run does not hold it any more';
    END IF;
    driver := quarterdeck.driver(holder);
    IF NOT EXISTS (SELECT FROM quarterdeck.lease WHERE resource = ANY (names) AND run = holder AND writer = p_writer)
        AND driver IS DISTINCT FROM p_writer
    THEN
        IF wanted.writer <> p_writer THEN
            RETURN 'somebody else asked for it';
        END IF;
        IF NOT (said ->> 'take')::boolean THEN
            RETURN 'the run that holds it has not handed it over';
        END IF;
        IF held > interval '0' AND driver IS NOT NULL AND NOT (driver = ANY (p_gone) AND EXISTS (
            SELECT FROM quarterdeck.process theirs JOIN quarterdeck.process ours ON ours.boot = theirs.boot
            WHERE theirs.writer = driver AND ours.writer = p_writer))
        THEN
            waits := quarterdeck.taken_at(wanted, holder) - clock_timestamp();
            IF quarterdeck.is_heard(driver) AND waits > interval '0' THEN
                RETURN 'its holder was told, and has ' || ceil(extract(epoch FROM waits)) || ' s to hand it over';
            END IF;
            RETURN 'its holder has not answered, and may use it for ' || ceil(extract(epoch FROM held)) || ' s more';
        END IF;
    END IF;
    UPDATE quarterdeck.lease SET fence = fence + 1, run = (said ->> 'for_run')::uuid, writer = wanted.writer,
        since = clock_timestamp(), until = clock_timestamp() + p_ms * interval '1 millisecond'
        WHERE resource = ANY (names) AND run = holder;
    RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION quarterdeck.taken_at(quarterdeck.record, uuid), quarterdeck.renew(uuid, uuid, text[], bigint[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION quarterdeck.renew(uuid, uuid, text[], bigint[], bigint) TO quarterdeck_writer;
