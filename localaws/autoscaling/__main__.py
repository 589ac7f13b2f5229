"""`python -m localaws.autoscaling STACK FOLDER FILE_SYSTEMS`: run the instances of a stack's group until SIGTERM."""

import signal
import sys
from pathlib import Path
from threading import Event

from botocore.exceptions import ClientError

from localaws.autoscaling.instances import AutoScalingGroup


def main() -> str | None:
    """Run until SIGTERM or SIGINT. Return an error message if the stack has no group that can run."""
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        group = AutoScalingGroup.in_stack(sys.argv[1], folder, Path(sys.argv[3]))
        group.start()
    except (ValueError, ClientError) as error:
        return str(error)
    stopped.wait()
    group.stop()
    return None


if __name__ == "__main__":
    sys.exit(main())
