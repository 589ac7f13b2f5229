"""Record traces: requests of REST APIs, invocations of functions, and the calls of AWS that functions make.

The apps need no instrumentation. A function finds its place in the trace in `_X_AMZN_TRACE_ID`, and AWS's SDKs send
that with each call. All requests are recorded, whatever a header says about sampling.
AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-services-apigateway.html
AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-services-lambda.html
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region, get_request_client_ip
from ministack.services import apigateway_v1 as gateway
from ministack.services import cloudwatch_logs, lambda_svc, ses

from localaws import control
from localaws.apigateway.proxy_event import exchange
from localaws.lambda_.invocation_results import request_id
from localaws.ses import mailbox
from localaws.xray import calls, dax, header, links
from localaws.xray.header import Place
from localaws.xray.traces import answered, here, recorded, traces


def requests(execute: Any) -> Any:
    """Wrap the execution of a request to a REST API."""

    async def respond(api_id: str, stage: str, method: str, path: str, headers: Any, *call: Any) -> Any:
        current = exchange.get()
        place = header.parse(headers.get(header.NAME, "")) or Place(current.new_trace_id)
        account, region = get_account_id(), get_region()
        name = (gateway._rest_apis.get(api_id) or {}).get("name", api_id)
        sent = {
            "method": method,
            "url": f"https://{api_id}.execute-api.{region}.amazonaws.com/{stage}{path}",
            "client_ip": get_request_client_ip(),
            "user_agent": headers.get("user-agent", ""),
        }
        fields = {
            "origin": "AWS::ApiGateway::Stage",
            "resource_arn": f"arn:aws:apigateway:{region}::/restapis/{api_id}/stages/{stage}",
            "http": {"request": sent},
            "aws": {"api_gateway": {"account_id": account, "rest_api_id": api_id, "stage": stage}},
        }
        with recorded(f"{name}/{stage}", place, account, region, **fields) as segment:
            answer = await execute(api_id, stage, method, path, headers, *call)
            segment |= answered(answer[0])
            segment["http"]["response"] = {"status": answer[0], "content_length": len(answer[2])}
            segment["aws"]["api_gateway"]["request_id"] = current.request_id
            segment["annotations"] = {"route": f"{method} {current.resource_path or path}"}
            if current.cache:
                segment["annotations"]["cache"] = current.cache
            if current.user:
                segment["user"] = current.user
            return answer

    return respond


def invocations(dispatch: Any) -> Any:
    """Wrap an invocation of a function. What nothing traced has caused begins a trace of its own."""

    def execute(function: Any, config: dict[str, Any], event: Any, invocation: str, started: float) -> Any:
        name, place = config["FunctionName"], here.get() or Place(header.new_trace_id())
        fields: dict[str, Any] = {
            "origin": "AWS::Lambda::Function",
            "resource_arn": config["FunctionArn"],
            "aws": {
                "account_id": get_account_id(),
                "request_id": request_id.get(invocation),
                "memory_size_mb": int(config.get("MemorySize", 128)),
                "cloudwatch_logs": [{"log_group": f"/aws/lambda/{name}"}],
            },
        }
        if told := links.delivery(event):
            fields["metadata"] = {"event": told}
        others = links.others.get()
        with ExitStack() as stack:
            linked = [
                stack.enter_context(recorded(name, each, get_account_id(), get_region(), links=[link(place)], **fields))
                for each in others
            ]
            if others:
                fields["links"] = [link(each) for each in others]
            segment = stack.enter_context(recorded(name, place, get_account_id(), get_region(), **fields))
            stack.enter_context(dax.running(name, Place(place.trace_id, segment["id"])))
            result = dispatch(function, config, event, invocation, started)
            if result.get("error"):
                for each in (segment, *linked):
                    each |= {"fault": True, "cause": {"exceptions": [exception(result.get("body"))]}}
            return result

    return execute


def link(place: Place) -> dict[str, str]:
    """Return the link to a place in another trace."""
    return {"trace_id": place.trace_id} | ({"id": place.parent} if place.parent else {})


def exception(body: Any) -> dict[str, Any]:
    """Return the error of a function in the form of X-Ray."""
    error = body if isinstance(body, dict) else {}
    return {"type": error.get("errorType", "Error"), "message": str(error.get("errorMessage", ""))}


def cold_starts(spawn: Any) -> Any:
    """Wrap the start of an execution environment."""

    def spawn_worker(worker: Any) -> None:
        place = here.get() or Place(header.new_trace_id())
        fields: dict[str, Any] = {"type": "subsegment", "annotations": {"ColdStart": True}}
        with recorded("Init", place, get_account_id(), get_region(), **fields):
            spawn(worker)

    return spawn_worker


def aws_calls(handle: Any) -> Any:
    """Wrap a handler of AWS's APIs: record a request that has a trace header, if it is for this handler."""

    async def respond(method: str, path: str, headers: Any, body: bytes, query: Any, *more: Any) -> Any:
        place = header.parse(headers.get(header.NAME, ""))
        if place is None:
            return await handle(method, path, headers, body, query, *more)
        name, known = calls.request(method, path, headers, body, query)
        fields = {"type": "subsegment", "namespace": "aws", "aws": known | {"region": get_region()}}
        with recorded(name, place, get_account_id(), get_region(), **fields) as segment:
            answer = await handle(method, path, headers, body, query, *more)
            told = calls.answer(*answer)
            segment |= told | {"aws": segment["aws"] | told.get("aws", {})}
            return answer

    return respond


