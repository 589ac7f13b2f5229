"""Gap: a distribution is `Deployed`, and an invalidation `Completed`, when it is created.

AWS needs minutes to bring a change to all edges. With the option `LOCALAWS_CONSISTENCY_DELAY` (see
account.eventual_consistency), both are `InProgress` for so many seconds, and the edges of localaws wait as long.
CloudFormation waits for a distribution, so one of a stack is deployed.
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HowToUpdateDistribution.html
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation_Requests.html
No longer needed when CreateDistribution returns the status `InProgress`.
"""

import time
from typing import Any

from ministack.services import cloudfront

from localaws.account.eventual_consistency import delay
from localaws.changes.calls import CHANGES

type Json = dict[str, Any]

_in_progress: list[tuple[float, Json, str]] = []
"""The time of a change, the record that changed, and its status afterwards."""


def start(record: Json) -> None:
    _in_progress.append((time.time(), record, record["Status"]))
    record["Status"] = "InProgress"
    CHANGES["cloudfront"].notify_after(delay())


def finish() -> None:
    """Finish what started before the delay."""
    while _in_progress and _in_progress[0][0] <= time.time() - delay():
        _, record, status = _in_progress.pop(0)
        if not any(record is other for _, other, _ in _in_progress):
            record["Status"] = status


def changing(change: Any) -> Any:
    """Wrap CreateDistribution or UpdateDistribution."""

    def run(*arguments: Any) -> Any:
        status, headers, body = change(*arguments)
        if status in (200, 201) and (record := find(headers["ETag"])):
            start(record)
            body = cloudfront._get_distribution(record["Id"])[2]
        return status, headers, body

    return run


def find(etag: str) -> Json | None:
    return next((each for each in cloudfront._distributions.values() if each["ETag"] == etag), None)


def invalidating(create: Any) -> Any:
    """Wrap CreateInvalidation."""

    def run(distribution_id: str, body: bytes) -> Any:
        status, headers, answer = create(distribution_id, body)
        if status == 201:
            record = cloudfront._invalidations[distribution_id][-1]
            start(record)
            answer = cloudfront._get_invalidation(distribution_id, record["Id"])[2]
        return status, headers, answer

    return run


def apply() -> None:
    if not delay():
        return
    handle = cloudfront.handle_request

    async def handle_request(*request: Any) -> Any:
        finish()
        return await handle(*request)

    cloudfront.handle_request = handle_request
    cloudfront._create_distribution = changing(cloudfront._create_distribution)
    cloudfront._update_distribution = changing(cloudfront._update_distribution)
    cloudfront._create_invalidation = invalidating(cloudfront._create_invalidation)
