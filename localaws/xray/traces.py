"""The traces of this AWS, in memory. A trace has the documents of its segments, in X-Ray's form.

AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from localaws.xray import header
from localaws.xray.header import Place

VARIABLE = "LOCALAWS_TRACES"
"""The environment variable with the number of traces that are kept; 0 records none."""
KEPT = 2_000
LONGEST = 500
"""The number of segments and subsegments that are kept of one trace."""
DOCUMENTS = 20_000
"""The number of segments and subsegments that are kept of all traces. This limits the memory, to about 30 MB."""

type Document = dict[str, Any]

here: ContextVar[Place | None] = ContextVar("here", default=None)
"""Where in a trace this request, or this invocation of a function, is."""


@dataclass
class Trace:
    """The documents of one trace, in the order in which they began. It belongs to one account and Region."""

    id: str
    account: str
    region: str
    documents: list[Document] = field(default_factory=list)
    complete: bool = True
    """Whether all of its documents are kept."""


class Traces:
    """The newest traces: at most *limit*, with at most *documents*."""

    def __init__(self, limit: int, documents: int = DOCUMENTS) -> None:
        self.limit = limit
        self._room = documents
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, document: Document, account: str, region: str) -> None:
        """Add the document of a segment to its trace, which is that of the first account that used the id."""
        trace_id = document["trace_id"]
        with self._lock:
            trace = self._traces.get(trace_id)
            if trace is None:
                trace = self._traces[trace_id] = Trace(trace_id, account, region)
            if len(trace.documents) == LONGEST:
                trace.complete = False
                return
            trace.documents.append(document)
            self._room -= 1
            while len(self._traces) > self.limit or (self._room < 0 and len(self._traces) > 1):
                self._room += len(self._traces.popitem(last=False)[1].documents)

    def get(self, trace_id: str, account: str, region: str) -> Trace | None:
        """Return a trace of an account in a Region, or None."""
        trace = self._traces.get(trace_id)
        return trace if trace and (trace.account, trace.region) == (account, region) else None

    def all(self, account: str, region: str) -> list[Trace]:
        """Return the traces of an account in a Region, newest first."""
        with self._lock:
            kept = list(reversed(self._traces.values()))
        return [trace for trace in kept if (trace.account, trace.region) == (account, region)]

    def clear(self) -> None:
        """Forget all traces."""
        with self._lock:
            self._room += sum(len(trace.documents) for trace in self._traces.values())
            self._traces.clear()


traces = Traces(int(os.environ.get(VARIABLE) or KEPT))


@contextmanager
def recorded(name: str, place: Place, account: str, region: str, **fields: Any) -> Iterator[Document]:
    """Record a segment while the block runs; the value is its document. What the block calls is inside of it.

    An exception of the block is a fault of the segment. Document fields without a value are left out.
    """
    began, started = time.perf_counter(), time.time()
    document: Document = {"id": header.new_segment_id(), "name": name, "start_time": started}
    document |= {"trace_id": place.trace_id, "in_progress": True} | fields
    if place.parent:
        document["parent_id"] = place.parent
    traces.add(document, account, region)
    token = here.set(Place(place.trace_id, document["id"]))
    try:
        yield document
    except Exception:
        document["fault"] = True
        raise
    finally:
        here.reset(token)
        document["end_time"] = started + time.perf_counter() - began
        document.pop("in_progress", None)


def answered(status: int) -> Document:
    """Return the members of a document that say what an HTTP status means."""
    if status >= 500:
        return {"fault": True}
    if status == 429:
        return {"error": True, "throttle": True}
    return {"error": True} if status >= 400 else {}
