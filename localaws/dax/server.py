"""A DAX node on a loopback port: accepts the connections of DAX clients and answers their requests."""

import logging
import socket
import socketserver
import threading
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from amazondax.CborDecoder import NoMoreData
from amazondax.Constants import DaxMethodIds
from amazondax.DaxCborDecoder import DaxCborDecoder
from botocore.exceptions import ClientError

from localaws.dax.cache import Cluster
from localaws.dax.operations import METHODS, Operations, actions
from localaws.dax.wire import cbor, encoded_error

HOST = "127.0.0.1"
_AUTHORIZE_CONNECTION = DaxMethodIds.authorizeConnection_1489122155_1_Id
_MAGIC = "J7yne5G"
_SUCCESS = cbor([])
_logger = logging.getLogger(__name__)


class Authorize(Protocol):
    """Raises a ClientError unless the signature is the key's and the key may do `action` on the cluster.

    `action` is None where a valid signature is all that is needed. The string to sign is that of a SigV4
    `POST https://dax.amazonaws.com/` with an empty body:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.access-control.html
    """

    def __call__(
        self,
        access_key: str,
        session_token: str | None,
        string_to_sign: bytes,
        signature: str,
        action: str | None,
        resource_arn: str,
    ) -> None: ...


class Server:
    """Serves `cluster` to `AmazonDaxClient(endpoint_url=server.endpoint_url)`, from a thread of its own."""

    def __init__(self, cluster: Cluster, *, arn: str, authorize: Authorize, port: int = 0) -> None:
        self._cluster = cluster
        self._arn = arn
        self._authorize = authorize
        self._listener = _Listener((HOST, port), self)
        self._operations = Operations(cluster, HOST, self.port)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.server_address[1])

    @property
    def endpoint_url(self) -> str:
        return f"dax://{HOST}:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.disconnect()
        self._thread.join()

    def answer(self, caller: "Caller | None", method: str, arguments: list[Any]) -> bytes:
        try:
            self._check(caller, method, arguments)
            answer: bytes = getattr(self._operations, method)(*arguments)
            return _SUCCESS + answer
        except ClientError as error:
            return encoded_error(error)
        except Exception as error:
            _logger.exception("%s failed", method)
            return encoded_error(_error("InternalServerError", repr(error), method, 500))

    def _check(self, caller: "Caller | None", method: str, arguments: list[Any]) -> None:
        if caller is None:
            raise _error("UnrecognizedClientException", "The connection is not authorized.", method, 400)
        for action in actions(method, arguments):
            self._authorize(*caller, action, self._arn)


class Caller(NamedTuple):
    """Who authorized the connection, as the client's authorizeConnection says."""

    access_key: str
    session_token: str | None
    string_to_sign: bytes
    signature: str


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], node: Server) -> None:
        self.node = node
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def disconnect(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.BaseRequestHandler):
    server: _Listener

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.connections.add(self.request)
        try:
            with suppress(NoMoreData, OSError):
                self._serve()
        finally:
            self.server.connections.discard(self.request)

    def _serve(self) -> None:
        decoder = DaxCborDecoder(self._more)
        magic, *_ = [decoder.decode_object() for _ in ("magic", "layering", "session", "client", "types")]
        if magic != _MAGIC:
            return
        caller: Caller | None = None
        while True:
            _service, number = decoder.decode_int(), decoder.decode_int()
            if number == _AUTHORIZE_CONNECTION:
                key, signature, string_to_sign, token, _agent = [decoder.decode_object() for _ in range(5)]
                caller = Caller(key, token, string_to_sign, signature)
                continue
            method, size = METHODS[number]
            arguments = [decoder.decode_object() for _ in range(size)]
            self.request.sendall(self.server.node.answer(caller, method, arguments))

    def _more(self, buffer: bytearray, size: int) -> int:
        data = self.request.recv(max(size, 65536))
        buffer += data
        return len(data)


def _error(code: str, message: str, operation: str, status: int) -> ClientError:
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)
