"""Gap: the emulator serves plain HTTP, so a policy that denies requests without TLS denies every request.

AWS SDKs use TLS, which sets `aws:SecureTransport` to true. A loopback request does not leave the machine, so it
counts as secure here.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
No longer needed when the emulator serves TLS.
"""

from ministack import app


def apply() -> None:
    pin = app.pin_request_origin

    def pin_secure(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, True)

    app.pin_request_origin = pin_secure
