"""Gap: a query's SQL goes to DuckDB as it is, so that most of Athena's statements and functions fail, its limits and
partitions mean nothing, its caller needs no rights, and it may read any file; results lie under a wrong key.

AWS: https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
Here localaws/athena runs the statements, in a process of its own and with the caller's keys; what the API says of them
is kept here. CloudFormation's named queries and prepared statements are known.
No longer needed when CREATE TABLE AS writes Parquet and EXECUTE binds its parameters.
"""

import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, new_uuid
from ministack.core.router import extract_access_key_id
from ministack.services import athena, s3
from ministack.services.cloudformation import provisioners

from localaws.athena.results import read_csv

type Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
PAGE = 1000  # rows, and also the most that a page may have
LISTED = 50
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
LOST = {"state": "FAILED", "reason": "INTERNAL_ERROR_QUERY_ENGINE: the engine ended", "outcome": {}}
# What makes a request the same as another with its token.
SAME = ("QueryString", "QueryExecutionContext", "ResultConfiguration", "WorkGroup", "ExecutionParameters")


class Refused(Exception):
    """An InvalidRequestException."""


class Worker:
    """The process that runs the statements; started by the first, and again by the first after it ended."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._executions: dict[str, Json] = {}
        self._accepted: dict[str, asyncio.Future[Json]] = {}

    async def submit(self, request: Json, execution: Json) -> Json:
        """Hand over a statement and return whether it is accepted; from then on its execution is kept up to date."""
        process = await self._running()
        accepted: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._accepted[request["id"]], self._executions[request["id"]] = accepted, execution
        self._send(process, request)
        return await accepted

    def knows(self, execution: Json) -> bool:
        """Tell whether the statement is on its way."""
        return execution["QueryExecutionId"] in self._executions

    def stop(self, query_id: str) -> None:
        """End a statement; nothing more is heard of it."""
        if self._executions.pop(query_id, None) and self._process:
            self._send(self._process, {"stop": query_id})

    def _send(self, process: asyncio.subprocess.Process, message: Json) -> None:
        assert process.stdin
        process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ} | {
                    "PYTHONPATH": str(ROOT),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    # The developer's own settings for AWS are none of its business.
                    "AWS_CONFIG_FILE": os.devnull,
                    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                }
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "localaws.athena"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=environment,
                    limit=2**24,
                )
                self._reading = asyncio.create_task(self._read(self._process))
            return self._process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            message = json.loads(line)
            if accepted := self._accepted.pop(message["id"], None):
                accepted.set_result(message)
            elif execution := self._executions.get(message["id"]):
                if message["state"] in ENDED:
                    del self._executions[message["id"]]
                follow(execution, message)
        await process.wait()
        for execution in self._executions.values():
            follow(execution, LOST)
        for query_id, accepted in self._accepted.items():
            accepted.set_result({"id": query_id, "malformed": "the engine ended"})
        self._executions, self._accepted = {}, {}


def follow(execution: Json, message: Json) -> None:
    """Keep what the worker says of a statement."""
    status, statistics = execution["Status"], execution["Statistics"]
    status["State"] = message["state"]
    elapsed = round((time.time() - status["SubmissionDateTime"]) * 1000)
    if message["state"] == "RUNNING":
        statistics["QueryQueueTimeInMillis"] = elapsed
        return
    outcome = message["outcome"]
    status["CompletionDateTime"] = time.time()
    if message["reason"]:
        status["StateChangeReason"] = message["reason"]
    if message["state"] == "FAILED":
        status["AthenaError"] = {"ErrorCategory": 2, "Retryable": False, "ErrorMessage": message["reason"]}
    statistics |= {
        "EngineExecutionTimeInMillis": message.get("engine_millis", elapsed),
        "QueryPlanningTimeInMillis": outcome.get("planning_millis", 0),
        "DataScannedInBytes": outcome.get("scanned", 0),
        "TotalExecutionTimeInMillis": elapsed,
    }
    if outcome.get("manifest"):
        statistics["DataManifestLocation"] = outcome["manifest"]
    execution |= {"_columns": outcome.get("columns", []), "_updated": outcome.get("update_count", 0)}


worker = Worker()


async def start(data: Json, access_key: str, token: str | None) -> Json:
    client_token = data.get("ClientRequestToken")
    request = {name: data[name] for name in SAME if data.get(name)}
    if client_token and (earlier := with_token(client_token)):
        if earlier["_request"] != request:
            raise Refused("Idempotent parameters do not match")
        return {"QueryExecutionId": earlier["QueryExecutionId"]}

    query_id = new_uuid()
    name, settings = workgroup(data)
    output = f"{result_location(data, settings)}/{query_id}"
    execution = new_execution(data, query_id, name, output) | {"_token": client_token, "_request": request}
    if reused := reusable(data, execution):
        reuse(execution, reused)
    else:
        await submit(data, execution, output, settings, credentials(access_key, token))
    athena._executions[query_id] = execution
    return {"QueryExecutionId": query_id}


def with_token(client_token: str) -> Json | None:
    return next((e for e in athena._executions.values() if e.get("_token") == client_token), None)


def workgroup(data: Json) -> tuple[str, Json]:
    """The workgroup's name and its settings, which win over the query's unless it says otherwise."""
    name = data.get("WorkGroup", "primary")
    group = athena._workgroups.get(name)
    if group is None:
        raise Refused(f"WorkGroup {name} is not found.")
    if group["State"] != "ENABLED":
        raise Refused(f"WorkGroup {name} is disabled.")
    settings = dict(group["Configuration"])
    enforced = settings.get("EnforceWorkGroupConfiguration", name != "primary")
    return name, settings | {"EnforceWorkGroupConfiguration": provisioners._cfn_bool(enforced)}


def result_location(data: Json, settings: Json) -> str:
    asked = data.get("ResultConfiguration", {}).get("OutputLocation")
    kept = settings.get("ResultConfiguration", {}).get("OutputLocation")
    location = kept or asked if settings["EnforceWorkGroupConfiguration"] else asked or kept
    if not location:
        raise Refused(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    bucket = urlsplit(location).netloc
    if s3.bucket_region(bucket) is None:
        raise Refused(f"Unable to verify/create output bucket {bucket}")
    return str(location.rstrip("/"))


def new_execution(data: Json, query_id: str, workgroup_name: str, output: str) -> Json:
    context = {name.title(): value for name, value in data.get("QueryExecutionContext", {}).items()}
    execution = {
        "QueryExecutionId": query_id,
        "Query": data["QueryString"],
        "ResultConfiguration": {**data.get("ResultConfiguration", {}), "OutputLocation": output},
        "QueryExecutionContext": {"Catalog": "awsdatacatalog", **context},
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {
            "EngineExecutionTimeInMillis": 0,
            "DataScannedInBytes": 0,
            "TotalExecutionTimeInMillis": 0,
            "QueryQueueTimeInMillis": 0,
            "QueryPlanningTimeInMillis": 0,
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        },
        "WorkGroup": workgroup_name,
        "EngineVersion": {
            "SelectedEngineVersion": "AUTO",
            "EffectiveEngineVersion": "Athena engine version 3",
        },
    }
    return execution | {
        name: data[name] for name in ("ExecutionParameters", "ResultReuseConfiguration") if data.get(name)
    }


async def submit(data: Json, execution: Json, output: str, settings: Json, keys: Json) -> None:
    cutoff = settings.get("BytesScannedCutoffPerQuery")
    request = {
        "id": execution["QueryExecutionId"],
        "sql": data["QueryString"],
        "parameters": data.get("ExecutionParameters") or [],
        "database": data.get("QueryExecutionContext", {}).get("Database", "default").lower(),
        "workgroup": execution["WorkGroup"],
        "output": output,
        "limit": int(cutoff) if cutoff else None,
        "enforced": settings["EnforceWorkGroupConfiguration"],
        "endpoint": f"http://127.0.0.1:{app._resolve_port()}",
        "region": get_region(),
    }
    answer = await worker.submit(request | keys, execution)
    if "malformed" in answer:
        worker.stop(request["id"])
        raise Refused(answer["malformed"])
    execution |= {"StatementType": answer["kind"], "SubstatementType": answer["accepted"]}
    execution["ResultConfiguration"]["OutputLocation"] += answer["suffix"]


def credentials(access_key: str, token: str | None) -> Json:
    """The caller's own keys, with which Athena reads and writes for the caller."""
    if not access_key or iam_evaluator.is_root_access_key(access_key):
        return {"access_key_id": access_key or "test", "secret_access_key": "test", "session_token": None}
    found = iam_evaluator.resolve_credential(access_key, get_account_id())
    if isinstance(found, iam_evaluator.CredentialResolutionError):
        raise Refused(found.message)
    return {"access_key_id": access_key, "secret_access_key": found.secret_access_key, "session_token": token}


