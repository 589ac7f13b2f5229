"""Gap: the records of a table's stream are gone after a restart that keeps the table.

A consumer that had not read a record never gets it. With this module the records are there again, and each consumer
begins with the oldest: a record may come twice, as on AWS, but none is lost.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
No longer needed when the state that DynamoDB saves has the records of its streams.
"""

import copy
from typing import Any

from ministack.services import dynamodb

_RECORDS, _TRIMMED = "stream_records", "stream_trimmed"


def apply() -> None:
    get_state, load_persisted_state = dynamodb.get_state, dynamodb.load_persisted_state

    def get_with_records() -> dict[str, Any]:
        state: dict[str, Any] = get_state()
        records, trimmed = copy.deepcopy(dynamodb._stream_records), copy.deepcopy(dynamodb._stream_trimmed)
        return state | {_RECORDS: records, _TRIMMED: trimmed}

    def load_with_records(state: dict[str, Any]) -> None:
        load_persisted_state(state)
        dynamodb._stream_records.update(state.get(_RECORDS, {}))
        dynamodb._stream_trimmed.update(state.get(_TRIMMED, {}))

    dynamodb.get_state, dynamodb.load_persisted_state = get_with_records, load_with_records
