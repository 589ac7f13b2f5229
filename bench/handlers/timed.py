"""Times one handler in this process: `python timed.py MODULE.NAME EVENT WARM` prints its CPU times and its answer."""

import importlib
import json
import sys
import time


class Context:
    """What Lambda passes to a handler."""

    function_name = "bench"
    function_version = "$LATEST"
    memory_limit_in_mb = 512
    aws_request_id = "1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 28_000


target, event, warm = sys.argv[1].rpartition("."), json.loads(sys.argv[2]), int(sys.argv[3])
sys.path.remove(sys.path[0])  # the folder of this file
began = time.process_time()
handler = getattr(importlib.import_module(target[0]), target[2])
answer = handler(event, Context())
first = time.process_time() - began
for _ in range(warm // 10):
    handler(event, Context())
began = time.process_time()
for _ in range(warm):
    handler(event, Context())
each = (time.process_time() - began) / warm
print(json.dumps({"first": first * 1000, "warm": each * 1000, "answer": answer}))
