"""Gap: the endpoint does not know the host name of an API, `<api>.execute-api.<region>.amazonaws.com`.

AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html
No longer needed when a request with that Host reaches the API.
"""

import re

from ministack import app


def apply() -> None:
    hosts = rf"{re.escape(app._MINISTACK_HOST)}|[a-z0-9-]+\.amazonaws\.com"
    app._EXECUTE_API_RE = re.compile(rf"^([a-f0-9]{{8}})\.execute-api\.(?:{hosts})(?::\d+)?$")
