"""Gap: the result of an invocation lacks the error's class and stack trace, its own request id and the log's frame.

This module also rejects a payload that is no JSON, and replaces a response above the limit with an error.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
No longer needed when a function that raises KeyError answers with the errorType KeyError and a stackTrace.
"""

import base64
import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import new_uuid
from ministack.services import lambda_svc

from localaws.lambda_ import worker_script

PAYLOAD_LIMIT = 6 * 1024 * 1024  # bytes
RESPONSE_LIMIT = PAYLOAD_LIMIT + 100
LOG_TAIL = 4096  # bytes


class Headers(dict[str, str]):
    """The headers of a response. The emulator adds its own to all responses; the request id of these stays."""

    def update(self, given: Mapping[str, str]) -> None:  # type: ignore[override]
        super().update({name: value for name, value in given.items() if name != "x-amzn-requestid"})


request_id: ContextVar[str] = ContextVar("request_id")
"""The request id of an invocation by Lambda's API. It is also the id that the function sees."""
_body: ContextVar[bytes] = ContextVar("body")
_process: ContextVar[Any] = ContextVar("process", default=None)
"""The process of the environment that failed."""
_failure: ContextVar[dict[str, Any] | None] = ContextVar("failure", default=None)

# The worker tells the class and the stack of an error beside its text.
WORKER_SCRIPT = (
    (
        "def run():\n",
        """def _ms_stack(error, code_dir, first):
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__)[first:])
    return [frame.replace(code_dir, "/var/task") for frame in frames]

def _ms_init_failure(error, module, handler, code_dir):
    if isinstance(error, SyntaxError):
        text = f"Syntax error in module '{module}': {error}"
        return {"errorMessage": text, "errorType": "Runtime.UserCodeSyntaxError", "stackTrace": []}
    if isinstance(error, ImportError):
        text = f"Unable to import module '{module}': {error}"
        return {"errorMessage": text, "errorType": "Runtime.ImportModuleError", "stackTrace": []}
    if isinstance(error, AttributeError) and repr(handler) in str(error) and "module" in str(error):
        text = f"Handler '{handler}' missing on module '{module}'"
        return {"errorMessage": text, "errorType": "Runtime.HandlerNotFound", "stackTrace": []}
    return {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": "",
            "stackTrace": _ms_stack(error, code_dir, 1)}

def run():
""",
    ),
    (
        '{"status": "error", "error": str(e)}',
        '{"status": "error", "error": json.dumps(_ms_init_failure(e, module_name, handler_name, code_dir))}',
    ),
    (
        '"error": str(e), "trace"',
        '"error": str(e), "failure": {"errorMessage": str(e), "errorType": type(e).__name__, '
        '"requestId": _ms_ctx.get("request_id", ""), "stackTrace": _ms_stack(e, code_dir, 1)}, "trace"',
    ),
    ('"memory_limit_in_mb": init.get("memory", 128)', '"memory_limit_in_mb": str(init.get("memory", 128))'),
)
INIT_FAILED = "Worker init failed: "


def noting_failures(invoke: Any) -> Any:
    """Wrap an environment's invocation: note the error as the runtime tells it."""

    def invoke_worker(worker: Any, event: Any, invocation: str, **options: Any) -> Any:
        _failure.set(None)
        _process.set(None)
        try:
            answer = invoke(worker, event, invocation, **options)
        except RuntimeError as error:
            text = str(error)
            if text.startswith(INIT_FAILED):
                _failure.set(_init_failure(text.removeprefix(INIT_FAILED), invocation))
            raise
        if answer.get("status") == "error":
            _failure.set(answer.get("failure") or _node_failure(answer) or _crash(answer["error"], invocation))
        return answer

    return invoke_worker


def _init_failure(text: str, invocation: str) -> dict[str, Any] | None:
    try:
        return dict({"requestId": invocation} | json.loads(text))
    except ValueError:  # of Node.js
        return None


def _node_failure(answer: dict[str, Any]) -> dict[str, Any] | None:
    """Return the error of Node.js, whose stack begins with the class and the text."""
    lines = answer.get("trace", "").splitlines()
    if not lines:
        return None
    return {"errorType": lines[0].partition(":")[0], "errorMessage": answer["error"], "trace": lines}


