"""The Glue tables of the reports, whose partitions say where the latest edition of each period is.

Partition projection would not do here: Redshift Spectrum does not know it, and an edition has a place of its own.
https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Any

from chalicelib.reports import Day
from common import aws

_MOST = 100
"""Partitions of one request, https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html"""


class Catalogue:
    """Tables of *database*, through a Glue *client*."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        self._database = database

    def point(self, report: str, locations: Mapping[Day, str]) -> None:
        """Have the partition of each period be at its location."""
        with aws.translated():
            table = self._client.get_table(DatabaseName=self._database, Name=report)["Table"]["StorageDescriptor"]
            for some in batched(locations.items(), _MOST):
                partitions = {
                    period: {"Values": [period], "StorageDescriptor": {**table, "Location": location}}
                    for period, location in some
                }
                self._put(report, partitions)

    def _put(self, report: str, partitions: Mapping[Day, dict[str, Any]]) -> None:
        of = {"DatabaseName": self._database, "TableName": report}
        answer = self._client.batch_create_partition(**of, PartitionInputList=list(partitions.values()))
        there = [error["PartitionValues"][0] for error in _unless(answer["Errors"], "AlreadyExistsException")]
        if there:
            entries = [{"PartitionValueList": [period], "PartitionInput": partitions[period]} for period in there]
            _unless(self._client.batch_update_partition(**of, Entries=entries)["Errors"], "")


def _unless(errors: Sequence[dict[str, Any]], expected: str) -> Sequence[dict[str, Any]]:
    """Return *errors* if they are all the expected one. Raises CatalogueFailed."""
    for error in errors:
        if error["ErrorDetail"]["ErrorCode"] != expected:
            raise CatalogueFailed(str(error))
    return errors


class CatalogueFailed(Exception):
    """Glue did not take a partition; the message is what it said."""