def reusable(data: Json, execution: Json) -> Json | None:
    """The newest earlier execution whose result answers this one too.

    https://docs.aws.amazon.com/athena/latest/ug/reusing-query-results.html
    """
    asked = data.get("ResultReuseConfiguration", {}).get("ResultReuseByAgeConfiguration", {})
    if not asked.get("Enabled"):
        return None
    oldest = time.time() - 60 * int(asked.get("MaxAgeInMinutes", 60))
    same = ("Query", "QueryExecutionContext", "WorkGroup", "ExecutionParameters")
    found = [
        earlier
        for earlier in athena._executions.values()
        if earlier["Status"]["State"] == "SUCCEEDED"
        and earlier["SubstatementType"] in ("SELECT", "EXECUTE")
        and earlier["Status"]["CompletionDateTime"] >= oldest
        and not earlier["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
        and all(earlier.get(name) == execution.get(name) for name in same)
    ]
    return max(found, key=lambda earlier: earlier["Status"]["CompletionDateTime"], default=None)


def reuse(execution: Json, earlier: Json) -> None:
    execution |= {name: earlier[name] for name in ("StatementType", "SubstatementType", "_columns", "_updated")}
    execution["ResultConfiguration"] = dict(earlier["ResultConfiguration"])
    execution["Status"] |= {"State": "SUCCEEDED", "CompletionDateTime": time.time()}
    execution["Statistics"]["ResultReuseInformation"] = {"ReusedPreviousResult": True}


async def stop(data: Json, access_key: str, token: str | None) -> Json:
    execution = known(data)
    if execution["Status"]["State"] not in ENDED:
        worker.stop(execution["QueryExecutionId"])
        execution["Status"] |= {
            "State": "CANCELLED",
            "StateChangeReason": "Query cancelled by user",
            "CompletionDateTime": time.time(),
        }
    return {}


def known(data: Json) -> Json:
    query_id = data.get("QueryExecutionId")
    execution: Json | None = athena._executions.get(query_id)
    if execution is None:
        raise Refused(f"QueryExecution {query_id} was not found")
    if execution["Status"]["State"] not in ENDED and not worker.knows(execution):
        follow(execution, LOST)  # it ran when the emulator was last stopped
    return execution


async def results(data: Json, access_key: str, token: str | None) -> Json:
    """A page of the rows that lie in S3, which the caller has to be allowed to read."""
    execution, most = known(data), int(data.get("MaxResults", PAGE))
    state = execution["Status"]["State"]
    if state in ("QUEUED", "RUNNING"):
        raise Refused(f"Query has not yet finished. Current state: {state}")
    if state != "SUCCEEDED":
        raise Refused(f"Query did not finish successfully. Final query state: {state}")
    if not 1 <= most <= PAGE:
        raise Refused(f"MaxResults is more than maximum allowed length {PAGE}.")

    location = execution["ResultConfiguration"]["OutputLocation"]
    rows: list[list[str | None]] = []
    page: Json = {}
    if location.endswith((".csv", ".txt")):
        content, start = read_object(location, access_key), offset(data)
        if location.endswith(".csv"):
            rows, start = read_csv(content, start, most)
        else:
            rows, start = read_lines(content, start, most)
        if start < len(content):
            page["NextToken"] = base64.b64encode(str(start).encode()).decode()
    written = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in rows]
    metadata = {"ColumnInfo": execution["_columns"]}
    page |= {"UpdateCount": execution["_updated"], "ResultSet": {"Rows": written, "ResultSetMetadata": metadata}}
    return page


