"""The decision on what an account must ask AWS for: a higher quota, or SES outside its sandbox.

AWS decides within a day or more, and until then the request is pending. Here a request stays pending, too, unless
localaws runs with `LOCALAWS_GRANT_REQUESTS=1`: then it is granted at once.
"""

import os

VARIABLE = "LOCALAWS_GRANT_REQUESTS"


def granted() -> bool:
    """Return whether a request is granted at once."""
    return os.environ.get(VARIABLE) == "1"
