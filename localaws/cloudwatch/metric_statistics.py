"""Gap: statistics mix what AWS keeps apart, and requests that AWS refuses are answered.

* A request without dimensions gets the values of all dimensions. In AWS it gets only those without dimensions.
* Values of different units are one statistic, GetMetricData has no pages, and its results are in the wrong order.
* ListMetrics answers with all metrics at once instead of 500.
* PutMetricData takes a datum with both a value and a set of values, and GetMetricStatistics any number of datapoints.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
No longer needed when GetMetricStatistics without dimensions has no datapoint of a metric with a dimension.
"""

from collections.abc import Iterator
from typing import Any

from ministack.services import cloudwatch

MAX_DATAPOINTS = 1_440
METRICS_IN_A_PAGE = 500
DATAPOINTS_IN_A_PAGE = 100_800


class InvalidRequest(Exception):
    """A request that CloudWatch refuses, with the error code of AWS's query API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def apply() -> None:
    cloudwatch._get_metric_statistics = _handler(cloudwatch._get_metric_statistics, get_metric_statistics)
    cloudwatch._get_metric_data = _handler(cloudwatch._get_metric_data, get_metric_data)
    cloudwatch._list_metrics = _handler(cloudwatch._list_metrics, list_metrics)
    put_metric_data = cloudwatch._put_metric_data

    def checked_put(params: Any, request: Any, is_cbor: bool, is_json: bool = False) -> Any:
        try:
            for number, datum in enumerate(request.get("MetricData", []), 1):
                check_datum(f"MetricData.member.{number}", datum)
        except InvalidRequest as error:
            return _refusal(error, is_cbor)
        return put_metric_data(params, request, is_cbor, is_json)

    cloudwatch._put_metric_data = checked_put


def _handler(original: Any, answer: Any) -> Any:
    """Return a handler for the JSON and CBOR protocols; *original* still answers the query protocol."""

    def handle(params: Any, request: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if not (is_cbor or is_json):
            return original(params, request, is_cbor, is_json)
        try:
            found = answer(request)
        except InvalidRequest as error:
            return _refusal(error, is_cbor)
        return cloudwatch._cbor_ok(_cbor(found)) if is_cbor else cloudwatch._json_ok(found)

    return handle


def _refusal(error: InvalidRequest, is_cbor: bool) -> Any:
    """Return the error under its JSON name, with its query name in the header that query-compatible APIs have."""
    status, headers, body = cloudwatch._error(
        f"{error.code}Exception", error.message, 400, use_json=not is_cbor, use_cbor=is_cbor
    )
    return status, headers | {"x-amzn-query-error": f"{error.code};Sender"}, body


def check_datum(name: str, datum: dict[str, Any]) -> None:
    """Raise InvalidRequest for a datum that AWS refuses."""
    for other in ("Values", "StatisticValues"):
        if "Value" in datum and other in datum:
            text = f"The parameters {name}.Value and {name}.{other} are mutually exclusive and you have specified both."
            raise InvalidRequest("InvalidParameterCombination", text)
    if "Counts" in datum and len(datum["Counts"]) != len(datum.get("Values", [])):
        text = f"The parameters {name}.Values and {name}.Counts must be of the same size."
        raise InvalidRequest("InvalidParameterValue", text)


def get_metric_statistics(request: dict[str, Any]) -> dict[str, Any]:
    period, start, end = int(request["Period"]), *_times(request)
    if (count := int((end - start) / period)) > MAX_DATAPOINTS:
        raise InvalidRequest(
            "InvalidParameterCombination",
            f"You have requested up to {count} datapoints, which exceeds the limit of {MAX_DATAPOINTS}. You may reduce "
            "the datapoints requested by increasing Period, or decreasing the time range.",
        )
    datapoints = []
    for (time, unit), points in sorted(periods(request, start, end, period, request.get("Unit")).items()):
        statistics = cloudwatch._calc_stats(points)
        datapoint = {"Timestamp": cloudwatch._ts_iso(time), "Unit": unit}
        datapoint |= {name: statistics[name] for name in request.get("Statistics", []) if name in statistics}
        extended = {
            name: cloudwatch._stat_value(statistics, name, points) for name in request.get("ExtendedStatistics", [])
        }
        datapoints.append(datapoint | ({"ExtendedStatistics": extended} if extended else {}))
    return {"Datapoints": datapoints, "Label": request["MetricName"]}


def get_metric_data(request: dict[str, Any]) -> dict[str, Any]:
    start, end = _times(request)
    descending = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    queries = [query for query in request["MetricDataQueries"] if query.get("ReturnData", True)]
    values = [
        (time, number, value, unit)
        for number, query in enumerate(queries)
        for time, value, unit in _query_values(query, start, end)
    ]
    values.sort(key=lambda found: -found[0] if descending else found[0])
    first = int(request.get("NextToken") or 0)
    last = first + int(request.get("MaxDatapoints") or DATAPOINTS_IN_A_PAGE)
    results = []
    for number, query in enumerate(queries):
        page = [(time, value) for time, of, value, _ in values[first:last] if of == number]
        result = {
            "Id": query["Id"],
            "Label": query.get("Label") or _label(query, queries),
            "Timestamps": [cloudwatch._ts_iso(time) for time, _ in page],
            "Values": [value for _, value in page],
            "StatusCode": "Complete" if last >= len(values) else "PartialData",
        }
        results.append(result)
    more = {"NextToken": str(last)} if last < len(values) else {}
    return {"MetricDataResults": results, "Messages": []} | more


def _label(query: dict[str, Any], queries: list[dict[str, Any]]) -> str:
    """Return the metric's name, with the statistic where that tells the queries apart."""
    name = str(query["MetricStat"]["Metric"]["MetricName"])
    stats = {other["MetricStat"]["Stat"] for other in queries if other["MetricStat"]["Metric"]["MetricName"] == name}
    return f"{name} {query['MetricStat']['Stat']}" if len(stats) > 1 else name


