"""The account that deploy commands act in: its clients, and how it is named."""

from __future__ import annotations

import functools
import threading
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, NoRegionError

from deploy.errors import NoAccount

_session = functools.cache(boto3.Session)
_creating = threading.Lock()


@functools.cache
def client(service: str, region: str | None = None, config: Config | None = None) -> Any:
    """Return a client, which many threads may use. They share a session, which reads the models of services once."""
    with _creating:
        created = _session().client(service, region, config=config)
        created.exceptions  # noqa: B018 # made on first use: two threads at once would get different classes
        return created


ONE_LONG_CALL = Config(read_timeout=960, retries={"total_max_attempts": 1})
"""The settings of a client that invokes a function once and waits for its answer longer than a function may run."""


def target() -> str:
    """Return in one line where commands act: account, Region, and the endpoint of a local AWS.

    Raises NoAccount if this environment points to no account.
    """
    try:
        region = client("cloudformation").meta.region_name
        account = client("sts").get_caller_identity()["Account"]
    except NoRegionError:
        raise NoAccount(_NO_REGION) from None
    except ConnectionError as error:
        raise NoAccount(f"{error} If this is the sandbox, start it with `make up`") from None
    except (BotoCoreError, ClientError) as error:  # there are no credentials, or they are wrong or have expired
        raise NoAccount(f"{error}. {_SIGN_IN}") from None
    return ", ".join(filter(None, (f"account {account}", region, local_endpoint())))


def local_endpoint() -> str | None:
    """Return the endpoint of the local AWS that this environment points to, without a closing slash; None on AWS."""
    url = str(client("cloudformation").meta.endpoint_url)
    is_aws = str(urlsplit(url).hostname).startswith("cloudformation")  # each service of AWS has a host of its own
    return None if is_aws else url.rstrip("/")


def api_address(url: str) -> str:
    """Return where an API answers, without a closing slash, by the *url* that its stack or Chalice names.

    That URL is always on amazonaws.com. A local AWS answers for it below its endpoint.
    """
    endpoint, named = local_endpoint(), urlsplit(url)
    if not endpoint:
        return url.rstrip("/")
    return f"{endpoint}/_aws/execute-api/{str(named.hostname).partition('.')[0]}{named.path.rstrip('/')}"


_NO_REGION = 'no Region is chosen: export AWS_DEFAULT_REGION=us-east-1, or another. For the sandbox: eval "$(make env)"'
_SIGN_IN = 'Sign in with `aws login` or `aws sso login`, or set AWS_PROFILE. For the sandbox: eval "$(make env)"'