def read_object(location: str, access_key: str) -> bytes:
    bucket, key = location.removeprefix("s3://").split("/", 1)
    arn = f"arn:aws:s3:::{bucket}/{key}"
    if app.AUTH and iam_evaluator.enforce(access_key, "s3:GetObject", "athena", get_region(), resource_arn=arn):
        raise Refused(f"Access denied when reading query results from {location}")
    content: bytes | None = s3._get_object_data(bucket, key)
    if content is None:
        raise Refused("Could not find results")
    return content


def read_lines(content: bytes, start: int, most: int) -> tuple[list[list[str | None]], int]:
    lines = content[start:].splitlines(keepends=True)[:most]
    return [[line.decode().rstrip("\n")] for line in lines], start + sum(map(len, lines))


def offset(data: Json) -> int:
    try:
        return int(base64.b64decode(data.get("NextToken") or base64.b64encode(b"0"), validate=True))
    except ValueError:
        raise Refused("Invalid NextToken") from None


async def listed(data: Json, access_key: str, token: str | None) -> Json:
    name, _ = workgroup(data)
    ids = [query_id for query_id, e in reversed(list(athena._executions.items())) if e["WorkGroup"] == name]
    first, most = offset(data), int(data.get("MaxResults", LISTED))
    page: Json = {"QueryExecutionIds": ids[first : first + most]}
    if first + most < len(ids):
        page["NextToken"] = base64.b64encode(str(first + most).encode()).decode()
    return page


