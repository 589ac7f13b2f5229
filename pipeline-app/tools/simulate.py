"""Simulates devices that send readings by MQTT: `make devices DEVICES=20 RATE=50`. A client of AWS IoT Core.

Each device is a thing with its own key and certificate; the certificate has the IoT policy of the stage. The key is
created here and never leaves this machine. It is stored in a folder that only its owner can read, and used again. The
same ``--seed`` and ``--start`` send the same readings.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import ssl
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from common import times
from tools.progress import Progress
from tools.simulated_device import DEFAULT_FAULTS, Faults, Message, SimulatedDevice

_TIMEOUT = 20
"""Seconds to wait for a connection, and for acknowledgements at the end."""


class NotConnected(Exception):
    """The broker rejected a device. The message says which and why."""


class ThingRegistry:
    """The things of AWS IoT, and their keys in *folder*. Existing things and keys are used again."""

    def __init__(self, iot: Any, policy: str, folder: Path) -> None:
        self._iot = iot
        self._policy = policy
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def identity(self, device_id: str) -> Path:
        """Return the PEM file with the key and certificate of a device. Registers the device if needed."""
        file = self._folder / f"{device_id}.pem"
        if not (file.exists() and self._is_active(file.read_bytes())):
            file.unlink(missing_ok=True)
            self._register(device_id, file)
        return file

    def _is_active(self, pem: bytes) -> bool:
        # The id of a certificate is its fingerprint.
        certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :])
        try:
            known = self._iot.describe_certificate(certificateId=certificate.fingerprint(hashes.SHA256()).hex())
        except self._iot.exceptions.ResourceNotFoundException:
            return False
        return bool(known["certificateDescription"]["status"] == "ACTIVE")

    def _register(self, device_id: str, file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        with contextlib.suppress(self._iot.exceptions.ResourceAlreadyExistsException):
            self._iot.create_thing(thingName=device_id)
        made = self._iot.create_certificate_from_csr(
            certificateSigningRequest=request.public_bytes(serialization.Encoding.PEM).decode(), setAsActive=True
        )
        self._iot.attach_policy(policyName=self._policy, target=made["certificateArn"])
        self._iot.attach_thing_principal(thingName=device_id, principal=made["certificateArn"])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(private + made["certificatePem"].encode())

    def remove(self, device_id: str) -> None:
        """Delete a device, its certificates and its key."""
        try:
            principals = self._iot.list_thing_principals(thingName=device_id)["principals"]
        except self._iot.exceptions.ResourceNotFoundException:
            principals = []
        for principal in principals:
            certificate_id = principal.rpartition("/")[2]
            self._iot.detach_thing_principal(thingName=device_id, principal=principal)
            self._iot.detach_policy(policyName=self._policy, target=principal)
            self._iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            self._iot.delete_certificate(certificateId=certificate_id)
        self._iot.delete_thing(thingName=device_id)
        (self._folder / f"{device_id}.pem").unlink(missing_ok=True)


class MqttConnection:
    """The connection of a device to the broker. Reconnects by itself."""

    def __init__(self, device_id: str, topics: str, tls: ssl.SSLContext) -> None:
        self._device_id = device_id
        self._topic = f"{topics}/{device_id}/readings"
        self._connected = threading.Event()
        self._rejection = ""
        self.acknowledged = 0
        # AWS IoT requires the name of the thing as the client id.
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=device_id, protocol=mqtt.MQTTv311)
        self._client.tls_set_context(tls)
        self._client.max_inflight_messages_set(100)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish

    def open(self, host: str, port: int) -> None:
        """Connect. Raises NotConnected."""
        try:
            self._client.connect(host, port, keepalive=60)
        except OSError as error:
            raise NotConnected(f"{self._device_id} cannot reach {host}:{port}: {error}") from error
        self._client.loop_start()
        if not self._connected.wait(_TIMEOUT) or self._rejection:
            raise NotConnected(f"{self._device_id} is rejected: {self._rejection or 'no answer'}")

    def send(self, payload: bytes) -> None:
        """Publish *payload*, again until it is acknowledged (QoS 1)."""
        self._client.publish(self._topic, payload, qos=1)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._rejection = str(reason) if reason.is_failure else ""
        self._connected.set()

    def _on_publish(self, client: Any, data: Any, number: int, reason: ReasonCode, properties: Any) -> None:
        self.acknowledged += 1


class Fleet:
    """Devices that send. `stop` may be called from a signal handler."""

    def __init__(self, connections: dict[str, MqttConnection], progress: Progress) -> None:
        self._connections = connections
        self._progress = progress
        self._stopped = threading.Event()
        self.sent: Counter[str | None] = Counter()
        """Number of messages by fault."""

    @property
    def acknowledged(self) -> int:
        return sum(connection.acknowledged for connection in self._connections.values())

    def stop(self, *_: object) -> None:
        self._stopped.set()

    def run(self, plan: Iterable[tuple[float, str, Message]]) -> None:
        """Send each message of *plan* when it is due, and wait until all are acknowledged."""
        started = time.monotonic()
        for due, device_id, message in plan:
            if self._stopped.wait(max(0, started + due - time.monotonic())):
                break
            self._connections[device_id].send(message.payload)
            self.sent[message.fault] += 1
            if self._progress.is_due():
                self._progress.show(f"{time.monotonic() - started:,.0f} s  {self.summary()}")
        deadline = time.monotonic() + _TIMEOUT
        while self.acknowledged < self.sent.total() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._progress.end()

    def summary(self) -> str:
        faults = "".join(f", {self.sent[fault.name]:,} {fault.name}" for fault in fields(Faults))
        return f"{self.sent.total():,} sent, {self.acknowledged:,} acknowledged{faults}"


def schedule(
    devices: Sequence[SimulatedDevice], rate: float, start: float, readings: float
) -> Iterator[tuple[float, str, Message]]:
    """Yield messages at *rate* readings a second from *start* on: when each is due in seconds, its device, itself."""
    number = 0
    while number < readings:
        device, due = devices[number % len(devices)], number / rate
        for message in device.messages(start + due):
            yield due, device.id, message
        number += 1
    for device in devices:
        for message in device.flush():
            yield number / rate, device.id, message


def main() -> str | None:
    arguments = _arguments()
    iot = boto3.client("iot", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))
    registry = ThingRegistry(iot, arguments.policy, arguments.keys or _KEYS / arguments.policy)
    numbers = range(1, arguments.devices + 1)
    devices = [SimulatedDevice(number, arguments.seed, arguments.faults, arguments.name) for number in numbers]
    if arguments.remove:
        for device in devices:
            registry.remove(device.id)
        return None
    host, _, port = (arguments.endpoint or _endpoint(iot)).partition(":")
    authority = _authority(arguments.ca)
    connections: dict[str, MqttConnection] = {}

    def connect(device: SimulatedDevice) -> None:
        connection = MqttConnection(device.id, arguments.topics, _tls(authority, registry.identity(device.id)))
        connections[device.id] = connection
        connection.open(host, int(port or 8883))

    fleet = Fleet(connections, Progress())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, fleet.stop)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(connect, devices))
        readings = min(arguments.count, arguments.seconds * arguments.rate)
        fleet.run(schedule(devices, arguments.rate, arguments.start or time.time(), readings))
    except (NotConnected, ClientError) as error:
        return str(error)
    finally:
        for connection in connections.values():
            connection.close()
    print(f"{fleet.summary()}.")
    return None if fleet.acknowledged == fleet.sent.total() else "Some messages were not acknowledged."


def _endpoint(iot: Any) -> str:
    return str(iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"])


def _authority(ca: str | None) -> str | None:
    """Return the CA certificates of the broker in PEM. None means those that this machine trusts."""
    if ca is None:
        return None
    if "://" not in ca:
        return Path(ca).read_text()
    with urllib.request.urlopen(ca, timeout=10) as answer:
        return str(answer.read().decode())


def _tls(authority: str | None, identity: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(identity)
    return context


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Simulate devices that send readings by MQTT.")
    parser.add_argument("policy", help="name of the IoT policy for their certificates")
    parser.add_argument("--topics", default="devices", help="first level of their topics: the output DeviceTopics")
    parser.add_argument("--devices", type=_positive(int), default=5, help="number of devices")
    parser.add_argument("--name", default="pump", help="prefix of their names")
    parser.add_argument("--rate", type=_positive(float), default=5, help="readings a second, of all devices together")
    parser.add_argument("--seconds", type=float, default=math.inf, help="duration; default: until Ctrl-C")
    parser.add_argument("--count", type=float, default=math.inf, help="number of readings; default: until Ctrl-C")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--start", type=_moment, help="time of the first reading, ISO 8601 with an offset; default: now"
    )
    parser.add_argument("--faults", type=_faults, default=DEFAULT_FAULTS, metavar="NAME=SHARE,…|none", help=_FAULTS)
    parser.add_argument("--endpoint", metavar="HOST[:PORT]", help="address of the broker; default: the account's")
    parser.add_argument("--ca", metavar="FILE|URL", help="CA certificate of the broker")
    parser.add_argument(
        "--keys", type=Path, metavar="FOLDER", help="folder for the keys; default: pipeline-app/.devices"
    )
    parser.add_argument("--remove", action="store_true", help="delete the devices and their certificates")
    return parser.parse_args()


_KEYS = Path(__file__).parent.parent / ".devices"
_DEFAULTS = ", ".join(f"{fault.name}={getattr(DEFAULT_FAULTS, fault.name)}" for fault in fields(Faults))
_FAULTS = f"share of the messages with each fault; default: {_DEFAULTS}"


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def positive(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return positive


def _moment(text: str) -> float:
    try:
        return times.parse(text).timestamp()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def _faults(text: str) -> Faults:
    """Return the faults in ``late=0.1,poison=0.02``."""
    if text == "none":
        return Faults()
    try:
        return Faults(**{name: float(share) for name, _, share in (pair.partition("=") for pair in text.split(","))})
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form late=0.1,poison=0.02") from error


if __name__ == "__main__":
    sys.exit(main())