def _crash(text: str, invocation: str) -> dict[str, Any] | None:
    """Return the error of an environment that died or did not answer in time."""
    if text.startswith("Task timed out"):
        return {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {invocation} Error: {text}"}
    if text == "Worker process died":
        status = getattr(_process.get(), "returncode", None)
        reason = f"with error: exit status {status}" if status else "without providing a reason"
        reason = f"Runtime exited {reason}"
        return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {invocation} Error: {reason}"}
    return None


def noting_process(signal: Any) -> Any:
    """Wrap the end of an environment: note its process, which has the exit status."""

    def signal_process(process: Any) -> None:
        _process.set(process)
        signal(process)

    return signal_process


def with_failure(execute: Any) -> Any:
    """Wrap an execution: its error is the one that the runtime told."""

    def execute_function(function: Any, event: Any, invocation: str) -> Any:
        result = execute(function, event, invocation)
        if result.get("error") and (failure := _failure.get()):
            _failure.set(None)
            result["body"] = failure
        return result

    return execute_function


def with_request_id(dispatch: Any) -> Any:
    """Wrap the choice of an executor: an invocation by the API has the id of its request."""

    def execute(function: Any, config: dict[str, Any], event: Any, invocation: str, started: float) -> Any:
        return dispatch(function, config, event, request_id.get(invocation), started)

    return execute


def with_headers(invoke: Any) -> Any:
    """Wrap Invoke: name the request, add the log's frame, and refuse what is no JSON or too large."""

    async def invoke_function(name: str, event: Any, headers: Any, *arguments: Any) -> Any:
        body = _body.get(b"")
        if refusal := payload_error(event, body):
            return refusal
        token = request_id.set(new_uuid())
        try:
            status, answered, payload = await invoke(name, event, headers, *arguments)
            answered = Headers({**answered, "x-amzn-requestid": request_id.get()})
        finally:
            request_id.reset(token)
        if status in (202, 204):
            answered.pop("X-Amz-Executed-Version", None)
        if status == 200 and headers.get("x-amz-log-type", "").lower() == "tail":
            answered["X-Amz-Log-Result"] = log_tail(answered)
        if status == 200 and len(payload) > RESPONSE_LIMIT:
            answered["X-Amz-Function-Error"], payload = "Unhandled", too_large()
        return status, answered, payload

    return invoke_function


def payload_error(event: Any, body: bytes) -> Any:
    """Return the error for a payload that is too large or no JSON, or None."""
    if len(body) > PAYLOAD_LIMIT:
        text = f"Request must be smaller than {PAYLOAD_LIMIT} bytes for the InvokeFunction operation"
        return lambda_svc.error_response_json("RequestEntityTooLargeException", text, 413)
    if event == {} and body.strip() not in (b"", b"{}"):  # the emulator reads any invalid payload as {}
        return json_error(body)
    return None


def json_error(body: bytes) -> Any:
    """Return the error for a body that is no JSON, or None."""
    try:
        json.loads(body)
    except ValueError as error:
        text = f"Could not parse request body into json: Could not parse payload into json: {error}"
        return lambda_svc.error_response_json("InvalidRequestContentException", text)
    return None


def too_large() -> bytes:
    text = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
    return json.dumps({"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}).encode()


def log_tail(answered: dict[str, str]) -> str:
    """Return the end of the invocation's log in Base64, framed by the lines START and END as on AWS."""
    invocation, version = answered["x-amzn-requestid"], answered["X-Amz-Executed-Version"]
    lines = base64.b64decode(answered.get("X-Amz-Log-Result", "")).decode(errors="replace").splitlines()
    start, end = f"START RequestId: {invocation} Version: {version}", f"END RequestId: {invocation}"
    log = "\n".join([start, *lines, end, f"REPORT RequestId: {invocation}"]) + "\n"
    return base64.b64encode(log.encode()[-LOG_TAIL:]).decode()


def with_body(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if path.endswith("/invocations") and not _is_text(body):
            return json_error(body)
        token = _body.set(body)
        try:
            return await handle_request(method, path, headers, body, query)
        finally:
            _body.reset(token)

    return handle


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def apply() -> None:
    for old, new in WORKER_SCRIPT:
        worker_script.replace(old, new)
    lambda_runtime.Worker.invoke = noting_failures(lambda_runtime.Worker.invoke)
    lambda_runtime._signal = noting_process(lambda_runtime._signal)
    lambda_svc._execute_function_warm = with_failure(lambda_svc._execute_function_warm)
    lambda_svc._execute_function_dispatch = with_request_id(lambda_svc._execute_function_dispatch)
    lambda_svc._invoke = with_headers(lambda_svc._invoke)
    lambda_svc.handle_request = with_body(lambda_svc.handle_request)
