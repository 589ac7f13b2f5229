"""A deployed event source mapping, as ListEventSourceMappings returns it.

AWS: https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localaws.lambda_.filters import Filters

DAY = 24 * 60 * 60
QUEUE_CONCURRENCY = 5  # AWS starts with five concurrent batches and scales to a thousand, too many for a laptop


@dataclass(frozen=True)
class EventSourceMapping:
    """The settings of a mapping. Times are in seconds; -1 as *maximum_retries* is no limit."""

    uuid: str
    function_arn: str
    source_arn: str
    state: str
    last_modified: float
    batch_size: int
    batching_window: int
    reports_failures: bool
    bisects: bool
    maximum_retries: int
    maximum_age: int
    parallelization: int
    maximum_concurrency: int
    starting_position: str
    starting_timestamp: float
    on_failure: str | None
    filters: Filters

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> EventSourceMapping:
        """Return the mapping of an API description.

        Without MaximumRecordAgeInSeconds, records expire after a day, which is the retention of DynamoDB streams.
        """
        source = description["EventSourceArn"]
        age = description.get("MaximumRecordAgeInSeconds", -1)
        timestamp = description.get("StartingPositionTimestamp")
        return cls(
            uuid=description["UUID"],
            function_arn=description["FunctionArn"],
            source_arn=source,
            state=description["State"],
            last_modified=description["LastModified"].timestamp(),
            batch_size=description["BatchSize"],
            batching_window=description.get("MaximumBatchingWindowInSeconds", 0),
            reports_failures="ReportBatchItemFailures" in description.get("FunctionResponseTypes", []),
            bisects=description.get("BisectBatchOnFunctionError", False),
            maximum_retries=description.get("MaximumRetryAttempts", -1),
            maximum_age=DAY if age == -1 else age,
            parallelization=description.get("ParallelizationFactor", 1),
            maximum_concurrency=description.get("ScalingConfig", {}).get("MaximumConcurrency", QUEUE_CONCURRENCY),
            starting_position=description.get("StartingPosition", "TRIM_HORIZON"),
            starting_timestamp=timestamp.timestamp() if timestamp else 0,
            on_failure=description.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
            filters=Filters.of(description.get("FilterCriteria", {})),
        )

    @property
    def enabled(self) -> bool:
        return self.state == "Enabled"

    @property
    def is_changing(self) -> bool:
        """Whether AWS has not applied the settings yet."""
        return self.state in ("Creating", "Updating", "Enabling", "Disabling")

    @property
    def service(self) -> str:
        """`dynamodb`, `kinesis` or `sqs`."""
        return self.source_arn.split(":")[2]

    @property
    def region(self) -> str:
        return self.source_arn.split(":")[3]
