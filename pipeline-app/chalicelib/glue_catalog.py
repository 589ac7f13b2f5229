"""The reports' tables in the Glue Data Catalog. Each partition's location is the latest edition of its period.

Adapter for Glue.

Partition projection does not fit: Redshift Spectrum does not support it, and each edition has a location of its own.
https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Any

from chalicelib.reports import Day
from common import aws

_MAX_PARTITIONS = 100
"""Partitions of one request, https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html"""


class CatalogError(Exception):
    """Glue rejected a partition. The message is Glue's."""


class GlueCatalog:
    """The tables of *database*, through a Glue *client*."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        self._database = database

    def set_locations(self, report: str, locations: Mapping[Day, str]) -> None:
        """Set the location of each period's partition. Raises CatalogError."""
        with aws.translated():
            table = self._client.get_table(DatabaseName=self._database, Name=report)["Table"]["StorageDescriptor"]
            for some in batched(locations.items(), _MAX_PARTITIONS):
                partitions = {
                    period: {"Values": [period], "StorageDescriptor": {**table, "Location": location}}
                    for period, location in some
                }
                self._put(report, partitions)

    def _put(self, report: str, partitions: Mapping[Day, dict[str, Any]]) -> None:
        table = {"DatabaseName": self._database, "TableName": report}
        answer = self._client.batch_create_partition(**table, PartitionInputList=list(partitions.values()))
        _expect("AlreadyExistsException", answer["Errors"])
        existing = [error["PartitionValues"][0] for error in answer["Errors"]]
        if existing:
            entries = [{"PartitionValueList": [period], "PartitionInput": partitions[period]} for period in existing]
            _expect("", self._client.batch_update_partition(**table, Entries=entries)["Errors"])


def _expect(code: str, errors: Sequence[dict[str, Any]]) -> None:
    """Raise CatalogError if one of *errors* has another code."""
    for error in errors:
        if error["ErrorDetail"]["ErrorCode"] != code:
            raise CatalogError(str(error))
