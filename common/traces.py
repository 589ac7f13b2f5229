"""The trace that an invocation belongs to, for calls that AWS's SDKs do not make.

https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

import os


def header() -> dict[str, str]:
    """Return the header with which a call belongs to the trace of this invocation, or nothing outside of one.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    trace = os.environ.get("_X_AMZN_TRACE_ID")
    return {"X-Amzn-Trace-Id": trace} if trace else {}
