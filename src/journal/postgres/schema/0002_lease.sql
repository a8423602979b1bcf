-- Who holds what, so that two runs never change one thing at the same time. No record: `lock.taken` and `lock.released` are. By this
-- database's clock. A row stays when it is released: `fence` only ever grows. Nobody writes here but the functions below. A lease lapses
-- with its time, unless its run was cut off: what that did may go on, so that it stays held until somebody has looked and the run has an end.
CREATE TABLE quarterdeck.lease (
    resource text        PRIMARY KEY,
    fence    bigint      NOT NULL CHECK (fence >= 1),
    run      uuid,
    writer   uuid        REFERENCES quarterdeck.process,
    since    timestamptz NOT NULL,
    until    timestamptz NOT NULL
);

-- Takes all, or none: then one row tells the first that another run holds.
CREATE FUNCTION quarterdeck.take(p_run uuid, p_writer uuid, p_resources text[], p_ms bigint)
RETURNS TABLE (o_resource text, o_fence bigint, o_free boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
    moment timestamptz;
BEGIN
    PERFORM quarterdeck.own(p_writer);
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    moment := clock_timestamp();
    RETURN QUERY SELECT held.resource, held.fence, false FROM quarterdeck.lease held
        WHERE held.resource = ANY (p_resources) AND held.run <> p_run
            AND (held.until > moment OR quarterdeck.driver(held.run) IS NOT NULL)
        ORDER BY array_position(p_resources, held.resource) LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    FOREACH wanted IN ARRAY p_resources LOOP
        RETURN QUERY INSERT INTO quarterdeck.lease AS held (resource, fence, run, writer, since, until)
            VALUES (wanted, 1, p_run, p_writer, moment, moment + p_ms * interval '1 millisecond')
            ON CONFLICT (resource) DO UPDATE SET fence = held.fence + 1, run = excluded.run,
                writer = excluded.writer, since = excluded.since, until = excluded.until
            RETURNING held.resource, held.fence, true;
    END LOOP;
END $$;

-- A lease whose time is over and that nobody else has taken is still its run's; unless another process has taken over the run.
CREATE FUNCTION quarterdeck.renew(p_run uuid, p_writer uuid, p_resources text[], p_fences bigint[], p_ms bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ours bigint;
BEGIN
    PERFORM quarterdeck.own(p_writer);
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM quarterdeck.claim WHERE run = p_run AND writer <> p_writer) THEN
        RETURN false;
    END IF;
    SELECT count(*) INTO ours FROM unnest(p_resources, p_fences) AS wanted (resource, fence)
        JOIN quarterdeck.lease held USING (resource, fence) WHERE held.run = p_run;
    IF ours <> cardinality(p_resources) THEN
        RETURN false;
    END IF;
    UPDATE quarterdeck.lease SET until = clock_timestamp() + p_ms * interval '1 millisecond', writer = p_writer
        WHERE resource = ANY (p_resources) AND run = p_run;
    RETURN true;
END $$;

CREATE FUNCTION quarterdeck.release(p_run uuid, p_writer uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM quarterdeck.own(p_writer);
    LOCK TABLE quarterdeck.turn IN EXCLUSIVE MODE;
    UPDATE quarterdeck.lease SET run = NULL, writer = NULL
        WHERE run = p_run AND (writer = p_writer OR EXISTS (
            SELECT FROM quarterdeck.claim WHERE claim.run = p_run AND claim.writer = p_writer));
END $$;

REVOKE ALL ON FUNCTION quarterdeck.take(uuid, uuid, text[], bigint), quarterdeck.renew(uuid, uuid, text[], bigint[], bigint),
    quarterdeck.release(uuid, uuid) FROM PUBLIC;
GRANT SELECT ON quarterdeck.lease TO quarterdeck_reader, quarterdeck_writer;
GRANT EXECUTE ON FUNCTION quarterdeck.take(uuid, uuid, text[], bigint), quarterdeck.renew(uuid, uuid, text[], bigint[], bigint),
    quarterdeck.release(uuid, uuid) TO quarterdeck_writer;
