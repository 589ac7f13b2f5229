"""Signed links per second of CPU time, beside other signers, and beside OpenSSL, which only signs."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from botocore.signers import CloudFrontSigner

from bench import peers
from bench.row import Row, turns
from common.cloudfront import Backend, UrlSigner, with_cryptography, with_rsa
from deploy.signing_keys import Algorithm, key_pair

_ROUNDS = 5
_SECONDS = 0.3
_EXPIRES = 2_000_000_000
_SPEED = {"rsa": "rsa2048", "ecdsa": "ecdsap256"}
_UNIT = "links/CPU s"
_BINDS = (
    "The one call of `cryptography` that signs takes 85 % of the CPU time of an ECDSA link. Called alone, it takes "
    "1.2 times as long as a signature of `openssl speed`, which signs a ready digest in a loop of C. The policy, the "
    "check of the URL and Base64 take 5 % together. The other 10 % appear only when Python and OpenSSL take turns."
)


def rows() -> Iterator[Row]:
    """Yield a signed link for each algorithm and package, beside each peer."""
    rsa, ecdsa = key_pair("rsa")[0], key_pair("ecdsa")[0]
    what = "a signed link, RSA by `rsa`"
    here, botocore = turns(_ROUNDS, *_both(rsa, with_rsa))
    yield Row(what, here, "botocore's signer with `rsa`", botocore, _UNIT)
    yield from _native("rsa", rsa)
    yield from _native("ecdsa", ecdsa)


def _native(algorithm: Algorithm, private_key: str) -> Iterator[Row]:
    """Yield a link that `cryptography` signs, beside three peers."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as key:
        key.write(private_key)
        key.flush()
        here, botocore, node, openssl = turns(
            _ROUNDS,
            *_both(private_key, with_cryptography),
            lambda: _node(Path(key.name)),
            lambda: _openssl(_SPEED[algorithm]),
        )
    what = f"a signed link, {algorithm.upper()} by `cryptography`"
    yield Row(what, here, "botocore's signer with `cryptography`", botocore, _UNIT)
    yield Row(what, here, "`@aws-sdk/cloudfront-signer` of npm", node, _UNIT)
    limit = "`openssl speed`, which signs and does no more"
    yield Row(what, here, limit, openssl, _UNIT, at_least=0.83, binds=_BINDS, short=True)


def _both(private_key: str, backend: Backend) -> tuple[Callable[[], float], Callable[[], float]]:
    """Return what measures our links and botocore's, by the same package."""
    ours = UrlSigner("KEXAMPLE", private_key, backend=backend)
    botocores = CloudFrontSigner("KEXAMPLE", backend(private_key, "SHA1"))
    expires = datetime.fromtimestamp(_EXPIRES, UTC)
    return (
        lambda: _rate(lambda url: ours.url(url, _EXPIRES)),
        lambda: _rate(lambda url: botocores.generate_presigned_url(url, date_less_than=expires)),
    )


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


def _node(private_key: Path) -> float:
    script = Path(__file__).with_name("signer.mjs")
    command = ["node", str(script), str(peers.node_packages()), str(private_key), str(_SECONDS)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
