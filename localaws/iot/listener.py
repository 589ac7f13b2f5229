"""Gap: the MQTT listener binds to all interfaces, and accepts clients without a certificate.

On port 8883, AWS authenticates a device by its X.509 certificate only.
AWS: https://docs.aws.amazon.com/iot/latest/developerguide/client-authentication.html
No longer needed when a client without a certificate fails the TLS handshake, and the listener uses BIND_HOST.
"""

import asyncio
import os
import ssl

from ministack.services import iot


async def listen() -> None:
    port = iot._mtls_port()
    if iot._mtls_server is None and port is not None:
        loop = asyncio.get_running_loop()
        iot._mtls_server = await loop.create_server(iot._MtlsAcceptor, host=os.environ["BIND_HOST"], port=port)
        iot._mtls_loop = loop


def apply() -> None:
    build = iot._mtls_build_ssl_context

    def build_context() -> ssl.SSLContext:
        context: ssl.SSLContext = build()
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    iot._mtls_build_ssl_context = build_context
    iot._mtls_start_locked = listen
