"""`python -m sandbox.emulator`: ministack with its gaps closed, on loopback, with IAM enforced.

Its settings are ministack's own, from the environment: `GATEWAY_PORT` (4566) and the rest of its README.
"""

import os
from importlib import import_module

from hypercorn import Config

DEFAULTS = {
    "AUTH": "true",
    "BIND_HOST": "127.0.0.1",
    "IOT_MTLS_ENABLED": "0",  # a port of its own, for who asks for it
    "SFTP_ENABLED": "0",
}

# Each a module beside this one, applied in this order.
PATCHES = (
    "access_key",
    "athena",
    "athena_workgroup",
    "batch_actions",
    "bucket_cors",
    "bucket_lifecycle",
    "cognito_authorizer",
    "dax",
    "edge_invalidation",
    "edge_origin",
    "event_source_mappings",
    "firehose",
    "global_table",
    "invocation_metrics",
    "iot_listener",
    "iot_rules",
    "kinesis_retention",
    "policy_variables",
    "query_cost",
    "rest_body",
    "rest_denial",
    "rest_import",
    "rest_limits",
    "secret_labels",
    "secure_transport",
    "service_roles",
    "ses_events",
    "ses_identity",
    "stage_cache",
    "table_ttl",
    "target_ports",
)


def main() -> None:
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)

    # Imported here because the emulator reads its settings while it is imported.
    from ministack import app

    Config.graceful_timeout = 0.5  # who still waits for an answer at the end are the sandbox's own pollers
    for patch in PATCHES:
        import_module(f"sandbox.emulator.{patch}").apply()
    app.main()


if __name__ == "__main__":
    main()
