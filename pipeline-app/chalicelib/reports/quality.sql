-- title: What became of the records that arrived
-- period: arrival day
-- order: outcome, reason
-- columns: outcome string, reason string, records bigint, newest_event timestamp
-- :days are the event days of the readings that arrived on the day :period. Of the records of one reading, the first to
-- arrive is accepted, on its day of arrival. Each other one is a duplicate, on its own day of arrival.
WITH arrived AS (
    -- Firehose may deliver a record twice. It counts as one record.
    SELECT device_id, metric, ts, seq, record, min(arrived_at) AS arrived_at
    FROM readings
    WHERE day IN (:days)
    GROUP BY device_id, metric, ts, seq, record
),
judged AS (
    SELECT
        ts,
        arrived_at,
        row_number() OVER (PARTITION BY device_id, metric, ts, seq ORDER BY arrived_at, record) AS turn
    FROM arrived
)
SELECT
    IF(turn = 1, 'accepted', 'duplicate') AS outcome,
    '' AS reason,
    count(*) AS records,
    -- The newest reading that was not history when it arrived. A clock that is ahead does not count.
    max(IF(ts >= arrived_at - INTERVAL '1' HOUR, least(ts, arrived_at))) AS newest_event,
    CAST(CAST(arrived_at AS date) AS varchar) AS period
FROM judged
WHERE CAST(arrived_at AS date) = CAST(:period AS date)
GROUP BY IF(turn = 1, 'accepted', 'duplicate'), CAST(arrived_at AS date)
UNION ALL
SELECT 'bad', reason, count(DISTINCT record), CAST(NULL AS timestamp), day
FROM errors
WHERE day = :period
GROUP BY reason, day
