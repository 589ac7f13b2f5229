"""`python -m localaws.firehose [SECONDS]`: run all deployed delivery streams until SIGTERM or SIGINT.

SECONDS is the longest delay between two tries of a failed batch. The AWS SDK's environment variables set the endpoint,
Region and credentials.
"""

import logging
import signal
import sys
from threading import Event

import boto3

from localaws.firehose.firehose import Firehose
from localaws.lambda_.batches import Backoff
from localaws.settings import Settings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    longest = float(sys.argv[1]) if sys.argv[1:] else Settings.retry_delay
    firehose = Firehose(str(boto3.Session().region_name), backoff=Backoff(maximum=longest))
    firehose.start()
    stopped.wait()
    firehose.stop()


if __name__ == "__main__":
    main()
