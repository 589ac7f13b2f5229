-- Run once in the database `pipeline` of redshift.yaml, with the names of the stage put in (docs/warehouse.md).

-- The reports where they are: every edition shows as soon as the catalogue points to it.
CREATE EXTERNAL SCHEMA IF NOT EXISTS reports
FROM DATA CATALOG DATABASE 'pipeline_app_prod'
IAM_ROLE default;

-- A copy in the warehouse, for joins with other data or for dashboards that ask often.
CREATE TABLE IF NOT EXISTS hourly (
    device_id varchar(512) NOT NULL,
    metric varchar(256) NOT NULL,
    hour timestamp NOT NULL,
    count bigint NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    avg double precision NOT NULL,
    period date NOT NULL
)
DISTKEY (device_id) SORTKEY (period, device_id);

-- Brings the days since *first* up to date; a day that was made anew takes the place of what was there.
CREATE OR REPLACE PROCEDURE refresh_hourly(first date) AS $$
BEGIN
    DELETE FROM hourly WHERE period >= first;
    INSERT INTO hourly
    SELECT device_id, metric, hour, count, min, max, avg, period::date
    FROM reports.hourly
    WHERE period >= first::varchar;
END;
$$ LANGUAGE plpgsql;

CALL refresh_hourly(current_date - 3);
