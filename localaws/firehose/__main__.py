"""`python -m localaws.firehose`: every deployed delivery stream at work, until SIGTERM or SIGINT.

The environment says where AWS is, as it does for any program of AWS.
"""

import logging
import signal
from threading import Event

import boto3

from localaws.firehose.firehose import Firehose
from localaws.lambda_.batches import Backoff


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    firehose = Firehose(str(boto3.Session().region_name), backoff=Backoff(maximum=2))
    firehose.start()
    ended.wait()
    firehose.stop()


if __name__ == "__main__":
    main()
