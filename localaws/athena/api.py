"""Gap: queries run as plain DuckDB SQL, so most of Athena's statements and functions fail, and no permissions apply.

Partitions and scan limits have no effect, a query can read any local file, and results have the wrong object key.
This module implements the query API. A separate process, localaws.athena, runs the statements with the credentials of
the caller. CloudFormation can create named queries and prepared statements.
AWS: https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
No longer needed when CREATE TABLE AS writes Parquet and EXECUTE binds its parameters.
"""

import asyncio
import base64
import json
import os
import sys
import time
from asyncio import Lock
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5
from weakref import WeakValueDictionary

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, new_uuid
from ministack.core.router import extract_access_key_id
from ministack.services import athena, s3
from ministack.services.cloudformation import provisioners

from localaws.athena.results import read_csv
from localaws.iam import root_key

type Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
MAX_ROWS = 1000  # the default and the maximum of MaxResults
DEFAULT_MAX_RESULTS = 50
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
HISTORY_SECONDS = 45 * 24 * 3600
MAX_EXECUTIONS = 10_000  # a few MB
# A query ends after 30 minutes, https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
MAX_QUERY_SECONDS = 30 * 60
ENGINE_STOPPED = {"state": "FAILED", "reason": "INTERNAL_ERROR_QUERY_ENGINE: the query engine stopped", "outcome": {}}
# The parameters that must be equal in requests with the same ClientRequestToken.
IDEMPOTENT_PARAMETERS = (
    "QueryString",
    "QueryExecutionContext",
    "ResultConfiguration",
    "WorkGroup",
    "ExecutionParameters",
)


class InvalidRequest(Exception):
    """An InvalidRequestException."""


class EngineProcess:
    """The process that runs the statements. A statement starts the process if it is not running."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._executions: dict[str, Json] = {}
        self._accepted: dict[str, asyncio.Future[Json]] = {}

    async def submit(self, request: Json, execution: Json) -> Json:
        """Submit a statement and return whether the engine accepts it. Later messages update *execution*."""
        process = await self._start_process()
        accepted: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._accepted[request["id"]], self._executions[request["id"]] = accepted, execution
        self._send(process, request)
        return await accepted

    def is_active(self, execution: Json) -> bool:
        """Return whether the statement is queued or running."""
        return execution["QueryExecutionId"] in self._executions

    def stop(self, query_id: str) -> None:
        """Stop a statement. The engine sends no more messages about it."""
        if self._executions.pop(query_id, None) and self._process:
            self._send(self._process, {"stop": query_id})

    def _send(self, process: asyncio.subprocess.Process, message: Json) -> None:
        assert process.stdin
        process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _start_process(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ} | {
                    "PYTHONPATH": str(ROOT),
                    # Do not use the developer's own AWS configuration.
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
                self._reading = asyncio.create_task(self._read_messages(self._process))
            return self._process

    async def _read_messages(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            message = json.loads(line)
            if accepted := self._accepted.pop(message["id"], None):
                accepted.set_result(message)
            elif execution := self._executions.get(message["id"]):
                if message["state"] in ENDED:
                    del self._executions[message["id"]]
                update_execution(execution, message)
        await process.wait()
        for execution in self._executions.values():
            update_execution(execution, ENGINE_STOPPED)
        for query_id, accepted in self._accepted.items():
            accepted.set_result({"id": query_id, "malformed": "the query engine stopped"})
        self._executions, self._accepted = {}, {}


def update_execution(execution: Json, message: Json) -> None:
    """Update an execution from a message of the engine."""
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


engine = EngineProcess()
# Requests that repeat a ClientRequestToken wait until the first one has its execution.
starting: WeakValueDictionary[str, Lock] = WeakValueDictionary()


async def start_query_execution(data: Json, access_key: str, token: str | None) -> Json:
    client_token = data.get("ClientRequestToken")
    async with starting.setdefault(client_token, Lock()) if client_token else Lock():
        return await start_once(data, access_key, token, client_token)


async def start_once(data: Json, access_key: str, token: str | None, client_token: str | None) -> Json:
    request = {name: data[name] for name in IDEMPOTENT_PARAMETERS if data.get(name)}
    query_id = id_of_token(client_token) if client_token else new_uuid()
    if earlier := athena._executions.get(query_id):
        if earlier["_request"] != request:
            raise InvalidRequest("Idempotent parameters do not match")
        return {"QueryExecutionId": query_id}

    name, settings = find_workgroup(data)
    output = f"{result_location(data, settings)}/{query_id}"
    execution = new_execution(data, query_id, name, output) | {"_request": request}
    if reused := find_reusable(data, execution):
        reuse(execution, reused)
    else:
        await submit(data, execution, output, settings, caller_credentials(access_key, token))
    athena._executions[query_id] = execution
    forget_old_executions()
    return {"QueryExecutionId": query_id}


def id_of_token(client_token: str) -> str:
    """Return the id of the execution that a ClientRequestToken starts, so that the next request with it finds it."""
    return str(uuid5(NAMESPACE_OID, f"{get_account_id()} {get_region()} {client_token}"))


def forget_old_executions() -> None:
    """Forget executions that have ended: after the 45 days for which AWS keeps them, and all but the newest.

    https://docs.aws.amazon.com/athena/latest/ug/queries-viewing-history.html
    """
    kept = athena._executions._data  # of all accounts, the oldest first
    oldest = time.time() - HISTORY_SECONDS
    while kept:
        key, execution = next(iter(kept.items()))
        is_kept = len(kept) <= MAX_EXECUTIONS and execution["Status"]["SubmissionDateTime"] >= oldest
        if is_kept or execution["Status"]["State"] not in ENDED:
            return
        del kept[key]


def executions_since(oldest: float) -> Iterator[Json]:
    """Yield the executions of the caller's account and Region that were submitted after *oldest*, the newest first."""
    scope = (get_account_id(), get_region())
    for key, execution in reversed(athena._executions._data.items()):
        if execution["Status"]["SubmissionDateTime"] < oldest:
            return
        if key[:2] == scope:
            yield execution


