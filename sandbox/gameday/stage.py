"""The stage on which a game day plays: its functions, alarms, queues and clock."""

from __future__ import annotations

import io
import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.exceptions import ConnectionClosedError

from deploy import apps, redrive, stacks
from deploy.account import client
from deploy.verify.requests import Api, Http
from localaws.clock.client import turned
from localaws.regions import client as regions
from sandbox.gameday.device import Device

SLOW = """
import time
import app

def handler(event, context):
    time.sleep(2.5)
    return app.app(event, context)
"""
"""A handler for an API whose answers take longer than the alarm accepts."""

FULL_DISK = """
import resource
import sys

sys.dont_write_bytecode = True  # cut off, it would break the function for good
resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

from updates.publisher import handler
"""
"""A handler for the publisher whose writes the operating system refuses after 64 bytes."""

BROKEN = "app.gameday"
"""A handler that no app has."""
_TRIES = 24
_PATIENCE = 120
"""Seconds that a user waits for an answer."""
_ALARMS = ("MetricAlarm", "CompositeAlarm")


class Stage:
    """The stage of the running sandbox, whose *outputs* are those of `.sandbox/outputs.json`."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.name: str = outputs["stage"]
        self._outputs = outputs
        self._handlers: dict[str, str] = {}
        self._readings = 0

    def output(self, app: str, name: str) -> str:
        return str(self._outputs[app][name])

    @cache  # noqa: B019 # one stage for each process
    def resource(self, stack: str, logical_id: str) -> str:
        """Return the physical id of a resource. *stack* is without the stage, such as ``pipeline-app delivery``."""
        app, _, part = stack.partition(" ")
        name = "-".join(filter(None, (app, self.name, part)))
        _, physical_id = stacks.resources(name)[logical_id]
        return physical_id

    # --- the clock and the alarms ---

    def turn(self, seconds: int) -> None:
        """Turn the clock forward, and give the alarms the time to look at it."""
        turned(self._outputs["endpoint"], seconds)
        time.sleep(1.5)

    def raised(self) -> set[str]:
        """Return the names of the alarms that are raised. Nobody sees those of a Region that is gone."""
        try:
            return {alarm["AlarmName"] for alarm in self._alarms(StateValue="ALARM")}
        except ConnectionClosedError:
            return set()

    @cache  # noqa: B019 # one stage for each process
    def runbook(self, alarm: str) -> str:
        """Return the section of docs/runbooks.md that the description of an alarm names."""
        (found,) = self._alarms(AlarmNames=[alarm])
        return str(found["AlarmDescription"].rpartition("#")[2])

    @staticmethod
    def _alarms(**options: Any) -> list[dict[str, Any]]:
        """Return the metric alarms and composite alarms."""
        pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=_ALARMS, **options)
        return [alarm for page in pages for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"])]

    def notified(self, alarms: Iterable[str]) -> dict[str, int]:
        """Return how often each of these has notified somebody. An alarm below a composite alarm notifies nobody."""
        notifying = {alarm["AlarmName"] for alarm in self._alarms(AlarmNames=list(alarms)) if alarm["AlarmActions"]}
        history = client("cloudwatch").get_paginator("describe_alarm_history")
        return {
            alarm: sum(
                json.loads(item["HistoryData"])["newState"]["stateValue"] == "ALARM"
                for page in history.paginate(AlarmName=alarm, AlarmTypes=_ALARMS, HistoryItemType="StateUpdate")
                for item in page["AlarmHistoryItems"]
            )
            for alarm in sorted(notifying)
        }

    # --- functions ---

    def refuse(self, function: str) -> None:
        """Take all concurrency from a function."""
        client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)

    def allow(self, function: str) -> None:
        client("lambda").delete_function_concurrency(FunctionName=function)

    def break_function(self, function: str, handler: str = BROKEN) -> None:
        """Give a function another handler, as a bad release does."""
        configuration = client("lambda").get_function_configuration(FunctionName=function)
        self._handlers.setdefault(function, configuration["Handler"])
        self._set_handler(function, handler)

    def mend_function(self, function: str) -> None:
        """Give a function the handler that it had, as the release before does."""
        self._set_handler(function, self._handlers[function])

    @staticmethod
    def _set_handler(function: str, handler: str) -> None:
        client("lambda").update_function_configuration(FunctionName=function, Handler=handler)
        Stage._wait_for(function)

    @staticmethod
    def _wait_for(function: str) -> None:
        """Wait until a change of the function is complete."""
        client("lambda").get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})

    def slow_down(self, function: str) -> None:
        """Make an API's function slow."""
        self._add_module(function, "slow", SLOW)

    def fill_disk(self, function: str) -> None:
        """Let the operating system refuse what the publisher writes."""
        self._add_module(function, "full_disk", FULL_DISK)

    def _add_module(self, function: str, name: str, text: str) -> None:
        """Add a module to the code of a function, and let it handle the events."""
        functions = client("lambda")
        with urllib.request.urlopen(functions.get_function(FunctionName=function)["Code"]["Location"]) as answer:
            code = io.BytesIO(answer.read())
        with zipfile.ZipFile(code, "a") as archive:
            archive.writestr(f"{name}.py", text)
        functions.update_function_code(FunctionName=function, ZipFile=code.getvalue())
        self._wait_for(function)
        self.break_function(function, f"{name}.handler")

    def invoke(self, function: str, event: dict[str, Any]) -> None:
        client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))

    def consume(self, function: str, enabled: bool) -> None:
        """Let a function consume its source, or stop it."""
        mappings = client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        for mapping in mappings:
            client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)

    def schedule(self, stack: str, rule: str, enabled: bool) -> None:
        """Enable or disable a schedule."""
        events, name = client("events"), self.resource(stack, rule)
        events.enable_rule(Name=name) if enabled else events.disable_rule(Name=name)

    def measure_methods(self, app: str) -> None:
        """Have an API's stage record the metrics of each method."""
        gateway = client("apigateway")
        operation = {"op": "replace", "path": "/*/*/metrics/enabled", "value": "true"}
        gateway.update_stage(restApiId=self.resource(app, "RestAPI"), stageName="api", patchOperations=[operation])

    # --- what no alarm watches ---

    def turn_region(self, change: regions.Change) -> None:
        """Take the Region of the stage away, or bring it back."""
        regions.turned(self._outputs["endpoint"], change, self._outputs["region"])

    def answers(self, app: str) -> bool:
        """Return whether an API answers at all."""
        try:
            return self.request(app, "/health") > 0
        except OSError:
            return False

    @cached_property
    def device(self) -> Device:
        policy = self.output("pipeline-app", "iot_policy")
        return Device(self._outputs["endpoint"], int(self._outputs["mqtt_port"]), policy)

    def withdraw_certificate(self) -> None:
        self.device.withdraw_certificate()

    def issue_certificate(self) -> None:
        self.device.issue_certificate()

    def asks_servers(self) -> int:
        """Return the status of the edge of the updates for a package that nobody has asked for."""
        return self._status(f"{self.output('updates', 'edge')}/packages/{secrets.token_hex(8)}")

    def signal_servers(self, number: int) -> None:
        """Send a signal to the processes of the update servers, which the sandbox of this game day has started."""
        listed = subprocess.run(["ps", "-axo", "pid=,command="], check=True, capture_output=True, text=True).stdout
        for pid, command in (line.split(maxsplit=1) for line in listed.splitlines()):
            if self.output("updates", "releases") in command:
                os.kill(int(pid), number)

    # --- what users and devices do ---

    def request(self, app: str, path: str, body: bytes | None = None) -> int:
        """Send a GET, or a POST with a *body*, to an API; return the status."""
        return self._status(f"{self.output(app, 'api').rstrip('/')}{path}", body)

    @staticmethod
    def _status(url: str, body: bytes | None = None) -> int:
        try:
            with urllib.request.urlopen(url, body, timeout=_PATIENCE) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    @property
    def _reports(self) -> Api:
        key, region = boto3.Session().get_credentials(), str(self._outputs["region"])
        return Api(Http(), self.output("pipeline-app", "api").rstrip("/"), signer=key, region=region)

    def request_report(self) -> None:
        """Ask for a report of today, as an operator does by the API."""
        answer = self._reports.send("POST", "/reports/quality/runs", {"period": f"{datetime.now(UTC):%Y-%m-%d}"})
        assert answer.status == 202, answer

    def send_readings(self, count: int = 1, size: int = 100) -> None:
        """Put readings of at least *size* bytes into the stream in one request, as devices do."""
        records = [self._reading(number, size) for number in range(count)]
        answer = client("kinesis").put_records(StreamName=self.output("pipeline-app", "stream"), Records=records)
        self._readings += count - answer["FailedRecordCount"]

    def publish_reading(self) -> None:
        """Publish a reading by MQTT's HTTP interface, so that the rule of IoT has to put it into the stream."""
        topic = f"{self.output('pipeline-app', 'device_topics')}/gameday/readings"
        client("iot-data").publish(topic=topic, qos=1, payload=self._reading()["Data"])
        self._readings += 1

    @staticmethod
    def _reading(number: int = 0, size: int = 0) -> dict[str, Any]:
        sent = {
            "device_id": "gameday",
            "metric": "temperature",
            "value": 20.5,
            "ts": time.time_ns() // 10**6,
            "seq": number,
            "note": "x" * size,  # unknown fields are ignored
        }
        return {"Data": json.dumps(sent).encode(), "PartitionKey": "gameday"}

    def publish_purchase(self) -> None:
        """Publish the event of a purchase, as video-app does."""
        number = f"gameday-{time.time_ns()}"
        event = {"type": "PurchaseCompleted", "version": 1, "payment_id": number, "user": "gameday"}
        event |= {"email": "gameday@shop.example", "title": "A film", "amount": 990, "currency": "usd"}
        event |= {"at": "2030-01-31T12:00:00+00:00"}
        self._publish(event)

    def publish_poison(self) -> None:
        """Publish an event that has the type of a purchase, and nothing else of it."""
        self._publish({"type": "PurchaseCompleted", "version": 1})

    def _publish(self, event: dict[str, Any]) -> None:
        client("sns").publish(
            TopicArn=self.output("video-app", "purchases_topic"),
            Message=json.dumps(event),
            MessageAttributes={"type": {"DataType": "String", "StringValue": "PurchaseCompleted.1"}},
        )

    def touch(self, table: str) -> None:
        """Write an item of a table, so that its stream has a record. The attribute that it adds means nothing."""
        dynamodb = client("dynamodb")
        keys = [each["AttributeName"] for each in dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]]
        found = dynamodb.scan(TableName=table, Limit=1)["Items"] or [{name: {"S": "gameday"} for name in keys}]
        dynamodb.update_item(
            TableName=table,
            Key={name: found[0][name] for name in keys},
            UpdateExpression="SET gameday = :now",
            ExpressionAttributeValues={":now": {"N": str(time.time_ns())}},
        )

    # --- the operator ---

    def redrive(self, app: str) -> None:
        """Send the failed messages of an app back, as `make redrive` does."""
        redrive.redrive(app, self.name)

    def delete_failed(self, app: str) -> None:
        """Delete the failed messages of an app, as an operator does who has read them."""
        sqs = client("sqs")
        for queue in redrive.failed_messages(app, self.name):
            sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    def failed(self) -> dict[str, int]:
        """Return by queue how many failed messages it has. Empty queues are left out."""
        failed = [redrive.failed_messages(app, self.name) for app in apps.names()]
        return {queue: count for messages in failed for queue, count in messages.items()}

    def readings(self) -> tuple[int, int]:
        """Return how many readings were sent, and how many the reports have; wait until these are as many."""
        first = datetime.now(UTC).date() - timedelta(days=1)  # the clock of the stage is ahead of this one
        last = datetime.fromisoformat(turned(self._outputs["endpoint"], 0)).date()
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        for _ in range(_TRIES):
            reports = [self._reports.get(f"/reports/quality?period={day}").json or {} for day in days]
            accepted = sum(row["accepted"] for report in reports for row in report.get("rows", []))
            if accepted == self._readings:
                break
            time.sleep(5)
        return self._readings, accepted

    def settle(self) -> None:
        """Redrive without turning the clock until no failed message is left, for two minutes at most."""
        for _ in range(_TRIES):
            failed = [app for app in apps.names() if redrive.failed_messages(app, self.name)]
            if not failed:
                break
            for app in failed:
                self.redrive(app)
            time.sleep(5)

    def deny(self, role: str, action: str) -> None:
        """Deny an action to a role."""
        statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        client("iam").put_role_policy(RoleName=role, PolicyName="gameday", PolicyDocument=document)

    def allow_again(self, role: str) -> None:
        client("iam").delete_role_policy(RoleName=role, PolicyName="gameday")
