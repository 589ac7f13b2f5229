"""A deployed delivery stream, as DescribeDeliveryStream returns it.

AWS: https://docs.aws.amazon.com/firehose/latest/APIReference/API_DeliveryStreamDescription.html
Only streams from Kinesis to S3 are supported. Omitted settings have the defaults of the API reference. A template may
give any number as a string.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

MEGABYTE = 1024 * 1024
UNCOMPRESSED = "UNCOMPRESSED"


@dataclass(frozen=True)
class BufferingHint:
    """The limits of a buffer: *size* in bytes, and *seconds* since its first record."""

    size: float
    seconds: float


@dataclass(frozen=True)
class Transform:
    """The Lambda processor: the function that transforms every record, its role, retries and buffering."""

    function_arn: str
    role_arn: str
    retries: int
    hint: BufferingHint


@dataclass(frozen=True)
class Conversion:
    """The conversion from JSON to Parquet: the Glue table with the schema, and the settings of the SerDes."""

    role_arn: str
    table: dict[str, str]
    compression: str
    case_insensitive: bool = True
    dots_to_underscores: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    timestamp_formats: tuple[str, ...] | None = None
    """Of the Hive JSON SerDe; empty for its default. None is the OpenX JSON SerDe, which has no such setting."""


@dataclass(frozen=True)
class DeliveryStream:
    """The settings of a stream. *start* and *created* are in epoch seconds."""

    name: str
    arn: str
    version: str
    created: float
    source_arn: str
    source_role_arn: str
    start: float
    role_arn: str
    bucket: str
    hint: BufferingHint
    prefix: str
    error_prefix: str
    compression: str
    extension: str
    zone: ZoneInfo
    partitioned: bool
    delimiter: bytes
    transform: Transform | None
    conversion: Conversion | None

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> DeliveryStream | None:
        """Return the stream of an API description, or None if its source or destination is not supported.

        Raises ValueError for a conversion to ORC, and KeyError for an incomplete description.
        """
        source = description.get("Source", {}).get("KinesisStreamSourceDescription")
        destination = description["Destinations"][0] if description["Destinations"] else {}
        s3 = destination.get("ExtendedS3DestinationDescription")
        if source is None or s3 is None:
            return None
        hints = s3.get("BufferingHints", {})
        processors = _processors(s3.get("ProcessingConfiguration", {}))
        delimiter = processors.get("AppendDelimiterToRecord")
        conversion = s3.get("DataFormatConversionConfiguration", {})
        return cls(
            name=description["DeliveryStreamName"],
            arn=description["DeliveryStreamARN"],
            version=description["VersionId"],
            created=description["CreateTimestamp"].timestamp(),
            source_arn=source["KinesisStreamARN"],
            source_role_arn=source["RoleARN"],
            start=source["DeliveryStartTimestamp"].timestamp(),
            role_arn=s3["RoleARN"],
            bucket=s3["BucketARN"].rpartition(":")[2],
            hint=BufferingHint(float(hints.get("SizeInMBs", 5)) * MEGABYTE, float(hints.get("IntervalInSeconds", 300))),
            prefix=s3.get("Prefix", ""),
            error_prefix=s3.get("ErrorOutputPrefix", ""),
            compression=s3.get("CompressionFormat", UNCOMPRESSED),
            extension=s3.get("FileExtension", ""),
            zone=ZoneInfo(s3.get("CustomTimeZone") or "UTC"),
            partitioned=_is_enabled(s3.get("DynamicPartitioningConfiguration", {}), default=False),
            delimiter=b"" if delimiter is None else delimiter.get("Delimiter", "\\n").replace("\\n", "\n").encode(),
            transform=_transform(processors, s3["RoleARN"]),
            conversion=_conversion(conversion, s3["RoleARN"]) if _is_enabled(conversion, default=True) else None,
        )

    def with_interval(self, longest: float) -> DeliveryStream:
        """Return the stream with a buffer interval of at most *longest* seconds."""
        return replace(self, hint=replace(self.hint, seconds=min(self.hint.seconds, longest)))

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


def _is_enabled(configuration: dict[str, Any], default: bool) -> bool:
    return bool(configuration) and str(configuration.get("Enabled", default)).lower() == "true"


def _processors(processing: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the parameters of each processor, by its type."""
    if not _is_enabled(processing, default=False):
        return {}
    return {
        processor["Type"]: {p["ParameterName"]: p["ParameterValue"] for p in processor.get("Parameters", [])}
        for processor in processing.get("Processors", [])
    }


def _transform(processors: dict[str, dict[str, str]], role_arn: str) -> Transform | None:
    """AWS: https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html"""
    parameters = processors.get("Lambda")
    if parameters is None:
        return None
    return Transform(
        function_arn=parameters["LambdaArn"],
        role_arn=parameters.get("RoleArn", role_arn),
        retries=int(parameters.get("NumberOfRetries", 3)),
        hint=BufferingHint(
            float(parameters.get("BufferSizeInMBs", 1)) * MEGABYTE,
            float(parameters.get("BufferIntervalInSeconds", 60)),
        ),
    )


def _conversion(configuration: dict[str, Any], role_arn: str) -> Conversion:
    schema = configuration["SchemaConfiguration"]
    parquet = configuration["OutputFormatConfiguration"]["Serializer"].get("ParquetSerDe")
    if parquet is None:
        raise ValueError("format conversion supports only Parquet, not ORC")
    deserializer = configuration["InputFormatConfiguration"]["Deserializer"]
    json, hive = deserializer.get("OpenXJsonSerDe") or {}, deserializer.get("HiveJsonSerDe")
    return Conversion(
        role_arn=schema.get("RoleARN", role_arn),
        table={
            name: schema[name] for name in ("CatalogId", "DatabaseName", "TableName", "VersionId") if name in schema
        },
        compression=parquet.get("Compression", "SNAPPY"),
        case_insensitive=str(json.get("CaseInsensitive", True)).lower() == "true",
        dots_to_underscores=str(json.get("ConvertDotsInJsonKeysToUnderscores", False)).lower() == "true",
        keys=json.get("ColumnToJsonKeyMappings", {}),
        timestamp_formats=None if hive is None else tuple(hive.get("TimestampFormats") or ()),
    )
