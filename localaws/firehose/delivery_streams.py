"""Gap: the emulator writes each record as an object of its own, and does not validate or store all settings.

This module turns the emulator's delivery of Kinesis streams off; localaws.firehose delivers instead. It rejects
settings that AWS rejects, and stores CustomTimeZone and FileExtension. The emulator still delivers direct puts. The
description of an extended destination includes the one of a plain destination.
AWS: https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html
AWS: https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html#prefix-rules
AWS: https://docs.aws.amazon.com/firehose/latest/dev/buffering-hints.html
No longer needed when two records within the buffering interval become one object.
"""

from typing import Any

from ministack.services import firehose
from ministack.services.cloudformation import provisioners

COPIED_SETTINGS = ("CustomTimeZone", "FileExtension")
PLAIN_SETTINGS = (
    "BucketARN",
    "BufferingHints",
    "CloudWatchLoggingOptions",
    "CompressionFormat",
    "EncryptionConfiguration",
    "ErrorOutputPrefix",
    "Prefix",
    "RoleARN",
)
"""The settings that a destination has without the extension."""
RETRY_OPTIONS = {"DurationInSeconds": 300}
ERROR_TYPE = "!{firehose:error-output-type}"
PARTITION_KEYS = "!{partitionKey"
MIN_LARGE_BUFFER = 64  # MB; the minimum buffer size with dynamic partitioning or format conversion
MIN_PARTITIONING_INTERVAL = 60  # seconds; zero buffering is not available for dynamic partitioning


def is_enabled(configuration: dict[str, Any] | None, default: bool = False) -> bool:
    return bool(configuration) and str((configuration or {}).get("Enabled", default)).lower() == "true"


def validation_error(s3: dict[str, Any]) -> str | None:
    """Return the error with which AWS rejects the destination, or None."""
    hints = s3.get("BufferingHints") or {}
    size, seconds = float(hints.get("SizeInMBs", 5)), float(hints.get("IntervalInSeconds", 300))
    if not 1 <= size <= 128 or not 0 <= seconds <= 900:
        return "BufferingHints need SizeInMBs from 1 to 128 and IntervalInSeconds from 0 to 900."
    converts = is_enabled(s3.get("DataFormatConversionConfiguration"), default=True)
    if converts and size < MIN_LARGE_BUFFER:
        return "BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled."
    if converts and s3.get("CompressionFormat", "UNCOMPRESSED") != "UNCOMPRESSED":
        return "CompressionFormat must be UNCOMPRESSED when data format conversion is enabled."
    return partitioning_error(s3, size, seconds) or prefix_error(s3)


def partitioning_error(s3: dict[str, Any], size: float, seconds: float) -> str | None:
    partitions = is_enabled(s3.get("DynamicPartitioningConfiguration"))
    if partitions and size < MIN_LARGE_BUFFER:
        return "BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled."
    if partitions and seconds < MIN_PARTITIONING_INTERVAL:
        return "BufferingHints.IntervalInSeconds must be at least 60 seconds when Dynamic Partitioning is enabled."
    if partitions and not s3.get("ErrorOutputPrefix"):
        return "ErrorOutputPrefix is required when Dynamic Partitioning is enabled."
    has_keys = PARTITION_KEYS in (s3.get("Prefix") or "")
    if partitions and not has_keys:
        return "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled"
    if has_keys and not partitions:
        namespaces = "Dynamic Partitioning Namespaces can only be part of a prefix expression"
        return f"{namespaces} when Dynamic Partitioning is enabled."
    return None


def prefix_error(s3: dict[str, Any]) -> str | None:
    prefix, errors = s3.get("Prefix") or "", s3.get("ErrorOutputPrefix") or ""
    if ERROR_TYPE in prefix:
        return f"Prefix cannot contain {ERROR_TYPE}."
    if "!{" in prefix and not errors:
        return "ErrorOutputPrefix is required when Prefix has expressions."
    if "!{" in errors and ERROR_TYPE not in errors:
        return f"ErrorOutputPrefix must contain {ERROR_TYPE}."
    return None


def create_with_validation(create: Any) -> Any:
    def create_stream(data: dict[str, Any]) -> Any:
        reason = validation_error(data.get("ExtendedS3DestinationConfiguration") or {"BufferingHints": {}})
        return firehose._invalid(reason) if reason else create(data)

    return create_stream


def update_with_validation(update: Any) -> Any:
    def update_stream(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        reason = validation_error(new.get("ExtendedS3DestinationConfiguration") or {})
        if reason:
            raise ValueError(reason)
        return update(physical_id, old, new, stack_name)

    return update_stream


def as_described(describe: Any) -> Any:
    """Wrap the description of a destination."""

    def description(destination: dict[str, Any]) -> Any:
        described = describe(destination)
        s3 = described.get("ExtendedS3DestinationDescription")
        if s3 is None:
            return described
        s3 |= {name: destination["config"][name] for name in COPIED_SETTINGS if name in destination["config"]}
        s3.setdefault("CloudWatchLoggingOptions", {"Enabled": False})
        if is_enabled(partitioning := s3.get("DynamicPartitioningConfiguration")):
            s3["DynamicPartitioningConfiguration"] = {"RetryOptions": RETRY_OPTIONS, **partitioning}
        return described | {"S3DestinationDescription": {name: s3[name] for name in PLAIN_SETTINGS}}

    return description


def without_update(describe: Any) -> Any:
    """Wrap the description of a stream: a new one was not updated."""

    def description(stream: dict[str, Any]) -> Any:
        described = describe(stream)
        if stream["version"] == 1:
            described.pop("LastUpdateTimestamp", None)
        return described

    return description


def apply() -> None:
    firehose.ingest_from_kinesis_source = lambda stream_arn, records: None
    firehose._create_delivery_stream = create_with_validation(firehose._create_delivery_stream)
    firehose._HANDLERS["CreateDeliveryStream"] = firehose._create_delivery_stream
    firehose._dest_description = as_described(firehose._dest_description)
    firehose._build_description = without_update(firehose._build_description)
    stream = provisioners._RESOURCE_HANDLERS["AWS::KinesisFirehose::DeliveryStream"]
    stream["update"] = update_with_validation(stream["update"])
