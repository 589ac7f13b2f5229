"""Athena through its API, and its gaps in the stock emulator."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.exceptions import ClientError

from localaws.testing import eventually, is_listening

OUTPUT = "s3://results/queries/"
READINGS = [
    {"device_id": f"d{i % 3}", "value": i / 4, "ts": f"2024-01-02T{i % 24:02}:00:00Z", "seq": i} for i in range(60)
]


@dataclass(frozen=True)
class Completed:
    """A completed execution and its result. The first row is the header."""

    execution: dict[str, Any]
    rows: list[list[str | None]]
    columns: list[dict[str, Any]]
    updated: int

    @property
    def scanned(self) -> int:
        return int(self.execution["Statistics"]["DataScannedInBytes"])


@dataclass(frozen=True)
class Aws:
    """An emulator and the credentials of one caller."""

    session: boto3.Session
    endpoint: str

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint, region_name="us-east-1")

    def start(self, sql: str, **request: Any) -> str:
        given = {
            "QueryExecutionContext": {"Database": "db"},
            "ResultConfiguration": {"OutputLocation": OUTPUT},
            **request,
        }
        answer = self.client("athena").start_query_execution(QueryString=sql, **given)
        return str(answer["QueryExecutionId"])

    def wait_for(self, query_id: str) -> dict[str, Any]:
        athena = self.client("athena")
        for _ in range(1000):
            execution: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            time.sleep(0.02)
        raise AssertionError(f"{query_id} did not end")

    def run(self, sql: str, *parameters: str, **request: Any) -> Completed:
        """Run a statement, which must succeed."""
        given = {"ExecutionParameters": list(parameters)} if parameters else {}
        execution = self.wait_for(self.start(sql, **given, **request))
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        answer = self.client("athena").get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        rows = [[datum.get("VarCharValue") for datum in row["Data"]] for row in answer["ResultSet"]["Rows"]]
        columns = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        return Completed(execution, rows, columns, answer["UpdateCount"])

    def failure(self, sql: str, **request: Any) -> str:
        """Run a statement, which must not succeed, and return the reason."""
        execution = self.wait_for(self.start(sql, **request))
        assert execution["Status"]["State"] in ("FAILED", "CANCELLED"), execution["Status"]
        return str(execution["Status"]["StateChangeReason"])

    def objects(self, prefix: str) -> list[str]:
        listed = self.client("s3").list_objects_v2(Bucket="data", Prefix=prefix)
        return [found["Key"] for found in listed.get("Contents", [])]


@pytest.fixture(scope="module")
def aws(emulator: str) -> Aws:
    """The emulator with a database, a bucket for results, and a table of JSON readings of one day."""
    aws = Aws(boto3.Session(), emulator)
    s3 = aws.client("s3")
    for bucket in ("data", "results"):
        s3.create_bucket(Bucket=bucket)
    lines = "".join(json.dumps(reading) + "\n" for reading in READINGS)
    s3.put_object(Bucket="data", Key="raw/day=2024-01-02/x.json.gz", Body=gzip.compress(lines.encode()))
    s3.put_object(Bucket="data", Key="raw/day=2024-01-02/_SUCCESS", Body=b"no json")
    aws.run("CREATE DATABASE db")
    aws.run(
        """
        CREATE EXTERNAL TABLE raw (device_id string, value double, ts timestamp, seq bigint)
        PARTITIONED BY (day string)
        ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
        LOCATION 's3://data/raw/'
        TBLPROPERTIES ('projection.enabled'='true', 'projection.day.type'='date',
          'projection.day.format'='yyyy-MM-dd', 'projection.day.range'='2020-01-01,NOW')
        """
    )
    return aws


def new_name() -> str:
    return f"t_{uuid.uuid4().hex[:8]}"


def test_a_result_has_types_and_is_stored_in_s3_in_athenas_format(aws: Aws) -> None:
    completed = aws.run(
        "SELECT device_id, count(*), sum(seq) / 7 AS sevenths, min(ts) AS first, CAST(NULL AS varchar) AS none "
        "FROM raw WHERE day = '2024-01-02' GROUP BY device_id ORDER BY device_id"
    )

    assert completed.rows[:2] == [
        ["device_id", "_col1", "sevenths", "first", "none"],
        ["d0", "20", "81", "2024-01-02 00:00:00.000", None],
    ]
    assert [column["Type"] for column in completed.columns] == ["varchar", "bigint", "bigint", "timestamp", "varchar"]
    execution = completed.execution
    location = f"{OUTPUT}{execution['QueryExecutionId']}.csv"
    assert (execution["ResultConfiguration"]["OutputLocation"], execution["StatementType"]) == (location, "DML")
    key = location.removeprefix("s3://results/")
    content = aws.client("s3").get_object(Bucket="results", Key=key)["Body"].read().decode()
    assert content.splitlines()[1] == '"d0","20","81","2024-01-02 00:00:00.000",'
    aws.client("s3").head_object(Bucket="results", Key=f"{key}.metadata")
    (size,) = (
        found["Size"]
        for found in aws.client("s3").list_objects_v2(Bucket="data", Prefix="raw/day=2024-01-02/x")["Contents"]
    )
    assert completed.scanned == size


def test_a_long_result_comes_in_pages(aws: Aws) -> None:
    execution = aws.run("SELECT n, 'a\"b' FROM unnest(sequence(1, 2500)) AS t(n)").execution
    pages = (
        aws.client("athena")
        .get_paginator("get_query_results")
        .paginate(QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 1000})
    )

    rows = [page["ResultSet"]["Rows"] for page in pages]

    assert [len(page) for page in rows] == [1000, 1000, 501]
    texts = [[datum["VarCharValue"] for datum in row["Data"]] for page in rows for row in page]
    assert texts == [["n", "_col1"], *([str(n), 'a"b'] for n in range(1, 2501))]


def test_create_table_as_writes_partitions_that_the_next_query_reads(aws: Aws) -> None:
    table = new_name()
    created = aws.run(
        f"CREATE TABLE {table} WITH (format = 'PARQUET', external_location = 's3://data/{table}', "
        "partitioned_by = ARRAY['device_id'], write_compression = 'SNAPPY') "
        "AS SELECT value, ts, seq, device_id FROM raw"
    )
    assert (created.updated, created.execution["SubstatementType"]) == (60, "CREATE_TABLE_AS_SELECT")
    assert {key.rpartition("/")[0] for key in aws.objects(table)} == {f"{table}/device_id=d{i}" for i in range(3)}
    manifest = created.execution["Statistics"]["DataManifestLocation"].removeprefix("s3://results/")
    listed = aws.client("s3").get_object(Bucket="results", Key=manifest)["Body"].read().decode().split()
    assert sorted(listed) == [f"s3://data/{key}" for key in aws.objects(table)]

    inserted = aws.run(f"INSERT INTO {table} SELECT value, ts, seq, 'd9' FROM raw WHERE seq < 5")

    assert inserted.updated == 5
    found = aws.run(f"SELECT device_id, count(*), max(ts) FROM {table} WHERE device_id >= 'd2' GROUP BY 1 ORDER BY 1")
    assert found.rows[1:] == [["d2", "20", "2024-01-02 23:00:00.000"], ["d9", "5", "2024-01-02 04:00:00.000"]]
    assert aws.run(f"SHOW PARTITIONS {table}").rows == [[f"device_id=d{i}"] for i in (0, 1, 2, 9)]
    assert "already exists" in aws.failure(f"CREATE TABLE {table} AS SELECT 1 AS a")
    other = f"CREATE TABLE {new_name()} WITH (external_location = 's3://data/{table}/') AS SELECT 1 AS a"
    assert "HIVE_PATH_ALREADY_EXISTS" in aws.failure(other)


@pytest.mark.parametrize(
    "properties", ["format = 'JSON'", "format = 'TEXTFILE', field_delimiter = ','", "format = 'PARQUET'"]
)
def test_written_rows_can_be_read(aws: Aws, properties: str) -> None:
    table = new_name()
    aws.run(
        f"CREATE TABLE {table} WITH ({properties}) AS SELECT * FROM (VALUES "
        "(1, 'x', timestamp '2024-01-02 03:04:05', 1.5e0), (2, CAST(NULL AS varchar), NULL, NULL)) AS v(a, b, c, d)"
    )
    aws.run(f"INSERT INTO {table} (b, a) VALUES ('y', 3)")

    rows = aws.run(f"SELECT * FROM {table} ORDER BY a").rows

    assert rows == [
        ["a", "b", "c", "d"],
        ["1", "x", "2024-01-02 03:04:05.000", "1.5"],
        ["2", None, None, None],
        ["3", "y", None, None],
    ]


def test_unload_requires_an_empty_location(aws: Aws) -> None:
    place = f"unloaded/{new_name()}"
    sql = (
        f"UNLOAD (SELECT seq, device_id FROM raw WHERE seq < ?) TO 's3://data/{place}/' "
        "WITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['device_id'])"
    )
    assert aws.run(sql, "6").updated == 6

    keys = aws.objects(place)
    assert len(keys) == 3
    body = aws.client("s3").get_object(Bucket="data", Key=keys[0])["Body"].read()
    assert body[:4] == body[-4:] == b"PAR1"
    assert "HIVE_PATH_ALREADY_EXISTS" in aws.failure(sql, ExecutionParameters=["6"])


def test_a_statement_can_write_at_most_a_hundred_partitions(aws: Aws) -> None:
    table = new_name()
    sql = "SELECT n, n % 101 AS p FROM unnest(sequence(1, 200)) AS t(n)"

    failure = aws.failure(f"CREATE TABLE {table} WITH (partitioned_by = ARRAY['p']) AS {sql}")

    assert "HIVE_TOO_MANY_OPEN_PARTITIONS" in failure
    assert [table] not in aws.run("SHOW TABLES").rows


def test_partitions_are_added_by_name_and_by_folder(aws: Aws) -> None:
    table = new_name()
    for day in ("1", "2", "3"):
        aws.client("s3").put_object(Bucket="data", Key=f"{table}/day={day}/x", Body=b"7,x\n")
    aws.run(
        f"CREATE EXTERNAL TABLE {table} (a int, b string) PARTITIONED BY (day int) "
        f"ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' STORED AS TEXTFILE LOCATION 's3://data/{table}/'"
    )
    assert aws.run(f"SELECT count(*) FROM {table}").rows[1] == ["0"]

    aws.run(
        f"ALTER TABLE {table} ADD IF NOT EXISTS PARTITION (day = 1) PARTITION (day = 9) LOCATION 's3://data/{table}/day=2/'"
    )
    assert aws.run(f"SELECT day, a FROM {table} ORDER BY day").rows[1:] == [["1", "7"], ["9", "7"]]

    repaired = aws.run(f"MSCK REPAIR TABLE {table}").rows
    assert repaired[-1] == [f"Repair: Added partition to metastore {table}:day=3"]
    aws.run(f"ALTER TABLE {table} DROP PARTITION (day = 9)")
    assert aws.run(f"SHOW PARTITIONS {table}").rows == [["day=1"], ["day=2"], ["day=3"]]


def test_tables_and_views_are_in_glue_and_can_be_described(aws: Aws) -> None:
    table, view = new_name(), new_name()
    aws.run(f"CREATE EXTERNAL TABLE {table} (a int, b array<string>) STORED AS PARQUET LOCATION 's3://data/{table}/'")
    aws.run(f"ALTER TABLE {table} ADD COLUMNS (c double)")
    stored = aws.client("glue").get_table(DatabaseName="db", Name=table)["Table"]
    assert [column["Type"] for column in stored["StorageDescriptor"]["Columns"]] == ["int", "array<string>", "double"]
    assert aws.run(f"DESCRIBE {table}").rows[0][0].split() == ["a", "int"]  # type: ignore[union-attr]
    assert aws.run(f"SHOW TABLES '{table[:-1]}*'").rows == [[table]]
    assert ["db"] in aws.run("SHOW DATABASES").rows

    aws.run(f"CREATE VIEW {view} AS SELECT device_id AS device, value * 2 AS twice, day FROM raw")
    viewed = aws.run(f"SELECT max(twice) FROM {view} WHERE day = '2024-01-02' AND device = 'd1'")
    assert viewed.rows[1] == ["29.0"]
    assert aws.run(f"SELECT * FROM {view} WHERE day = '2023-01-02'").scanned == 0
    assert aws.client("glue").get_table(DatabaseName="db", Name=view)["Table"]["TableType"] == "VIRTUAL_VIEW"

    script = "\n".join(str(line) for (line,) in aws.run(f"SHOW CREATE TABLE {table}").rows)
    aws.run(f"DROP TABLE {table}")
    aws.run(script)
    again = aws.client("glue").get_table(DatabaseName="db", Name=table)["Table"]
    assert again["StorageDescriptor"] == stored["StorageDescriptor"]
    aws.run(f"DROP VIEW IF EXISTS {view}")
    assert "TABLE_NOT_FOUND" in aws.failure(f"SELECT * FROM {view}")


@pytest.mark.parametrize("text", ["d1", "it's", "' OR 1=1 --", "'; DROP TABLE raw; --", "\\", "?"])
def test_a_parameter_is_a_value_and_never_sql(aws: Aws, text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"

    found = aws.run("SELECT count(*) FROM raw WHERE device_id = ?", quoted)

    assert found.rows[1] == ["20" if text == "d1" else "0"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ? FROM raw",
        "SELECT count(*) FROM raw GROUP BY device_id HAVING count(*) > ?",
        "SELECT * FROM raw LIMIT ?",
        "SELECT * FROM raw WHERE device_id IN (SELECT ? FROM raw)",
        "SELECT * FROM raw AS a JOIN raw AS b ON a.seq = b.seq + ?",
    ],
)
def test_a_parameter_outside_of_where_is_rejected(aws: Aws, sql: str) -> None:
    with pytest.raises(ClientError, match=r"InvalidRequestException.*only in the WHERE clause"):
        aws.start(sql, ExecutionParameters=["1"])


def test_a_parameter_that_is_not_a_literal_fails_at_the_start(aws: Aws) -> None:
    with pytest.raises(ClientError, match=r"InvalidRequestException.*not a literal"):
        aws.start("SELECT * FROM raw WHERE device_id = ?", ExecutionParameters=["'x' OR 1=1"])


def test_prepared_statements_belong_to_the_workgroup(aws: Aws) -> None:
    aws.run("PREPARE by_device FROM SELECT count(*) FROM raw WHERE device_id = ? AND seq < ?")

    assert aws.run("EXECUTE by_device USING 'd1', 10").rows[1] == ["3"]
    assert aws.run("EXECUTE by_device", "'d0'", "10").rows[1] == ["4"]
    kept = aws.client("athena").get_prepared_statement(StatementName="by_device", WorkGroup="primary")
    assert kept["PreparedStatement"]["QueryStatement"].startswith("SELECT count(*)")
    aws.run("DEALLOCATE PREPARE by_device")
    assert "not found" in aws.failure("EXECUTE by_device USING 'd1', 10")


def test_the_same_token_starts_the_same_query_once(aws: Aws) -> None:
    token = uuid.uuid4().hex

    first = aws.start("SELECT 1", ClientRequestToken=token)

    assert aws.start("SELECT 1", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match=r"InvalidRequestException.*Idempotent parameters do not match"):
        aws.start("SELECT 2", ClientRequestToken=token)


def test_a_token_that_is_sent_again_before_the_answer_starts_its_query_once(aws: Aws) -> None:
    athena, token = aws.client("athena"), uuid.uuid4().hex
    request = {
        "QueryString": f"UNLOAD (SELECT 1 AS a) TO 's3://data/{token}/' WITH (format = 'JSON')",
        "ResultConfiguration": {"OutputLocation": OUTPUT},
        "ClientRequestToken": token,
    }

    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: athena.start_query_execution(**request)["QueryExecutionId"], range(8)))

    assert len(set(started)) == 1
    assert aws.wait_for(started[0])["Status"]["State"] == "SUCCEEDED"


def test_a_recent_result_is_reused_on_request(aws: Aws) -> None:
    sql = f"SELECT count(*) AS {new_name()} FROM raw"
    by_age = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 5}}
    first = aws.run(sql, ResultReuseConfiguration=by_age)

    second = aws.run(sql, ResultReuseConfiguration=by_age)
    third = aws.run(sql)

    assert second.rows == first.rows
    reused = [
        e.execution["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"] for e in (first, second, third)
    ]
    assert reused == [False, True, False]
    assert (second.scanned, third.scanned) == (0, first.scanned)


def test_a_workgroup_limits_the_scanned_bytes_and_sets_the_output_location(aws: Aws) -> None:
    athena, table = aws.client("athena"), new_name()
    configuration = {
        "ResultConfiguration": {"OutputLocation": "s3://results/limited/"},
        "EnforceWorkGroupConfiguration": True,
        "BytesScannedCutoffPerQuery": 10_000_000,
    }
    athena.create_work_group(Name="limited", Configuration=configuration)
    aws.client("s3").put_object(Bucket="data", Key=f"{table}/x", Body=b"a" * 10_000_001)
    aws.run(
        f"CREATE EXTERNAL TABLE {table} (a string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://data/{table}/'"
    )

    small = aws.run("SELECT count(*) FROM raw", WorkGroup="limited")
    refused = aws.wait_for(aws.start(f"SELECT * FROM {table}", WorkGroup="limited"))

    assert small.execution["ResultConfiguration"]["OutputLocation"].startswith("s3://results/limited/")
    assert refused["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in refused["Status"]["StateChangeReason"]
    assert refused["Statistics"]["DataScannedInBytes"] == 10_000_001
    with_location = f"CREATE TABLE x WITH (external_location = 's3://data/{new_name()}/') AS SELECT 1 AS a"
    assert "enforces a centralized output location" in aws.failure(with_location, WorkGroup="limited")
    listed = athena.list_query_executions(WorkGroup="limited")["QueryExecutionIds"]
    assert refused["QueryExecutionId"] in listed
    found = athena.batch_get_query_execution(QueryExecutionIds=listed)["QueryExecutions"]
    assert {execution["WorkGroup"] for execution in found} == {"limited"}
    with pytest.raises(ClientError, match="is not found"):
        aws.start("SELECT 1", WorkGroup="none")


def test_a_query_can_be_stopped(aws: Aws) -> None:
    many = "unnest(sequence(1, 100000))"
    query_id = aws.start(f"SELECT count(*) FROM {many} AS a(x), {many} AS b(y) WHERE x * y % 7 = 1")

    aws.client("athena").stop_query_execution(QueryExecutionId=query_id)

    assert aws.wait_for(query_id)["Status"]["State"] == "CANCELLED"
    with pytest.raises(ClientError, match="did not finish successfully"):
        aws.client("athena").get_query_results(QueryExecutionId=query_id)
    assert aws.run("SELECT 1").rows[1] == ["1"]


def test_invalid_sql_fails_at_the_start(aws: Aws) -> None:
    for sql in ("SELEC 1", "SELECT 1; SELECT 2", "CREATE TABLE t (a int)"):
        with pytest.raises(ClientError, match="InvalidRequestException"):
            aws.start(sql)


def test_a_query_cannot_read_local_files(aws: Aws) -> None:
    for source in ("read_text('/etc/hostname')", "'/etc/hostname'", '"/etc/hostname"', "read_csv('s3://data/raw/')"):
        assert "NOT_FOUND" in aws.failure(f"SELECT * FROM {source}")


def test_a_table_can_have_hundreds_of_small_objects(aws: Aws, tmp_path: Path) -> None:
    table, s3, path = new_name(), aws.client("s3"), tmp_path / "x.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 'd1' AS device_id, 1.5 AS value FROM range(10)) TO '{path}'")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s3.put_object(Bucket="data", Key=f"{table}/{n}", Body=path.read_bytes()), range(300)))
    aws.run(
        f"CREATE EXTERNAL TABLE {table} (device_id string, value double) STORED AS PARQUET LOCATION 's3://data/{table}/'"
    )

    assert aws.run(f"SELECT count(*), sum(value) FROM {table}").rows[1] == ["3000", "4500.0"]


# --- permissions ---


@pytest.fixture
def caller(aws: Aws) -> Callable[..., Aws]:
    """Return a function that creates a user who can run queries, and what statements deny and actions allow."""
    iam = aws.client("iam")

    def caller(*denied: dict[str, str], **allowed: list[str]) -> Aws:
        user = new_name()
        iam.create_user(UserName=user)
        statements: list[Any] = [{"Effect": "Allow", "Action": ["athena:*", "glue:Get*"], "Resource": "*"}, *denied]
        statements += [
            {"Effect": "Allow", "Action": action.replace("_", ":"), "Resource": resources}
            for action, resources in allowed.items()
        ]
        iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Statement": statements}))
        key = iam.create_access_key(UserName=user)["AccessKey"]
        return Aws(boto3.Session(key["AccessKeyId"], key["SecretAccessKey"]), aws.endpoint)

    return caller


LIST, RESULTS, DATA = ["arn:aws:s3:::*"], ["arn:aws:s3:::results/*"], ["arn:aws:s3:::data/raw/*"]


def test_a_query_has_the_permissions_of_its_caller(caller: Callable[..., Aws]) -> None:
    sql = "SELECT count(*) FROM raw"

    allowed = caller(s3_ListBucket=LIST, s3_PutObject=RESULTS, s3_GetObject=[*DATA, *RESULTS])
    assert allowed.run(sql).rows[1] == ["60"]

    unlisted = caller(s3_PutObject=RESULTS, s3_GetObject=[*DATA, *RESULTS])
    assert unlisted.failure(sql).startswith("PERMISSION_DENIED")
    unread = caller(s3_ListBucket=LIST, s3_PutObject=RESULTS, s3_GetObject=RESULTS)
    assert (
        unread.failure(sql) == "PERMISSION_DENIED: Permission denied on S3 path: s3://data/raw/day=2024-01-02/x.json.gz"
    )
    unwritten = caller(s3_ListBucket=LIST, s3_GetObject=[*DATA, *RESULTS])
    assert "Access denied when writing output" in unwritten.failure(sql)
    assert "glue:CreateTable" in allowed.failure("CREATE TABLE x AS SELECT 1 AS a")
    assert "Access denied" in allowed.failure("UNLOAD (SELECT 1 AS a) TO 's3://data/elsewhere/' WITH (format = 'JSON')")


def test_every_query_needs_the_default_database(caller: Callable[..., Aws]) -> None:
    default = "arn:aws:glue:us-east-1:000000000000:database/default"
    deny = {"Effect": "Deny", "Action": "glue:GetDatabase", "Resource": default}
    allowed = {"s3_ListBucket": LIST, "s3_PutObject": RESULTS, "s3_GetObject": [*DATA, *RESULTS]}

    assert caller(**allowed).run("SELECT 1 AS a").rows[1] == ["1"]
    failure = caller(deny, **allowed).failure("SELECT 1 AS a")
    assert failure.startswith("Insufficient permissions to execute the query.")
    assert "glue:GetDatabase" in failure


def test_a_result_requires_permission_to_read_the_object(aws: Aws, caller: Callable[..., Aws]) -> None:
    query_id = aws.run("SELECT 1").execution["QueryExecutionId"]

    with pytest.raises(ClientError, match="Access denied when reading query results"):
        caller().client("athena").get_query_results(QueryExecutionId=query_id)


def test_a_stack_creates_named_queries_and_prepared_statements(aws: Aws) -> None:
    kinds = {
        "Named": ("NamedQuery", {"Database": "db", "Name": "all", "QueryString": "SELECT * FROM raw"}),
        "Prepared": (
            "PreparedStatement",
            {
                "StatementName": "of_stack",
                "WorkGroup": "primary",
                "QueryStatement": "SELECT min(seq) FROM raw WHERE seq = ?",
            },
        ),
    }
    resources = {key: {"Type": f"AWS::Athena::{kind}", "Properties": given} for key, (kind, given) in kinds.items()}
    template = {"Resources": resources, "Outputs": {"Id": {"Value": {"Ref": "Named"}}}}
    cloudformation, athena = aws.client("cloudformation"), aws.client("athena")

    cloudformation.create_stack(StackName="athena", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="athena", WaiterConfig={"Delay": 1})

    (output,) = cloudformation.describe_stacks(StackName="athena")["Stacks"][0]["Outputs"]
    named = athena.get_named_query(NamedQueryId=output["OutputValue"])["NamedQuery"]
    assert named["QueryString"] == "SELECT * FROM raw"
    assert aws.run("EXECUTE of_stack USING 7").rows[1] == ["7"]


# --- the gaps ---


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Aws]:
    """Unpatched ministack with the same readings."""
    folder, port = tmp_path_factory.mktemp("stock"), free_port()
    settings = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "CRITICAL",
    }
    environment = settings | {"PATH": os.environ["PATH"], "GATEWAY_PORT": str(port), "STATE_DIR": str(folder)}
    command = [sys.executable, "-c", "from ministack.app import main; main()"]
    process = subprocess.Popen(command, env=environment, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    assert eventually(lambda: is_listening(port))
    aws = Aws(boto3.Session(), url)
    for bucket in ("data", "results"):
        aws.client("s3").create_bucket(Bucket=bucket)
    lines = "".join(json.dumps(reading) + "\n" for reading in READINGS)
    aws.client("s3").put_object(Bucket="data", Key="raw/day=2024-01-02/x.json", Body=lines.encode())
    aws.client("glue").create_database(DatabaseInput={"Name": "db"})
    columns = [{"Name": "device_id", "Type": "string"}, {"Name": "seq", "Type": "bigint"}]
    serde = {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"}
    aws.client("glue").create_table(
        DatabaseName="db",
        TableInput={
            "Name": "raw",
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
            "StorageDescriptor": {"Columns": columns, "Location": "s3://data/raw/", "SerdeInfo": serde},
        },
    )
    yield aws
    process.terminate()
    process.wait(90)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT date_parse('2024-01-02', '%Y-%m-%d')",
        "SELECT json_extract_scalar('{}', '$.a')",
        "CREATE TABLE made WITH (format = 'PARQUET') AS SELECT 1 AS a",
        "INSERT INTO raw VALUES ('d1', 1, 'x')",
        "UNLOAD (SELECT 1 AS a) TO 's3://data/u/' WITH (format = 'PARQUET')",
        "MSCK REPAIR TABLE raw",
        "SHOW PARTITIONS raw",
        "DESCRIBE raw",
        'SELECT "$path" FROM raw',
        "EXECUTE prepared USING 1",
    ],
)
def test_the_stock_emulator_fails_statements_that_athena_supports(stock: Aws, sql: str) -> None:
    assert stock.failure(sql)


def test_the_stock_emulator_returns_other_results_than_athena(stock: Aws) -> None:
    def answer(sql: str) -> list[str | None]:
        return stock.run(sql).rows[1]

    assert answer("SELECT 1 / 2") == ["0.5"]
    assert answer("SELECT concat('a', NULL)") == ["a"]
    assert answer("SELECT count(*) FROM raw") == ["60"]  # although the catalog has no partition
    assert answer("SELECT content FROM read_text('/etc/hostname')") != []
    completed = stock.run("SELECT device_id FROM raw LIMIT 1")
    assert completed.scanned < 20
    location = completed.execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://results/")
    stored = stock.client("s3").list_objects_v2(Bucket="results", Prefix=location)["Contents"]
    assert stored[0]["Key"].count(".csv") == 2
