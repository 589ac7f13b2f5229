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
    """What the stage's stacks made. ``dax_endpoint`` is empty where there is no DAX cluster."""

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
    """Todos as they are now: each caller reads its own writes."""
    return Todos(TodoTable(dynamodb.client(settings().dax_endpoint), settings().table))


@cache
def cached_todos() -> Todos:
    """Todos as DAX's caches remember them."""
    return Todos(TodoTable(dynamodb.client(settings().dax_endpoint), settings().table, consistent=False))


@cache
def files() -> Files:
    bucket = FilesBucket(aws.s3(), settings().files_bucket)
    identities = aws.client("cognito-identity")
    return Files(bucket, IdentityPool(identities, settings().identity_pool_id, settings().user_pool_id))