def _query_values(query: dict[str, Any], start: float, end: float) -> Iterator[tuple[float, float, str]]:
    """Yield time, value and unit of each period of a query. Without a unit, the first one by name counts."""
    if "Expression" in query:
        raise InvalidRequest("NotImplemented", "localaws does not play expressions of GetMetricData")
    stat = query["MetricStat"]
    found = periods(stat["Metric"], start, end, int(stat["Period"]), stat.get("Unit"))
    for time in sorted({time for time, _ in found}):
        unit = min(unit for of, unit in found if of == time)
        points = found[time, unit]
        value = cloudwatch._stat_value(cloudwatch._calc_stats(points), stat["Stat"], points)
        if value is not None:
            yield time, value, unit


def list_metrics(request: dict[str, Any]) -> dict[str, Any]:
    found = []
    for (namespace, name, _), points in cloudwatch._metrics.items():
        dimensions = dict(points[0].get("Dimensions") or {}) if points else {}
        if (
            request.get("Namespace", namespace) == namespace
            and request.get("MetricName", name) == name
            and all(_has(dimensions, wanted) for wanted in request.get("Dimensions") or [])
        ):
            listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
            found.append({"Namespace": namespace, "MetricName": name, "Dimensions": listed})
    first = int(request.get("NextToken") or 0)
    last = first + METRICS_IN_A_PAGE
    return {"Metrics": found[first:last]} | ({"NextToken": str(last)} if last < len(found) else {})


def _has(dimensions: dict[str, str], wanted: dict[str, str]) -> bool:
    """Return whether a metric has the dimension of a filter, which may leave out the value."""
    name = wanted["Name"]
    return name in dimensions and wanted.get("Value", dimensions[name]) == dimensions[name]


def _times(request: dict[str, Any]) -> tuple[float, float]:
    start, end = cloudwatch._parse_ts(request["StartTime"]), cloudwatch._parse_ts(request["EndTime"])
    if start >= end:
        raise InvalidRequest(
            "InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime."
        )
    return start, end


def periods(
    metric: dict[str, Any], start: float, end: float, period: int, unit: str | None, origin: float = 0
) -> dict[tuple[float, str], list[Any]]:
    """Return the values of a metric by the start of their period and their unit. A period starts at *origin*."""
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    found: dict[tuple[float, str], list[Any]] = {}
    for point in cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or []:
        if start <= point["Timestamp"] < end and unit in (None, point["Unit"]):
            time = (point["Timestamp"] - origin) // period * period + origin
            found.setdefault((time, point["Unit"]), []).append(point)
    return found


def _cbor(answer: dict[str, Any]) -> dict[str, Any]:
    """Return *answer* with its times as CBOR has them."""
    datapoints, results = answer.get("Datapoints"), answer.get("MetricDataResults")
    if datapoints is not None:
        return answer | {"Datapoints": [cloudwatch._cbor_datapoint(datapoint) for datapoint in datapoints]}
    if results is not None:
        return answer | {"MetricDataResults": [cloudwatch._cbor_metric_data_result(result) for result in results]}
    return answer
