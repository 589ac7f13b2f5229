"""Builds each object once in a process, on first use."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib.bucket import FilesBucket
from chalicelib.files import Files
from chalicelib.identity_pool import IdentityPool
from chalicelib.table import TodoTable
from chalicelib.todos import Todos
from common import aws, dynamodb
from common import settings as stage_settings


@dataclass(frozen=True)
class Settings:
    """The outputs of the stage's stacks. ``dax_endpoint`` is empty if there is no DAX cluster."""

    table: str
    files_bucket: str
    user_pool_arn: str
    user_pool_id: str
    user_pool_client_id: str
    identity_pool_id: str
    dax_endpoint: str = ""


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, Path(__file__).parent / "stages")


@cache
def todos() -> Todos:
    """Return the todos by consistent reads: each caller reads its own writes."""
    return Todos(TodoTable(dynamodb.client(settings().dax_endpoint), settings().table))


@cache
def cached_todos() -> Todos:
    """Return the todos by reads that may come from DAX's caches."""
    return Todos(TodoTable(dynamodb.client(settings().dax_endpoint), settings().table, consistent=False))


@cache
def files() -> Files:
    bucket = FilesBucket(aws.s3(), settings().files_bucket)
    identities = aws.client("cognito-identity")
    return Files(bucket, IdentityPool(identities, settings().identity_pool_id, settings().user_pool_id))
