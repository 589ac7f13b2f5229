-- title: Readings of each hour
-- schedule: every batch
-- period: event day
-- order: device_id, metric, hour
-- A reading that a device sent more than once counts once, as it first arrived; all of them have the same time.
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
    SELECT day, device_id, metric, date_trunc('hour', ts) AS hour, min_by(value, arrived_at) AS value
    FROM readings
    WHERE day IN (:periods)
    GROUP BY day, device_id, metric, ts, seq
)
GROUP BY day, device_id, metric, hour
