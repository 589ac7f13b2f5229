"""Signed links per second, compared with botocore's signer on the same back end, and with OpenSSL as the limit."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from botocore.signers import CloudFrontSigner

from common.cloudfront import Backend, UrlSigner, with_cryptography, with_rsa
from deploy.signing_keys import Algorithm, key_pair

_ROUNDS = 5
_SECONDS = 0.3
_EXPIRES = 2_000_000_000
_SPEED = {"rsa": "rsa2048", "ecdsa": "ecdsap256"}


def run() -> None:
    """Print links per second, and the ratios of botocore and OpenSSL to ours, each with its lowest and highest."""
    _compare("rsa", "rsa", with_rsa)
    _compare("rsa", "cryptography", with_cryptography)
    _compare("ecdsa", "cryptography", with_cryptography)


def _compare(algorithm: Algorithm, package: str, backend: Backend) -> None:
    private_key, expires = key_pair(algorithm)[0], datetime.fromtimestamp(_EXPIRES, UTC)
    sign = backend(private_key, "SHA1")
    ours, botocores = UrlSigner("KEXAMPLE", private_key, backend=backend), CloudFrontSigner("KEXAMPLE", sign)
    rounds = [
        (
            _rate(lambda url: ours.url(url, _EXPIRES)),
            _rate(lambda url: botocores.generate_presigned_url(url, date_less_than=expires)),
            _rate(lambda url: sign(url.encode())),
            _openssl(_SPEED[algorithm]),
        )
        for _ in range(_ROUNDS)
    ]
    links = statistics.median(ours for ours, *_ in rounds)
    ratios = {
        "botocore / ours": [botocore / ours for ours, botocore, _, _ in rounds],
        "openssl / ours": [openssl / ours for ours, _, _, openssl in rounds],
        "openssl / bare signature": [openssl / bare for _, _, bare, openssl in rounds],
    }
    columns = [
        f"   {name} {statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for name, each in ratios.items()
    ]
    print(f"sign     {algorithm:5} by {package:12} {links:6.0f} links per second{''.join(columns)}")


def _rate(sign: Callable[[str], object]) -> float:
    """Return the calls of *sign* per second of CPU time, the unit of `openssl speed`."""
    numbers, started = count(), time.process_time()
    while (spent := time.process_time() - started) < _SECONDS:
        sign(f"https://d111111abcdef8.cloudfront.net/videos/{next(numbers)}/video.mp4")
    return next(numbers) / spent


def _openssl(algorithm: str) -> float:
    """Return the signatures per second from `openssl speed`, whose line is ``+F…:<bits>:<signs>:<verifies>``."""
    command = ["openssl", "speed", "-mr", "-seconds", "1", algorithm]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in printed.splitlines() if line.startswith("+F"))
    return float(line.split(":")[3])
