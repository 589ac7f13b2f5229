"""A device of a game day, which connects to the broker with its certificate."""

from __future__ import annotations

import ssl
import tempfile
import threading
import urllib.request
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from deploy.account import client

_ANSWER = 10
"""Seconds that the broker has to answer a device."""
_NAME = "gameday"


class Device:
    """The thing ``gameday``, whose certificate has the IoT *policy*. It asks *endpoint* for the broker's authority."""

    def __init__(self, endpoint: str, port: int, policy: str) -> None:
        self._endpoint, self._port, self._policy = endpoint, port, policy
        client("iot").create_thing(thingName=_NAME)
        self.issue_certificate()

    def issue_certificate(self) -> None:
        """Give the device a key and a certificate of its own."""
        iot = client("iot")
        made = iot.create_keys_and_certificate(setAsActive=True)
        self._certificate = str(made["certificateId"])
        self._pem = made["keyPair"]["PrivateKey"] + made["certificatePem"]
        iot.attach_policy(policyName=self._policy, target=made["certificateArn"])
        iot.attach_thing_principal(thingName=_NAME, principal=made["certificateArn"])

    def withdraw_certificate(self) -> None:
        """Deactivate the certificate. The broker refuses it as one that has expired."""
        client("iot").update_certificate(certificateId=self._certificate, newStatus="INACTIVE")

    def connects(self) -> bool:
        """Return whether the broker accepts the device."""
        answered, accepted = threading.Event(), threading.Event()

        def on_connect(_client: object, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
            if not reason.is_failure:
                accepted.set()
            answered.set()

        device = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=_NAME, protocol=mqtt.MQTTv311)
        device.tls_set_context(self._tls())
        device.on_connect = on_connect
        device.on_disconnect = lambda *_: answered.set()
        try:
            device.connect("127.0.0.1", self._port)
        except OSError:  # refused in the TLS handshake
            return False
        device.loop_start()
        answered.wait(_ANSWER)
        device.disconnect()
        device.loop_stop()
        return accepted.is_set()

    def _tls(self) -> ssl.SSLContext:
        with urllib.request.urlopen(f"{self._endpoint}/_ministack/iot/ca.pem", timeout=_ANSWER) as answer:
            context = ssl.create_default_context(cadata=answer.read().decode())
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "device.pem"
            file.write_text(self._pem)
            context.load_cert_chain(file)
        return context
