-- Run this once in the database `pipeline` of redshift.yaml. Replace `prod` with your stage. See docs/warehouse.md.

-- The reports in S3. An edition is visible as soon as it is published in the Glue catalog.
CREATE EXTERNAL SCHEMA IF NOT EXISTS reports
FROM DATA CATALOG DATABASE 'pipeline_app_prod'
IAM_ROLE default;

-- A copy in the warehouse, for joins with other data and for dashboards with many queries.
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

-- Replaces the days since *first* with the latest editions.
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
