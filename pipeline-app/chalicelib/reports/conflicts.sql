-- title: Readings with more than one value
-- period: event day
-- hour: ts
-- order: device_id, metric, ts, seq
-- columns: device_id string, metric string, ts timestamp, seq bigint, value double, lowest double, highest double, distinct_values bigint, corrected boolean
-- The value counts in the other reports: the first to arrive, or the one that was corrected last.
SELECT
    device_id,
    metric,
    ts,
    seq,
    coalesce(max_by(value, corrected_at), min_by(value, ROW(arrived_at, record))) AS value,
    min(value) AS lowest,
    max(value) AS highest,
    count(DISTINCT value) AS distinct_values,
    max(corrected_at) IS NOT NULL AS corrected,
    day AS period
FROM readings
WHERE day IN (:periods) AND part IN (:parts)
GROUP BY day, device_id, metric, ts, seq
HAVING count(DISTINCT value) > 1
