"""The edge with warm objects of 1 MB and 10 kB, compared with nginx's proxy_cache, for 1, 8 and 64 clients.

Both have the same origin and one core each. The load generator has another core, which limits the speed of both. So the
ratios are of the requests that each answers per second of its own CPU time. docs/decisions/0010-the-edge.md says what
limits the edge.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import psutil

from bench.emulator import cpu_seconds, emulator
from localaws.ports import find_free_port
from sandbox.settings import ROOT

_SIZES = {"1 MB": 1_000_000, "10 kB": 10_000}
_OBJECTS = 20
_SECONDS = 1
_ROUNDS = 5
_CLIENTS = (1, 8, 64)
_FIRST = "/packages/10000-0"

_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  proxy_temp_path {folder}/proxy;
  client_body_temp_path {folder}/body;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/cache keys_zone=objects:10m use_temp_path=off;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{origin};
      proxy_cache objects;
      proxy_cache_valid 200 1h;
      proxy_cache_lock on;
    }}
  }}
}}
"""


def run() -> None:
    """Measure both in turns. Print the requests per second of CPU time and the ratio, with its lowest and highest."""
    missing = [tool for tool in ("nginx", "wrk", "taskset") if not _which(tool)]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if missing or len(cores) < 2:
        print(f"edge and nginx: skipped, needs {', '.join(missing) or 'a second core'}")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        stack.enter_context(emulator())
        ports = {name: find_free_port() for name in ("origin", "edge", "nginx")}
        stack.enter_context(_running(_origin(folder, ports["origin"]), ports["origin"], _FIRST))
        server = ["taskset", "-c", str(cores[-1])]
        identifier = _distribution(ports["origin"])
        edge = [*server, sys.executable, "-m", "localaws.cloudfront", f"{identifier}={ports['edge']}"]
        edge_process = stack.enter_context(_running(edge, ports["edge"], _FIRST))
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=ports["nginx"], origin=ports["origin"]))
        nginx = [*server, _which("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(config)]
        processes = {
            "nginx": stack.enter_context(_running(nginx, ports["nginx"], _FIRST)),
            "edge": edge_process,
        }
        for title, size in _SIZES.items():
            load = folder / f"{size}.lua"
            load.write_text(
                f'request = function() return wrk.format("GET", "/packages/{size}-" .. '
                f"math.random(0, {_OBJECTS - 1})) end\n"
            )
            for clients in _CLIENTS:
                rounds = [
                    {
                        name: _measure(process, ports[name], load, cores[0], clients)
                        for name, process in processes.items()
                    }
                    for _ in range(_ROUNDS)
                ]
                _print(f"warm {title}, {clients} clients", rounds)


def _print(title: str, rounds: list[dict[str, float]]) -> None:
    edge, nginx = (statistics.median(each[name] for each in rounds) for name in ("edge", "nginx"))
    ratios = [each["edge"] / each["nginx"] for each in rounds]
    print(
        f"edge, {title:22} {edge:7,.0f} requests per second of CPU time, nginx {nginx:7,.0f}   "
        f"edge / nginx {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _measure(process: psutil.Process, port: int, script: Path, core: int, clients: int) -> float:
    """Return the requests that the process answers per second of its CPU time."""
    before = cpu_seconds(process)
    requests = _load(port, script, core, clients)
    return requests / (cpu_seconds(process) - before)


def _which(tool: str) -> str:
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin") or ""


def _origin(folder: Path, port: int) -> list[str]:
    packages = folder / "releases" / "packages"
    packages.mkdir(parents=True)
    for size in _SIZES.values():
        for number in range(_OBJECTS):
            (packages / f"{size}-{number}").write_bytes(os.urandom(size))
    program = ROOT / "updates" / "origin" / "server.py"
    return [sys.executable, str(program), str(folder / "releases"), "--port", str(port)]


def _distribution(origin: int) -> str:
    answer = boto3.client("cloudfront").create_distribution(
        DistributionConfig={
            "CallerReference": "bench",
            "Comment": "",
            "Enabled": True,
            "Origins": {
                "Quantity": 1,
                "Items": [
                    {
                        "Id": "origin",
                        "DomainName": "127.0.0.1",
                        "CustomOriginConfig": {
                            "HTTPPort": origin,
                            "HTTPSPort": 443,
                            "OriginProtocolPolicy": "http-only",
                        },
                    }
                ],
            },
            "DefaultCacheBehavior": {
                "TargetOriginId": "origin",
                "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",  # CachingOptimized
            },
        }
    )
    return str(answer["Distribution"]["Id"])


@contextmanager
def _running(command: list[str], port: int, path: str) -> Iterator[psutil.Process]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    process = psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def _load(port: int, script: Path, core: int, clients: int) -> int:
    """Run wrk for `_SECONDS` and return the requests that were answered."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{clients}", f"-d{_SECONDS}s", "-s", str(script)]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True)
    if failed := re.search(r"(Socket errors|Non-2xx).*", done.stdout):
        raise RuntimeError(failed[0])
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found, done.stdout
    return int(found[1])
