"""Gap: the settings of a function's log lack what a request leaves out, and an update drops the others.

A log is text in the group of the function's name, unless the settings say otherwise. The format JSON has the level
INFO. Here the lines of such a log stay text.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_LoggingConfig.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html
No longer needed when a function that is created with the LogFormat JSON has the SystemLogLevel INFO.
"""

from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

LEVELS = ("ApplicationLogLevel", "SystemLogLevel")

type Json = dict[str, Any]


def complete(name: str, stored: Json, given: Json) -> Json:
    """Return the settings of the log after a change. Levels are part of the format JSON."""
    config = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"} | stored | given
    if config["LogFormat"] == "JSON":
        return dict.fromkeys(LEVELS, "INFO") | config
    return {name: value for name, value in config.items() if name not in LEVELS}


def creating(create: Any) -> Any:
    def create_function(data: Json) -> Any:
        if given := data.get("LoggingConfig"):
            name = lambda_svc._resolve_request_scoped_name(data["FunctionName"])
            data = data | {"LoggingConfig": complete(name, {}, given)}
        return create(data)

    return create_function


def updating(update: Any) -> Any:
    def update_configuration(name: str, data: Json) -> Any:
        function = lambda_svc._functions.get(name)
        if function and (given := data.get("LoggingConfig")):
            data = data | {"LoggingConfig": complete(name, function["config"].get("LoggingConfig") or {}, given)}
        return update(name, data)

    return update_configuration


def provisioning(provision: Any) -> Any:
    """Wrap the create or update of a function by CloudFormation."""

    def provision_function(*arguments: Any, **named: Any) -> Any:
        name, attributes = provision(*arguments, **named)
        config = lambda_svc._functions[name]["config"]
        config["LoggingConfig"] = complete(name, {}, config.get("LoggingConfig") or {})
        return name, attributes

    return provision_function


def apply() -> None:
    lambda_svc._create_function = creating(lambda_svc._create_function)
    lambda_svc._update_config = updating(lambda_svc._update_config)
    function = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    function["create"] = provisioning(function["create"])
    function["update"] = provisioning(function["update"])
