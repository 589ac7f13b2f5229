"""Gap: the first request to a service that the emulator does not have stops all others for three seconds.

To tell such a service from an S3 host, it parses the descriptions of all services. The names are in their first bytes.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
No longer needed when a request that is signed for `pricing` is answered as fast as one for `sts`.
"""

from __future__ import annotations

import functools
import gzip
import re
from itertools import chain
from pathlib import Path

import botocore
from ministack.core import router

_NAME = re.compile(rb'"(?:endpointPrefix|signingName)"\s*:\s*"([^"]+)"')
_HEAD = 4096
"""How many bytes of a description are read. Its metadata come first."""


@functools.cache
def names() -> frozenset[str]:
    """Return the names that requests to AWS's services are signed with, and the names of the services in boto3."""
    folders = [folder for folder in (Path(botocore.__file__).parent / "data").iterdir() if folder.is_dir()]
    return frozenset(chain.from_iterable({folder.name, *_signing_names(folder)} for folder in folders))


def _signing_names(service: Path) -> set[str]:
    """Return the names in the newest description of a service."""
    files = sorted(service.glob("*/service-2.json.gz"))
    if not files:
        return set()
    with gzip.open(files[-1]) as file:
        return {name.decode() for name in _NAME.findall(file.read(_HEAD))}


def apply() -> None:
    router._is_aws_service_name = lambda name: name in names()
