-- title: Readings of each hour
-- period: event day
-- hour: hour
-- order: device_id, metric, hour
-- columns: device_id string, metric string, hour timestamp, count bigint, min double, max double, avg double
-- A reading that a device sent more than once counts once, with the value that arrived first, or that was corrected
-- last. All of its records have the same time, so they are in the parts of the same hour.
SELECT
    device_id,
    metric,
    hour,
    count(*) AS count,
    min(value) AS min,
    max(value) AS max,
    avg(value) AS avg,
    day AS period
FROM (
    SELECT
        day,
        device_id,
        metric,
        date_trunc('hour', ts) AS hour,
        coalesce(max_by(value, corrected_at), min_by(value, ROW(arrived_at, record))) AS value
    FROM readings
    WHERE day IN (:periods) AND part IN (:parts)
    GROUP BY day, device_id, metric, ts, seq
)
GROUP BY day, device_id, metric, hour
