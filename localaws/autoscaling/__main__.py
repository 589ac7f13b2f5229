"""`python -m localaws.autoscaling STACK FOLDER`: run the instances of a stack's Auto Scaling group until SIGTERM."""

import signal
import sys
from pathlib import Path
from threading import Event

from localaws.autoscaling.instances import Fleet


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    fleet = Fleet(sys.argv[1], folder)
    fleet.start()
    ended.wait()
    fleet.stop()


if __name__ == "__main__":
    main()
