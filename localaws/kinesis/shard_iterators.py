"""Gap: every call to Kinesis looks at all shard iterators of the last five minutes. Polled streams slow down all calls.

The iterators are ordered by their creation. If the first iterator has not expired, no iterator has expired.
AWS: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
No longer needed when PutRecord takes as long after an hour of GetRecords as before.
"""

import time

from ministack.services import kinesis


def apply() -> None:
    def expire_iterators() -> None:
        iterators = kinesis._shard_iterators._data
        expiry = time.time() - kinesis.ITERATOR_EXPIRY_SECONDS
        while (first := next(iter(iterators), None)) and iterators[first]["created_at"] < expiry:
            del iterators[first]

    kinesis._expire_iterators = expire_iterators