async def execution_of(data: Json, access_key: str, token: str | None) -> Json:
    return {"QueryExecution": athena._execution_out(known(data))}


OPERATIONS = {
    "StartQueryExecution": start,
    "StopQueryExecution": stop,
    "GetQueryExecution": execution_of,
    "GetQueryResults": results,
    "ListQueryExecutions": listed,
}


def by_operation(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operation = OPERATIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await handle_request(method, path, headers, body, query)
        athena._ensure_default_workgroup()
        try:
            token = headers.get("x-amz-security-token")
            return json_response(await operation(json.loads(body), extract_access_key_id(headers, query), token))
        except Refused as refusal:
            return error_response_json("InvalidRequestException", str(refusal), 400)

    return handle


# --- CloudFormation ---


def created(answer: tuple[int, Any, bytes], kind: str) -> Json:
    status, _, body = answer
    if status >= 400:
        raise ValueError(f"{kind}: {json.loads(body).get('message')}")
    result: Json = json.loads(body)
    return result


def create_named_query(logical_id: str, props: Json, stack_name: str) -> tuple[str, Json]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-athena-namedquery.html"""
    query_id = created(athena._create_named_query(props), "AWS::Athena::NamedQuery")["NamedQueryId"]
    return query_id, {"NamedQueryId": query_id}


def delete_named_query(query_id: str, props: Json) -> None:
    athena._delete_named_query({"NamedQueryId": query_id})


def create_prepared(logical_id: str, props: Json, stack_name: str) -> tuple[str, Json]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-athena-preparedstatement.html"""
    created(athena._create_prepared_statement(props), "AWS::Athena::PreparedStatement")
    return props["StatementName"], {}


def update_prepared(name: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
    delete_prepared(name, old)
    return create_prepared(name, new, stack_name)


def delete_prepared(name: str, props: Json) -> None:
    athena._delete_prepared_statement({"StatementName": name, "WorkGroup": props.get("WorkGroup")})


def apply() -> None:
    athena.handle_request = by_operation(athena.handle_request)
    handlers, replaced = provisioners._RESOURCE_HANDLERS, provisioners._REPLACING_PROPERTIES
    handlers["AWS::Athena::NamedQuery"] = {"create": create_named_query, "delete": delete_named_query}
    replaced["AWS::Athena::NamedQuery"] = ("Database", "Description", "Name", "QueryString", "WorkGroup")
    handlers["AWS::Athena::PreparedStatement"] = {
        "create": create_prepared,
        "update": update_prepared,
        "delete": delete_prepared,
    }
    replaced["AWS::Athena::PreparedStatement"] = ("StatementName", "WorkGroup")
