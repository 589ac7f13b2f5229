"""`python -m localaws.parity CHECKOUT…`: compare the local AWS with answers recorded on AWS, and write the page.

Exit codes: 0 as listed in `known/`, 1 a new difference, a healed case or a checkout that cannot be used, 2 wrong
usage.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import boto3

from localaws import allowed_pages, processes
from localaws.parity import bare, differences, report, suites
from localaws.ports import find_free_port

_LOGS = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


def main() -> str | None:
    """Run the suites; return an error message if the results are not as listed."""
    parser = argparse.ArgumentParser(prog="python -m localaws.parity", description=__doc__.partition("\n")[0])
    parser.add_argument("checkouts", nargs="+", type=Path, help="a checkout of localstack/localstack or getmoto/moto")
    parser.add_argument(
        "--suite", action="append", help="only this suite; the page keeps the last results of the others"
    )
    parser.add_argument("--jobs", type=int, default=2, help="suites to run at the same time (2)")
    parser.add_argument("--bare", action="store_true", help="count what the bare emulator equals, and keep the figures")
    parser.add_argument("--page", type=Path, default=Path("docs/parity.md"), help="the page to write (docs/parity.md)")
    parser.add_argument("--folder", type=Path, default=Path(".parity"), help="environments and results (.parity)")
    arguments = parser.parse_args()
    try:
        origins = {suites.origin_of(checkout): checkout.resolve() for checkout in arguments.checkouts}
        chosen = _choose(origins, arguments.suite)
        if arguments.bare:
            _count_bare(chosen, origins, arguments.folder.resolve())
            return None
        return _compare(chosen, origins, arguments.folder.resolve(), arguments.jobs, arguments.page)
    except suites.Unusable as error:
        return str(error)


def _choose(origins: dict[str, Path], names: list[str] | None) -> list[suites.Suite]:
    """Return the suites of *origins* with one of *names*. Raises Unusable if a name is unknown."""
    every = [suite for suite in suites.load() if suite.origin in origins]
    if names is None:
        return every
    if unknown := set(names) - {suite.name for suite in every}:
        listed = ", ".join(suite.name for suite in every)
        raise suites.Unusable(f"No such suite: {', '.join(sorted(unknown))}. The suites are: {listed}")
    return [suite for suite in every if suite.name in names]


def _compare(chosen: list[suites.Suite], origins: dict[str, Path], folder: Path, jobs: int, page: Path) -> str | None:
    for origin in {suite.origin for suite in chosen}:
        suites.python_of(origin, folder)
    surprises = 0
    with ThreadPoolExecutor(jobs) as pool:
        runs = {pool.submit(_run, suite, origins, folder, _localaws, "localaws"): suite for suite in chosen}
        for run in as_completed(runs):
            suite, results = runs[run], run.result()
            new = list(differences.surprises(results, differences.known(suite)))
            equal = sum(result.verdict == "equal" for result in results.values())
            print(
                f"{suite.name}: {equal} of {len(results)} equal, {len(new)} not as listed", *new, sep="\n  ", flush=True
            )
            surprises += len(new)
    every = [(suite, suites.results(_place(suite, folder, "localaws"))) for suite in suites.load()]
    if all(results for _, results in every):
        page.write_text(report.page(every, bare.load()))
    return f"{surprises} cases are not as listed in localaws/parity/known" if surprises else None


def _count_bare(chosen: list[suites.Suite], origins: dict[str, Path], folder: Path) -> None:
    for suite in chosen:
        results = _run(suite, origins, folder, _bare, "bare")
        equal = sum(result.verdict == "equal" for result in results.values())
        print(f"{suite.name}: {equal} of {len(results)} equal", flush=True)
        bare.save(bare.load() | {suite.name: equal})


def _run(
    suite: suites.Suite,
    origins: dict[str, Path],
    folder: Path,
    start: Callable[[Path], AbstractContextManager[str]],
    name: str,
) -> dict[str, suites.Result]:
    python, place = suites.python_of(suite.origin, folder), _place(suite, folder, name)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with start(place) as endpoint:
        return suites.run(suite, origins[suite.origin], python, endpoint, place)


def _place(suite: suites.Suite, folder: Path, name: str) -> Path:
    return folder / "results" / name / suite.slug


@contextmanager
def _bare(folder: Path) -> Iterator[str]:
    """Run ministack as it is, with IAM enforced; the value is its address."""
    port = find_free_port()
    environment = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
    }
    yield from _started(["-m", "ministack"], environment, folder, port)


@contextmanager
def _localaws(folder: Path) -> Iterator[str]:
    """Run localaws as `python -m localaws serve` does; the value is its address.

    The answers were recorded in accounts that are not new: they have 1,000 concurrent executions of Lambda, and a role
    for the logs of API Gateway.
    """
    port = find_free_port()
    ports = [f"--port={port}", f"--dax-port={find_free_port()}", f"--mqtt-port={find_free_port()}"]
    given = {"LOCALAWS_ACCESS_KEY_ID": "test", "LOCALAWS_SECRET_ACCESS_KEY": "test"}
    given |= {allowed_pages.VARIABLE: allowed_pages.ANY}  # cases name hosts and pages of their own
    command = ["-m", "localaws", "serve", f"--folder={folder / 'aws'}", "--grant-requests", *ports]
    for url in _started(command, given, folder, port):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        quotas = boto3.client("service-quotas", endpoint_url=url, **keys)
        quotas.request_service_quota_increase(ServiceCode="lambda", QuotaCode="L-B99A9384", DesiredValue=1_000)
        iam, gateway = (boto3.client(service, endpoint_url=url, **keys) for service in ("iam", "apigateway"))
        trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName="logs-of-api-gateway", AssumeRolePolicyDocument=document)["Role"]
        iam.attach_role_policy(RoleName="logs-of-api-gateway", PolicyArn=_LOGS)
        gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role["Arn"]}])
        yield url


def _started(command: list[str], environment: dict[str, str], folder: Path, port: int) -> Iterator[str]:
    with processes.running(command, environment, folder, folder / "aws.log") as process:
        url = f"http://127.0.0.1:{port}"
        processes.wait_for(f"{url}/_ministack/health", process)
        yield url


if __name__ == "__main__":
    sys.exit(main())