def find_workgroup(data: Json) -> tuple[str, Json]:
    """Return the name and configuration of the workgroup. By default all workgroups except primary enforce theirs."""
    name = data.get("WorkGroup", "primary")
    group = athena._workgroups.get(name)
    if group is None:
        raise InvalidRequest(f"WorkGroup {name} is not found.")
    if group["State"] != "ENABLED":
        raise InvalidRequest(f"WorkGroup {name} is disabled.")
    settings = dict(group["Configuration"])
    enforced = settings.get("EnforceWorkGroupConfiguration", name != "primary")
    return name, settings | {"EnforceWorkGroupConfiguration": provisioners._cfn_bool(enforced)}


def result_location(data: Json, settings: Json) -> str:
    requested = data.get("ResultConfiguration", {}).get("OutputLocation")
    configured = settings.get("ResultConfiguration", {}).get("OutputLocation")
    location = configured or requested if settings["EnforceWorkGroupConfiguration"] else requested or configured
    if not location:
        raise InvalidRequest(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    bucket = urlsplit(location).netloc
    if s3.bucket_region(bucket) is None:
        raise InvalidRequest(f"Unable to verify/create output bucket {bucket}")
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
    reply = await engine.submit(request | keys, execution)
    if "malformed" in reply:
        engine.stop(request["id"])
        raise InvalidRequest(reply["malformed"])
    execution |= {"StatementType": reply["kind"], "SubstatementType": reply["accepted"]}
    execution["ResultConfiguration"]["OutputLocation"] += reply["suffix"]


def caller_credentials(access_key: str, token: str | None) -> Json:
    """Return the credentials of the caller, which Athena uses to read and write."""
    if not access_key or iam_evaluator.is_root_access_key(access_key):
        root = {"access_key_id": root_key.access_key_id(), "secret_access_key": root_key.secret_access_key()}
        return root | {"session_token": None}
    found = iam_evaluator.resolve_credential(access_key, get_account_id())
    if isinstance(found, iam_evaluator.CredentialResolutionError):
        raise InvalidRequest(found.message)
    return {"access_key_id": access_key, "secret_access_key": found.secret_access_key, "session_token": token}


def find_reusable(data: Json, execution: Json) -> Json | None:
    """Return the latest execution whose result can be reused, or None.

    https://docs.aws.amazon.com/athena/latest/ug/reusing-query-results.html
    """
    reuse_by_age = data.get("ResultReuseConfiguration", {}).get("ResultReuseByAgeConfiguration", {})
    if not reuse_by_age.get("Enabled"):
        return None
    oldest = time.time() - 60 * int(reuse_by_age.get("MaxAgeInMinutes", 60))
    equal_members = ("Query", "QueryExecutionContext", "WorkGroup", "ExecutionParameters")
    found = [
        earlier
        for earlier in executions_since(oldest - MAX_QUERY_SECONDS)
        if earlier["Status"]["State"] == "SUCCEEDED"
        and earlier["SubstatementType"] in ("SELECT", "EXECUTE")
        and earlier["Status"]["CompletionDateTime"] >= oldest
        and not earlier["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
        and all(earlier.get(name) == execution.get(name) for name in equal_members)
    ]
    return max(found, key=lambda earlier: earlier["Status"]["CompletionDateTime"], default=None)


def reuse(execution: Json, earlier: Json) -> None:
    execution |= {name: earlier[name] for name in ("StatementType", "SubstatementType", "_columns", "_updated")}
    execution["ResultConfiguration"] = dict(earlier["ResultConfiguration"])
    execution["Status"] |= {"State": "SUCCEEDED", "CompletionDateTime": time.time()}
    execution["Statistics"]["ResultReuseInformation"] = {"ReusedPreviousResult": True}


async def stop_query_execution(data: Json, access_key: str, token: str | None) -> Json:
    execution = find_execution(data)
    if execution["Status"]["State"] not in ENDED:
        engine.stop(execution["QueryExecutionId"])
        execution["Status"] |= {
            "State": "CANCELLED",
            "StateChangeReason": "Query cancelled by user",
            "CompletionDateTime": time.time(),
        }
    return {}


def find_execution(data: Json) -> Json:
    query_id = data.get("QueryExecutionId")
    execution: Json | None = athena._executions.get(query_id)
    if execution is None:
        raise InvalidRequest(f"QueryExecution {query_id} was not found")
    if execution["Status"]["State"] not in ENDED and not engine.is_active(execution):
        update_execution(execution, ENGINE_STOPPED)  # it was running when the emulator stopped
    return execution


async def get_query_results(data: Json, access_key: str, token: str | None) -> Json:
    """Return a page of the result in S3. The caller needs s3:GetObject on the result."""
    execution, max_results = find_execution(data), int(data.get("MaxResults", MAX_ROWS))
    state = execution["Status"]["State"]
    if state in ("QUEUED", "RUNNING"):
        raise InvalidRequest(f"Query has not yet finished. Current state: {state}")
    if state != "SUCCEEDED":
        raise InvalidRequest(f"Query did not finish successfully. Final query state: {state}")
    if not 1 <= max_results <= MAX_ROWS:
        raise InvalidRequest(f"MaxResults is more than maximum allowed length {MAX_ROWS}.")

    location = execution["ResultConfiguration"]["OutputLocation"]
    rows: list[list[str | None]] = []
    page: Json = {}
    if location.endswith((".csv", ".txt")):
        content, position = read_object(location, access_key), decode_token(data)
        if location.endswith(".csv"):
            rows, position = read_csv(content, position, max_results)
        else:
            rows, position = read_lines(content, position, max_results)
        if position < len(content):
            page["NextToken"] = base64.b64encode(str(position).encode()).decode()
    written = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in rows]
    metadata = {"ColumnInfo": execution["_columns"]}
    page |= {"UpdateCount": execution["_updated"], "ResultSet": {"Rows": written, "ResultSetMetadata": metadata}}
    return page


def read_object(location: str, access_key: str) -> bytes:
    bucket, key = location.removeprefix("s3://").split("/", 1)
    arn = f"arn:aws:s3:::{bucket}/{key}"
    if app.AUTH and iam_evaluator.enforce(access_key, "s3:GetObject", "athena", get_region(), resource_arn=arn):
        raise InvalidRequest(f"Access denied when reading query results from {location}")
    content: bytes | None = s3._get_object_data(bucket, key)
    if content is None:
        raise InvalidRequest("Could not find results")
    return content


def read_lines(content: bytes, position: int, max_results: int) -> tuple[list[list[str | None]], int]:
    lines = content[position:].splitlines(keepends=True)[:max_results]
    return [[line.decode().rstrip("\n")] for line in lines], position + sum(map(len, lines))


def decode_token(data: Json) -> int:
    try:
        return int(base64.b64decode(data.get("NextToken") or base64.b64encode(b"0"), validate=True))
    except ValueError:
        raise InvalidRequest("Invalid NextToken") from None


async def list_query_executions(data: Json, access_key: str, token: str | None) -> Json:
    name, _ = find_workgroup(data)
    ids = [query_id for query_id, e in reversed(list(athena._executions.items())) if e["WorkGroup"] == name]
    first, max_results = decode_token(data), int(data.get("MaxResults", DEFAULT_MAX_RESULTS))
    page: Json = {"QueryExecutionIds": ids[first : first + max_results]}
    if first + max_results < len(ids):
        page["NextToken"] = base64.b64encode(str(first + max_results).encode()).decode()
    return page


async def get_query_execution(data: Json, access_key: str, token: str | None) -> Json:
    return {"QueryExecution": athena._execution_out(find_execution(data))}


OPERATIONS = {
    "StartQueryExecution": start_query_execution,
    "StopQueryExecution": stop_query_execution,
    "GetQueryExecution": get_query_execution,
    "GetQueryResults": get_query_results,
    "ListQueryExecutions": list_query_executions,
}


def dispatch(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operation = OPERATIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await handle_request(method, path, headers, body, query)
        athena._ensure_default_workgroup()
        try:
            token = headers.get("x-amz-security-token")
            return json_response(await operation(json.loads(body), extract_access_key_id(headers, query), token))
        except InvalidRequest as error:
            return error_response_json("InvalidRequestException", str(error), 400)

    return handle


# --- CloudFormation ---


def parse_response(response: tuple[int, Any, bytes], kind: str) -> Json:
    status, _, body = response
    if status >= 400:
        raise ValueError(f"{kind}: {json.loads(body).get('message')}")
    result: Json = json.loads(body)
    return result


def create_named_query(logical_id: str, props: Json, stack_name: str) -> tuple[str, Json]:
    """Create an AWS::Athena::NamedQuery.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-athena-namedquery.html
    """
    query_id = parse_response(athena._create_named_query(props), "AWS::Athena::NamedQuery")["NamedQueryId"]
    return query_id, {"NamedQueryId": query_id}


def delete_named_query(query_id: str, props: Json) -> None:
    athena._delete_named_query({"NamedQueryId": query_id})


def create_prepared_statement(logical_id: str, props: Json, stack_name: str) -> tuple[str, Json]:
    """Create an AWS::Athena::PreparedStatement.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-athena-preparedstatement.html
    """
    parse_response(athena._create_prepared_statement(props), "AWS::Athena::PreparedStatement")
    return props["StatementName"], {}


def update_prepared_statement(name: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
    delete_prepared_statement(name, old)
    return create_prepared_statement(name, new, stack_name)


def delete_prepared_statement(name: str, props: Json) -> None:
    athena._delete_prepared_statement({"StatementName": name, "WorkGroup": props.get("WorkGroup")})


def apply() -> None:
    athena.handle_request = dispatch(athena.handle_request)
    handlers, replaced = provisioners._RESOURCE_HANDLERS, provisioners._REPLACING_PROPERTIES
    handlers["AWS::Athena::NamedQuery"] = {"create": create_named_query, "delete": delete_named_query}
    replaced["AWS::Athena::NamedQuery"] = ("Database", "Description", "Name", "QueryString", "WorkGroup")
    handlers["AWS::Athena::PreparedStatement"] = {
        "create": create_prepared_statement,
        "update": update_prepared_statement,
        "delete": delete_prepared_statement,
    }
    replaced["AWS::Athena::PreparedStatement"] = ("StatementName", "WorkGroup")
