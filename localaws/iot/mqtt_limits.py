"""Gap: the broker accepts payloads above 128 KB, publishing with QoS 2, and a session without a client id.

AWS closes the connection. MQTT 5 names the reason in a DISCONNECT before.
AWS: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html#mqtt-qos
AWS: https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits
AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_Publish.html
No longer needed when a PUBLISH with QoS 2 closes the connection.
"""

import struct
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iot, iot_data

MAX_PAYLOAD = 128 * 1024
QOS_NOT_SUPPORTED, PACKET_TOO_LARGE = 0x9B, 0x95  # MQTT 5, section 2.4
IDENTIFIER_REJECTED = 0x02  # MQTT 3.1.1, section 3.2.2.3


def publish_error(version: int, flags: int, body: bytes) -> int:
    """Return the MQTT 5 reason code with which AWS rejects the PUBLISH, or 0."""
    qos = flags >> 1 & 3
    _, offset = iot._read_string(body, 0)
    offset += 2 if qos else 0
    if version == iot.MQTT_5:
        _, offset = iot._decode_properties(body, offset)
    if qos > 1:
        return QOS_NOT_SUPPORTED
    return PACKET_TOO_LARGE if len(body) - offset > MAX_PAYLOAD else 0


def keeps_session_without_id(body: bytes) -> bool:
    """Return whether a CONNECT of MQTT 3.1.1 has an empty client id and no clean session."""
    _, offset = iot._read_string(body, 0)
    level, flags = body[offset], body[offset + 1]
    (length,) = struct.unpack_from("!H", body, offset + 4)
    return bool(level == iot.MQTT_311 and not flags & 2 and length == 0)


def apply() -> None:
    session, publish = iot._WSSession, iot_data._publish
    dispatch = session._dispatch_packet

    async def dispatch_packet(self: Any, kind: int, flags: int, body: bytes) -> bool:
        if kind == iot.PKT_CONNECT and keeps_session_without_id(body):
            await self.send_bytes(iot._make_connack(return_code=IDENTIFIER_REJECTED))
            return False
        reason = publish_error(self.protocol_version, flags, body) if kind == iot.PKT_PUBLISH else 0
        if reason:
            if self.protocol_version == iot.MQTT_5:
                await self.send_bytes(iot._make_disconnect(reason))
            return False
        return bool(await dispatch(self, kind, flags, body))

    async def publish_over_http(topic: str, body: bytes, *arguments: Any) -> Any:
        if len(body) > MAX_PAYLOAD:
            message = "The payload exceeds the maximum size allowed."
            return error_response_json("RequestEntityTooLargeException", message, 413)
        return await publish(topic, body, *arguments)

    session._dispatch_packet = dispatch_packet
    iot_data._publish = publish_over_http
