"""Gap: every call to a Kinesis stream copies the list of all stored records, so calls slow down as the stream grows.

The records of a shard are ordered by arrival. If the first record has not expired, no record has expired.
AWS: https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
No longer needed when PutRecord takes as long on a stream of a million records as on an empty stream.
"""

import time
from typing import Any

from ministack.services import kinesis


def apply() -> None:
    expire = kinesis._expire_records

    def expire_records(stream: dict[str, Any]) -> None:
        expiry = time.time() - stream["RetentionPeriodHours"] * 3600
        shards = stream["shards"].values()
        if any(shard["records"][0]["ApproximateArrivalTimestamp"] < expiry for shard in shards if shard["records"]):
            expire(stream)

    kinesis._expire_records = expire_records
