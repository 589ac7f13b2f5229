"""Settings of all tests: those of the suite in tests/, and those of localaws in localaws/tests/."""

from __future__ import annotations

import os
import ssl

import httpx
from hypothesis import HealthCheck, settings

from localaws import service_models

# No test reaches AWS, whatever the developer's environment says.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

# The duration of an example depends on the load of the machine, not on the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# The tests call servers on this machine. They may be slow when the machine is busy.
for phase in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, phase, 60)
# They use plain HTTP. But httpx loads all certificates for each client, which takes 20 times as long as a call.
_no_certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
httpx._transports.default.create_ssl_context = lambda **_: _no_certificates

service_models.share()  # tests make many sessions
