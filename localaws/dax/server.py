"""A DAX node on a loopback port, which serves DAX clients."""

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
    """A function that raises ClientError if the signature is invalid or the caller is not allowed to call `action`.

    If `action` is None, a valid signature is sufficient. The string to sign is the SigV4 string of a request
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
    """A server thread for `AmazonDaxClient(endpoint_url=server.endpoint_url)`."""

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

    def respond(self, caller: "Caller | None", method: str, arguments: list[Any]) -> bytes:
        try:
            self._authorize_call(caller, method, arguments)
            response: bytes = getattr(self._operations, method)(*arguments)
            return _SUCCESS + response
        except ClientError as error:
            return encoded_error(error)
        except Exception as error:
            _logger.exception("%s failed", method)
            return encoded_error(_error("InternalServerError", repr(error), method, 500))

    def _authorize_call(self, caller: "Caller | None", method: str, arguments: list[Any]) -> None:
        if caller is None:
            raise _error("UnrecognizedClientException", "The connection is not authorized.", method, 400)
        for action in actions(method, arguments):
            self._authorize(*caller, action, self._arn)


class Caller(NamedTuple):
    """The caller of a connection, from the authorizeConnection message of the client."""

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
        decoder = DaxCborDecoder(self._receive)
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
            self.request.sendall(self.server.node.respond(caller, method, arguments))

    def _receive(self, buffer: bytearray, size: int) -> int:
        data = self.request.recv(max(size, 65536))
        buffer += data
        return len(data)


def _error(code: str, message: str, operation: str, status: int) -> ClientError:
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)
