"""The edge with warm objects of 1 MB and 10 kB, beside nginx's proxy_cache, for 1, 8 and 64 clients.

Both have the same origin and one core each. The load generator has another core, which limits the requests per second
of both. So the aim is for the requests per second of their own CPU time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import boto3
import psutil

from bench.emulator import cpu_seconds, emulator
from bench.row import Row, Unmeasured, turns
from localaws.ports import find_free_port
from sandbox.settings import ROOT

_SIZES = {"1 MB": 1_000_000, "10 kB": 10_000}
_OBJECTS = 20
_SECONDS = 1
_ROUNDS = 5
_CLIENTS = (1, 8, 64)
_FIRST = "/packages/10000-0"
_BINDS = (
    "Python: nginx needs 11 µs of CPU time for a warm object of 10 kB, and Python's functions need ten times that, of "
    "which the write into the socket is 5 %. Of py-spy's samples of the edge, 26 % are uvicorn, which parses a request "
    "and starts its task, 31 % the answer, 25 % the choice of the object by CloudFront's rules, 5 % the check of the "
    "page that calls, and the rest is the event loop and the steps between. No function has more than 6 %. `sendfile` "
    "was tried, and is slower for one client: decision 10."
)

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


def rows() -> Iterator[Row]:
    """Yield the requests per second, and per second of CPU time, for each size and number of clients."""
    missing = [tool for tool in ("nginx", "wrk", "taskset") if not _which(tool)]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if missing or len(cores) < 2:
        raise Unmeasured(f"needs {', '.join(missing) or 'a second core'}")
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
                ours, proxy = turns(
                    _ROUNDS,
                    *(
                        partial(_measure, processes[name], ports[name], load, cores[0], clients)
                        for name in ("edge", "nginx")
                    ),
                )
                what, peer = f"a warm object of {title} at the edge, {_clients(clients)}", "nginx `proxy_cache`"
                here, there = ([list(column) for column in zip(*each, strict=True)] for each in (ours, proxy))
                yield Row(what, here[0], peer, there[0], "requests/s")
                cpu = "requests/CPU s"
                yield Row(what, here[1], peer, there[1], cpu, at_least=0.8, binds=_BINDS, short=clients == 8)


def _measure(process: psutil.Process, port: int, script: Path, core: int, clients: int) -> tuple[float, float]:
    """Return the requests that the process answers per second, and per second of its CPU time."""
    before, began = cpu_seconds(process), time.perf_counter()
    requests = _load(port, script, core, clients)
    return requests / (time.perf_counter() - began), requests / (cpu_seconds(process) - before)


def _clients(number: int) -> str:
    return f"{number} client{'s' if number > 1 else ''}"


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
    if failed := re.search(r"(Socket errors|Non-2xx|\b0 requests in).*", done.stdout):
        raise RuntimeError(failed[0])
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found, done.stdout
    return int(found[1])
