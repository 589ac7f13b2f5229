"""`python -m localaws.firehose`: run all deployed delivery streams until SIGTERM or SIGINT.

`--retry-delay` and `--buffer-interval` are the settings of the same names in localaws/settings.py. The AWS SDK's
environment variables set the endpoint, Region and credentials.
"""

import argparse
import logging
import signal
from threading import Event

import boto3

from localaws import service_models
from localaws.firehose.firehose import Firehose
from localaws.lambda_.batches import Backoff
from localaws.settings import Settings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m localaws.firehose")
    parser.add_argument("--retry-delay", type=float, default=Settings.retry_delay)
    parser.add_argument("--buffer-interval", type=float, default=Settings.buffer_interval)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    service_models.share()
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    firehose = Firehose(
        str(boto3.Session().region_name),
        backoff=Backoff(maximum=arguments.retry_delay),
        buffer_interval=arguments.buffer_interval,
    )
    firehose.start()
    stopped.wait()
    firehose.stop()


if __name__ == "__main__":
    main()
