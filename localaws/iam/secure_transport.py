"""Gap: on loopback there is no TLS, so a policy that denies what comes without it denies everything.

AWS: `aws:SecureTransport` is true for a request over TLS, as all are that AWS's own SDKs send,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
Loopback leaves the machine no more than TLS lets read, and counts as secure here. Needed until the sandbox speaks TLS.
"""

from ministack import app


def apply() -> None:
    pin = app.pin_request_origin

    def pin_secure(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, True)

    app.pin_request_origin = pin_secure
