"""The MQTT listener and its certificates, and the actions of topic rules."""

from __future__ import annotations

import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from localaws.testing import eventually, is_listening, refusal

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
HERE = f"{REGION}:000000000000"
numbers = itertools.count(1)


class Aws:
    """An emulator with an MQTT listener, and a folder for certificates."""

    def __init__(self, endpoint: str, port: int, folder: Path) -> None:
        self.port, self.folder, self.endpoint = port, folder, endpoint
        self.client = lambda service: boto3.client(service, REGION, endpoint_url=endpoint)
        self.iot = self.client("iot")
        self.authority = folder / "ca.pem"
        with urllib.request.urlopen(f"{endpoint}/_ministack/iot/ca.pem") as answer:
            self.authority.write_bytes(answer.read())

    def role(self, service: str, action: str, resource: str) -> str:
        iam, name = self.client("iam"), f"rule-{next(numbers)}"
        account = {"StringEquals": {"aws:SourceAccount": "000000000000"}}  # as AWS advises
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", "Condition": account}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        policy = {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}
        iam.put_role_policy(RoleName=name, PolicyName="rule", PolicyDocument=json.dumps(policy))
        return str(role["Role"]["Arn"])

    def certificate(self, status: str = "ACTIVE") -> str:
        """Create a certificate that may connect and publish under its own id only; return the id."""
        made = self.iot.create_keys_and_certificate(setAsActive=True)
        identifier = str(made["certificateId"])
        (self.folder / f"{identifier}.pem").write_text(made["certificatePem"])
        (self.folder / f"{identifier}.key").write_text(made["keyPair"]["PrivateKey"])
        statements = [
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"arn:aws:iot:{HERE}:client/{identifier[:8]}"},
            {
                "Effect": "Allow",
                "Action": "iot:Publish",
                "Resource": f"arn:aws:iot:{HERE}:topic/devices/{identifier[:8]}/readings",
            },
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iot.create_policy(policyName=identifier[:8], policyDocument=policy)
        self.iot.attach_policy(policyName=identifier[:8], target=made["certificateArn"])
        self.iot.update_certificate(certificateId=identifier, newStatus=status)
        return identifier

    def device(self, identifier: str | None) -> mqtt.Client:
        """Connect with the certificate; return the client. Raise OSError if the broker rejects it."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=(identifier or "nobody")[:8])
        files = {} if identifier is None else {n: self.folder / f"{identifier}.{n}" for n in ("pem", "key")}
        client.tls_set(str(self.authority), *(str(files[name]) for name in files))
        connected: list[bool] = []
        client.on_connect = lambda _client, _data, _flags, reason, _properties: connected.append(not reason.is_failure)
        client.on_disconnect = lambda *_: connected.append(False)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        if not eventually(lambda: connected) or not connected[0]:
            client.loop_stop()
            raise ConnectionError("the broker rejects the client")
        return client

    def rule(self, topic: str, *actions: dict[str, Any], sql: str = "SELECT *", **more: Any) -> None:
        payload = {"sql": f"{sql} FROM '{topic}'", "awsIotSqlVersion": "2016-03-23", "actions": actions, **more}
        self.iot.create_topic_rule(ruleName=f"rule_{next(numbers)}", topicRulePayload=payload)

    def publish(self, topic: str, payload: bytes) -> None:
        self.client("iot-data").publish(topic=topic, payload=payload)


class KinesisStream:
    """A Kinesis stream of one shard, read from its start."""

    def __init__(self, aws: Aws) -> None:
        self.kinesis, self.name = aws.client("kinesis"), f"readings-{next(numbers)}"
        self.arn = f"arn:aws:kinesis:{HERE}:stream/{self.name}"
        self.kinesis.create_stream(StreamName=self.name, ShardCount=1)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=self.name, WaiterConfig={"Delay": 1})

    def action(self, role: str, key: str = "${topic(2)}") -> dict[str, Any]:
        return {"kinesis": {"streamName": self.name, "partitionKey": key, "roleArn": role}}

    def records(self) -> list[tuple[str, bytes]]:
        """Wait for a record; return the partition key and data of all records."""
        return eventually(self.records_now)

    def records_now(self) -> list[tuple[str, bytes]]:
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = self.kinesis.get_records(ShardIterator=iterator)["Records"]
        return [(each["PartitionKey"], each["Data"]) for each in records]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Aws]:
    yield from run_emulator(("-m", "localaws.emulator"), tmp_path_factory.mktemp("iot"), free_port(), free_port())


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Aws]:
    """Ministack without our patches."""
    command = ("-c", "from ministack.app import main; main()")
    yield from run_emulator(command, tmp_path_factory.mktemp("stock"), free_port(), free_port())


def run_emulator(command: tuple[str, ...], folder: Path, port: int, devices: int) -> Iterator[Aws]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "SFTP_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "1",
        "IOT_MTLS_PORT": str(devices),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder),
        "LOG_LEVEL": "CRITICAL",
    }
    process = subprocess.Popen([sys.executable, *command], env=environment, cwd=folder)
    for listened in (port, devices):
        assert eventually(lambda to=listened: is_listening(to))
    yield Aws(f"http://127.0.0.1:{port}", devices, folder)
    process.terminate()
    process.wait(90)


# --- the listener -----------------------------------------------------------------------------------------


def test_the_listener_binds_to_loopback_only(aws: Aws) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", aws.port))  # fails if a listener is bound to all interfaces

    assert not is_listening(aws.port, "127.0.0.3")


def test_ministack_still_binds_to_all_interfaces_and_accepts_clients_without_a_certificate(stock: Aws) -> None:
    nobody = stock.device(None)

    nobody.loop_stop()
    assert is_listening(stock.port, "127.0.0.3"), "ministack no longer needs localaws/iot/listener.py; delete it"


def test_a_device_publishes_as_itself_only(aws: Aws) -> None:
    stream, identifier = KinesisStream(aws), aws.certificate()
    aws.rule("devices/+/readings", stream.action(aws.role("iot.amazonaws.com", "kinesis:PutRecord", stream.arn)))
    device = aws.device(identifier)

    device.publish(f"devices/{identifier[:8]}/readings", b'{"value": 1}', qos=1).wait_for_publish(5)
    device.publish("devices/another/readings", b'{"value": 2}', qos=1)

    assert eventually(lambda: not device.is_connected()), "AWS disconnects a client that publishes without permission"
    assert stream.records() == [(identifier[:8], b'{"value": 1}')]


def test_a_client_without_a_certificate_is_rejected(aws: Aws) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        aws.device(None)


def test_an_inactive_certificate_is_rejected(aws: Aws) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        aws.device(aws.certificate("INACTIVE"))


def test_an_unknown_certificate_is_rejected(aws: Aws) -> None:
    identifier = aws.certificate("INACTIVE")
    aws.iot.delete_certificate(certificateId=identifier, forceDelete=True)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        aws.device(identifier)


# --- limits -----------------------------------------------------------------------------------------------


def closes(aws: Aws, payload: bytes, qos: int) -> bool:
    """Publish as a device; return whether the broker closes the connection."""
    identifier = aws.certificate()
    device = aws.device(identifier)
    sent = device.publish(f"devices/{identifier[:8]}/readings", payload, qos=qos)
    answered = eventually(lambda: not device.is_connected() or sent.is_published())
    device.loop_stop()
    return bool(answered) and not sent.is_published()


@pytest.mark.parametrize(("payload", "qos"), [(b"x" * (128 * 1024 + 1), 1), (b"{}", 2)])
def test_a_publish_that_aws_rejects_closes_the_connection(aws: Aws, payload: bytes, qos: int) -> None:
    assert closes(aws, payload, qos)


def test_a_payload_of_128_kilobytes_is_accepted(aws: Aws) -> None:
    assert not closes(aws, b"x" * 128 * 1024, 1)


def test_ministack_still_accepts_large_payloads(stock: Aws) -> None:
    closed = closes(stock, b"x" * (128 * 1024 + 1), 1)

    assert not closed, "ministack no longer needs localaws/iot/mqtt_limits.py; delete it"


# A policy that names client ids refuses the id that the broker assigns. AWS closes this connection without a CONNACK.
@pytest.mark.parametrize(("clean", "expected"), [(False, b"\x20\x02\x00\x02"), (True, b"")])
def test_a_session_needs_a_client_id(aws: Aws, clean: bool, expected: bytes) -> None:
    identifier = aws.certificate()
    context = ssl.create_default_context(cafile=str(aws.authority))
    context.load_cert_chain(aws.folder / f"{identifier}.pem", aws.folder / f"{identifier}.key")
    connect = b"\x00\x04MQTT\x04" + bytes([2 * clean]) + b"\x00\x3c" + b"\x00\x00"  # keep alive 60, empty id

    with (
        socket.create_connection(("127.0.0.1", aws.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"\x10" + bytes([len(connect)]) + connect)
        answer = connection.recv(4)

    assert answer == expected


def test_a_payload_above_128_kilobytes_is_rejected_over_http(aws: Aws) -> None:
    found = refusal(lambda: aws.publish("any/large", b"x" * (128 * 1024 + 1)))

    assert found == "RequestEntityTooLargeException: The payload exceeds the maximum size allowed."


# --- rules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [b'{"b": 1, "a": 1e309}', b"not JSON", b"\xff\x00", b"[" * 100_000, b'{"value": NaN}', b"9" * 5_000],
    ids=["json", "text", "binary", "deep", "nan", "long number"],
)
def test_select_all_passes_the_payload_unchanged(aws: Aws, payload: bytes) -> None:
    stream, topic = KinesisStream(aws), f"any/{next(numbers)}"
    role = aws.role("iot.amazonaws.com", "kinesis:PutRecord", stream.arn)
    aws.rule(topic, stream.action(role, "${newuuid()}"))

    aws.publish(topic, payload)

    [(key, data)] = stream.records()
    assert (len(key), data) == (36, payload)


def test_selected_fields_are_sent_as_json(aws: Aws) -> None:
    stream, topic = KinesisStream(aws), f"any/{next(numbers)}"
    role = aws.role("iot.amazonaws.com", "kinesis:PutRecord", stream.arn)
    aws.rule(topic, stream.action(role, "${id}-${topic(1)}"), sql="SELECT value, topic(2) AS number")

    aws.publish(topic, b'{"id": "a", "value": 1.5}')

    assert stream.records() == [("a-any", json.dumps({"value": 1.5, "number": topic[4:]}).encode())]


@pytest.mark.parametrize(
    ("service", "action"),
    [("lambda.amazonaws.com", "kinesis:PutRecord"), ("iot.amazonaws.com", "kinesis:GetRecords")],
    ids=["trusts another service", "allows another action"],
)
def test_a_role_without_permission_triggers_the_error_action(aws: Aws, service: str, action: str) -> None:
    stream, topic = KinesisStream(aws), f"any/{next(numbers)}"
    url, queue = _queue(aws)
    error_action = {"sqs": {"queueUrl": url, "useBase64": False}}
    error_action["sqs"]["roleArn"] = aws.role("iot.amazonaws.com", "sqs:SendMessage", queue)
    aws.rule(topic, stream.action(aws.role(service, action, stream.arn)), errorAction=error_action)

    aws.publish(topic, b"{}")

    message = eventually(lambda: aws.client("sqs").receive_message(QueueUrl=url).get("Messages"))
    assert message
    [failure] = json.loads(message[0]["Body"])["failures"]
    assert (failure["failedAction"], failure["failedResource"]) == ("KinesisAction", stream.name)
    assert "not authorized" in failure["errorMessage"]
    assert not stream.records_now()


def _queue(aws: Aws) -> tuple[str, str]:
    name = f"errors-{next(numbers)}"
    return aws.client("sqs").create_queue(QueueName=name)["QueueUrl"], f"arn:aws:sqs:{HERE}:{name}"


def test_a_message_becomes_an_object(aws: Aws) -> None:
    bucket, topic = f"objects-{next(numbers)}", f"any/{next(numbers)}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    role = aws.role("iot.amazonaws.com", "s3:PutObject", f"arn:aws:s3:::{bucket}/*")
    aws.rule(topic, {"s3": {"bucketName": bucket, "key": "${topic()}/${n}", "roleArn": role}})

    aws.publish(topic, b'{"n": 7}')

    assert s3.get_object(Bucket=bucket, Key=f"{topic}/7")["Body"].read() == b'{"n": 7}'
