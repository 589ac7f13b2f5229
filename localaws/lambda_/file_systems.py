"""Gap: a function has no file system, and CloudFormation drops its `FileSystemConfigs`.

A function is a process of this machine, which cannot mount a folder at `/mnt/...`. So the values of its environment
variables name the folder of the file system instead of the `LocalMountPath`: a function that is to run here must read
the path from a variable. Permissions of files and of `elasticfilesystem` are not checked.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/configuration-filesystem-efs.html
No longer needed when two functions with one access point see each other's files.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.arn import parse_arn
from ministack.services import ec2, efs, lambda_svc
from ministack.services.cloudformation import provisioners

from localaws.efs import FOLDER, file_system

NOT_IN_VPC = "Function must be configured to execute in a VPC to reference access point {0}."
NO_TARGETS = (
    "EFS file system {1} referenced by access point {0} does not have mount targets created in all availability zones "
    "the function will execute in. Please create EFS mount targets for all availability zones "
    "and try the request again."
)


def refusal(file_systems: list[dict[str, Any]], vpc: dict[str, Any]) -> str | None:
    """Return why AWS refuses the file systems for a function with that `VpcConfig`, or None."""
    for arn in (each["Arn"] for each in file_systems):
        if not vpc.get("SubnetIds"):
            return NOT_IN_VPC.format(arn)
        identifier = file_system_of(arn)
        zones = {each["AvailabilityZoneName"] for each in targets_of(identifier)}
        subnets = [ec2._subnets[subnet] for subnet in vpc["SubnetIds"] if subnet in ec2._subnets]
        if not {subnet["AvailabilityZone"] for subnet in subnets} <= zones:
            return NO_TARGETS.format(arn, efs._file_systems.get(identifier, {}).get("FileSystemArn", identifier))
    return None


def file_system_of(access_point: str) -> str:
    """Return the id of the file system of the access point with that ARN, or an empty string."""
    point = efs._access_points.get(parse_arn(access_point).resource.rpartition("/")[2], {})
    return str(point.get("FileSystemId", ""))


def targets_of(identifier: str) -> list[dict[str, Any]]:
    return [each for each in efs._mount_targets.values() if each["FileSystemId"] == identifier]


def with_folders(variables: dict[str, str], file_systems: list[dict[str, Any]]) -> dict[str, str]:
    """Return the environment variables with the folder of each file system for its `LocalMountPath`."""
    replaced = dict(variables)
    for each in file_systems:
        path, folder = each["LocalMountPath"], folder_of(each["Arn"])
        for name, value in replaced.items():
            if value == path or value.startswith(f"{path}/"):
                replaced[name] = folder + value.removeprefix(path)
    return replaced


def folder_of(access_point: str) -> str:
    folder = Path(os.environ.get("STATE_DIR", tempfile.gettempdir()), FOLDER)
    return str(file_system(folder.resolve(), file_system_of(access_point)))


def mounting(spawn: Any) -> Any:
    """Wrap the start of an execution environment."""

    def spawn_worker(worker: Any) -> None:
        deployed, file_systems = worker.config, worker.config.get("FileSystemConfigs")
        if file_systems:
            variables = deployed.get("Environment", {}).get("Variables", {})
            worker.config = deployed | {"Environment": {"Variables": with_folders(variables, file_systems)}}
        try:
            spawn(worker)
        finally:
            worker.config = deployed

    return spawn_worker


def checked(change: Any, config_of: Any) -> Any:
    """Wrap an operation that changes a function. *config_of* returns the present configuration from its arguments."""

    def change_function(*arguments: Any) -> Any:
        present, data = config_of(*arguments)
        known = {name: data.get(name, present.get(name)) for name in ("FileSystemConfigs", "VpcConfig")}
        if reason := refusal(known["FileSystemConfigs"] or [], known["VpcConfig"] or {}):
            return lambda_svc.error_response_json("InvalidParameterValueException", reason, 400)
        return change(*arguments)

    return change_function


def of_stack(kind: str) -> None:
    """Wrap the handlers of the resource type to check and store the file systems of a function."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    create, update = handlers["create"], handlers["update"]

    def store(name: str, properties: dict[str, Any]) -> None:
        file_systems = [dict(each) for each in properties.get("FileSystemConfigs", [])]
        config = lambda_svc._functions[name]["config"]
        if file_systems != config.get("FileSystemConfigs", []):
            lambda_svc.invalidate_worker(name)
        config["FileSystemConfigs"] = file_systems
        if file_systems:
            config["VpcConfig"] = dict(properties["VpcConfig"])  # later changes of the function are checked with it

    def check(properties: dict[str, Any]) -> None:
        file_systems = properties.get("FileSystemConfigs", [])
        if reason := refusal(file_systems, properties.get("VpcConfig", {}) if file_systems else {}):
            raise ValueError(reason)

    def create_function(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        check(properties)
        created = create(logical_id, properties, stack)
        store(created[0], properties)
        return created

    def update_function(physical_id: str, old: dict[str, Any], new: dict[str, Any], *names: Any) -> Any:
        check(new)
        updated = update(physical_id, old, new, *names)
        store(updated[0], new)
        return updated

    handlers["create"], handlers["update"] = create_function, update_function


def apply() -> None:
    lambda_runtime.Worker._spawn = mounting(lambda_runtime.Worker._spawn)
    lambda_svc._create_function = checked(lambda_svc._create_function, lambda data: ({}, data))
    lambda_svc._update_config = checked(
        lambda_svc._update_config, lambda name, data: (lambda_svc._functions.get(name, {}).get("config", {}), data)
    )
    of_stack("AWS::Lambda::Function")
