"""Signed links per second, compared with botocore's signer on the same back end, and with OpenSSL as the limit."""

from __future__ import annotations

import functools
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
    """Print links per second, and the ratios of botocore and OpenSSL to ours."""
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
        )
        for _ in range(_ROUNDS)
    ]
    links = statistics.median(ours for ours, *_ in rounds)
    botocore = statistics.median(botocores / ours for ours, botocores, *_ in rounds)
    link, bare = (_openssl(_SPEED[algorithm]) / statistics.median(each[n] for each in rounds) for n in (0, 2))
    print(
        f"sign     {algorithm:5} by {package:12} {links:6.0f} links per second   botocore / ours {botocore:.2f}   "
        f"openssl / ours {link:6.2f}   openssl / bare signature {bare:6.2f}"
    )


def _rate(sign: Callable[[str], object]) -> float:
    """Return the calls of *sign* per second of CPU time, the unit of `openssl speed`."""
    numbers, started = count(), time.process_time()
    while (spent := time.process_time() - started) < _SECONDS:
        sign(f"https://d111111abcdef8.cloudfront.net/videos/{next(numbers)}/video.mp4")
    return next(numbers) / spent


@functools.cache
def _openssl(algorithm: str) -> float:
    """Return the signatures per second from `openssl speed`, whose line is ``+F…:<bits>:<signs>:<verifies>``."""
    command = ["openssl", "speed", "-mr", "-seconds", "1", algorithm]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in printed.splitlines() if line.startswith("+F"))
    return float(line.split(":")[3])
