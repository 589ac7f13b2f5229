"""Queries of Athena that read, in a workgroup with its limit of bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.account import client
from sandbox.console.data.answers import Json, Refused, given, sized

PAGE = 100
"""Rows of a result on a page."""
LENGTH = 262_144
"""Bytes of a statement at most: https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html"""
_READS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*"
    r"(?:EXPLAIN\s+(?:ANALYZE\s+)?(?:\([^)]*\)\s*)?)?"
    r"(?:SELECT|WITH|VALUES|SHOW|DESCRIBE|DESC)\b",
    re.IGNORECASE | re.DOTALL,
)
"""How a statement begins that changes nothing. Athena takes one statement at a time."""
_LIMIT = "Bytes scanned limit was exceeded"
_RUNNING = ("QUEUED", "RUNNING")


def workgroup(name: str, own: Sequence[str]) -> Json:
    """Return a workgroup with its limit, and the databases with their tables, those of the stage (*own*) first."""
    glue = client("glue")
    names = [each["Name"] for page in glue.get_paginator("get_databases").paginate() for each in page["DatabaseList"]]
    return {
        "name": name,
        "limit": _limit(name),
        "databases": [
            {"name": each, "tables": [_table(table) for table in _tables(each)]}
            for each in sorted(names, key=lambda name: (name not in own, name))
        ],
    }


def _limit(workgroup: str) -> str | None:
    found = client("athena").get_work_group(WorkGroup=workgroup)["WorkGroup"]["Configuration"]
    limit = found.get("BytesScannedCutoffPerQuery")
    return sized(int(limit)) if limit else None


def _tables(database: str) -> list[Json]:
    pages = client("glue").get_paginator("get_tables").paginate(DatabaseName=database)
    return [table for page in pages for table in page["TableList"]]


def _table(table: Json) -> Json:
    columns = table.get("StorageDescriptor", {}).get("Columns", []) + table.get("PartitionKeys", [])
    return {"name": table["Name"], "columns": [f"{each['Name']} {each.get('Type', '')}" for each in columns]}


def start(body: Any) -> Json:
    """Start a query ``{workgroup, database, sql}``; return its ``id``. Raises Refused if it would change anything."""
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise Refused("give a JSON object with the texts workgroup, database and sql")
    name, sql = given(body, "workgroup"), given(body, "sql")
    if len(sql.encode()) > LENGTH:
        raise Refused(f"sql is longer than {LENGTH:,} bytes")
    if not _READS.match(sql):
        raise Refused("sql must read only: begin with SELECT, WITH, VALUES, SHOW, DESCRIBE or EXPLAIN")
    context = {"Database": body["database"]} if body.get("database") else {}
    started = client("athena").start_query_execution(QueryString=sql, WorkGroup=name, QueryExecutionContext=context)
    return {"id": started["QueryExecutionId"]}


def execution(query: Mapping[str, str]) -> Json:
    """Return a ``query`` by its id: its state, why it failed in words, and a page of its result by ``cursor``."""
    id = given(query, "query")
    athena = client("athena")
    found = athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]
    status, statistics = found["Status"], found.get("Statistics", {})
    shown = {
        "id": id,
        "sql": found["Query"],
        "database": found.get("QueryExecutionContext", {}).get("Database", ""),
        "running": status["State"] in _RUNNING,
        "error": error(found),
        "read": sized(statistics.get("DataScannedInBytes", 0)),
        "ms": statistics.get("TotalExecutionTimeInMillis", 0),
        "columns": [],
        "rows": [],
        "cursor": None,
    }
    return shown | _rows(found, query.get("cursor")) if status["State"] == "SUCCEEDED" else shown


def error(found: Json) -> str | None:
    """Return in words why an execution did not succeed; None if it did, or still runs."""
    status = found["Status"]
    reason = status.get("StateChangeReason", "")
    if status["State"] in (*_RUNNING, "SUCCEEDED"):
        return None
    if _LIMIT in reason:
        limit = f"{_limit(found['WorkGroup'])}, the limit of the workgroup {found['WorkGroup']}"
        return f"Athena stopped the query, because it reads more than {limit}. Read fewer partitions or columns."
    return reason or f"The query ended as {status['State']}."


def _rows(found: Json, cursor: str | None) -> Json:
    request = {"QueryExecutionId": found["QueryExecutionId"]}
    # The first row of a result of SELECT has the names of the columns.
    has_names = not cursor and found.get("StatementType") == "DML"
    page = {"NextToken": cursor} if cursor else {}
    answer = client("athena").get_query_results(**request, **page, MaxResults=PAGE + has_names)
    rows = [[value.get("VarCharValue") for value in row.get("Data", [])] for row in answer["ResultSet"]["Rows"]]
    return {
        "columns": [
            {"name": column["Name"], "type": column["Type"]}
            for column in answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        ],
        "rows": rows[1:] if has_names else rows,
        "cursor": answer.get("NextToken"),
    }