def mail_calls(handle: Any) -> Any:
    """Wrap the handler of SES's second API, which gets all requests and answers those for it.

    A mail is kept with its trace, which `mail_traces` returns.
    """

    async def handle_and_note(*request: Any) -> Any:
        before = mailbox.newest()
        answer = await handle(*request)
        if place := here.get():
            for mail in mailbox.sent_after(before):
                mail.setdefault("TraceId", place.trace_id)
        return answer

    traced = aws_calls(handle_and_note)

    async def respond(method: str, path: str, *request: Any) -> Any:
        is_ours = path.startswith(app._SES_V2_PREFIX)
        return await (traced if is_ours else handle)(method, path, *request)

    return respond


def mail_traces(request: control.Request) -> control.Response:
    """Answer ``{"traces": {MessageId: trace id}}`` of the mails that were sent in a trace."""
    kept = [mail for mails in ses._sent_emails.to_dict().values() for mail in mails]
    return control.answer(200, {"traces": {mail["MessageId"]: mail["TraceId"] for mail in kept if "TraceId" in mail}})


def trace_of_invocation(config: Any, inbound: str | None = None) -> str | None:
    """Return what a function finds in `_X_AMZN_TRACE_ID`."""
    place = here.get()
    return place.header if place else None


def reporting(append: Any) -> Any:
    """Wrap the writing of log lines: the last one of an invocation names its trace, as on AWS."""

    def append_events(stream: Any, events: list[dict[str, Any]]) -> None:
        place = here.get()
        if place and events and events[-1]["message"].startswith("REPORT RequestId: "):
            trace = f"\t\nXRAY TraceId: {place.trace_id}\tSegmentId: {place.parent}\tSampled: true\t"
            events = [*events[:-1], events[-1] | {"message": events[-1]["message"] + trace}]
        append(stream, events)

    return append_events


def forgetting(reset: Any) -> Any:
    """Wrap the reset of the emulator."""

    def reset_all() -> None:
        reset()
        traces.clear()

    return reset_all


def install() -> None:
    """Record traces, unless LOCALAWS_TRACES is 0. All gap modules are inside of what is recorded."""
    control.CALLS["GET", "ses/traces"] = mail_traces
    if not traces.limit:
        return
    gateway._handle_execute_in_scope = requests(gateway._handle_execute_in_scope)
    lambda_svc._execute_function_dispatch = invocations(lambda_svc._execute_function_dispatch)
    lambda_svc._xray_trace_id_for_invocation = trace_of_invocation
    lambda_runtime.Worker._spawn = cold_starts(lambda_runtime.Worker._spawn)
    app._dispatch_service_request = aws_calls(app._dispatch_service_request)
    app._handle_ses_v2_request = mail_calls(app._handle_ses_v2_request)
    cloudwatch_logs._append_log_events = reporting(cloudwatch_logs._append_log_events)
    app._reset_all_state = forgetting(app._reset_all_state)
    links.install()
    dax.install()
