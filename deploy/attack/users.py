"""What belongs to another user: todos, files, purchases."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.attack.case import Attack, case
from deploy.verify.people import User
from deploy.verify.requests import Api
from deploy.verify.todo import Todos

TITLE = "only for Ann"
"""The title of Ann's todo."""
_TEXT = TITLE.encode()


class People(Attack, Todos):
    """Ann and Bob, two users of todo-app. Ann has a todo."""

    @cached_property
    def _ann(self) -> User:
        return self._user("ann")

    @cached_property
    def _bob(self) -> User:
        return self._user("bob")

    @cached_property
    def _ann_api(self) -> Api:
        return self._api(self._ann)

    @cached_property
    def _bob_api(self) -> Api:
        return self._api(self._bob)

    @cached_property
    def _todo(self) -> str:
        """A todo of Ann."""
        todo = self._added(self._ann_api, TITLE)
        self.allowed(self._ann_api.get(f"/todos/{todo}"))
        return todo

    @cached_property
    def _bobs(self) -> str:
        return self._added(self._bob_api, "of Bob")

    def _added(self, api: Api, title: str) -> str:
        added: str = self.allowed(api.send("POST", "/todos", {"title": title}), 201).json["id"]
        return added


class Users(People):
    """Ann has todos and a file. Bob is another user."""

    kind = "another user"
    app = "todo-app"

    @case
    def another_users_todo_by_its_id(self) -> None:
        """Bob reads, changes and deletes what Ann wrote."""
        path = f"/todos/{self._todo}"
        for method, body in (("GET", None), ("PATCH", {"title": "mine now"}), ("DELETE", None)):
            self.refused(self._bob_api.send(method, path, body), 404)
        for header in ({"If_Match": "*"}, {"If_Match": '"1"'}, {"If_None_Match": "*"}):
            self.refused(self._bob_api.send("GET", path, **header), 404)
            self.refused(self._bob_api.send("DELETE", path, **header), 404)

    @case
    def another_users_todo_from_the_caches(self) -> None:
        """Bob reads what Ann has read before, from the cache of the stage or from DAX."""
        path = f"/cached/todos/{self._todo}"
        for _ in range(2):
            self.allowed(self._ann_api.get(path))
            self.refused(self._bob_api.get(path), 404)

    @case
    def another_users_list_from_the_caches(self) -> None:
        """Bob reads Ann's list from the cache of the stage."""
        for path in ("/todos", "/cached/todos", "/cached/todos?limit=20", "/cached/todos?done=false"):
            mine = self.allowed(self._ann_api.get(path))
            self.expect(self._todo in mine.body.decode(), "Ann's own list", mine)
            listed = self.allowed(self._bob_api.get(path))
            self.without(self._todo in listed.body.decode(), listed.body)

    @case
    def a_cached_list_without_a_token(self) -> None:
        """Everybody reads a user's list from the cache of the stage."""
        path = f"{self.api()}/cached/todos"
        self.allowed(self._ann_api.get("/cached/todos"))
        self.refused(self.http.get(path), 401)
        self.refused(self.http.get(path, Authorization=self._ann.id_token[:-8]), 401)

    @case
    def the_owner_in_the_query(self) -> None:
        """Bob chooses whose todos he reads."""
        sub = self._ann.sub
        for query in (f"owner={sub}", f"user={sub}", f"sub={sub}", f"done=false&owner={sub}"):
            for path in ("/todos", "/cached/todos"):
                answer = self._bob_api.get(f"{path}?{query}")
                self.without(self._todo in answer.body.decode(), answer.body)

    @case
    def another_users_page_by_its_cursor(self) -> None:
        """Bob goes on where Ann has stopped."""
        self._added(self._ann_api, "second")
        cursor = self.allowed(self._ann_api.get("/todos?limit=1")).json["cursor"]
        self.expect(cursor, "a cursor", cursor)
        for path in (f"/todos?limit=5&cursor={cursor}", f"/cached/todos?limit=5&cursor={cursor}"):
            answer = self._bob_api.get(path)
            self.without(answer.status == 200 and answer.json["items"], answer.body)

    @case
    def another_users_idempotency_key(self) -> None:
        """Bob gets the todo that Ann created, when he guesses her key."""
        body, key = {"title": self.name}, f"{self.name}-key"
        mine = self.allowed(self._ann_api.send("POST", "/todos", body, Idempotency_Key=key), 201)
        again = self.allowed(self._ann_api.send("POST", "/todos", body, Idempotency_Key=key), 201)
        self.expect(again.json["id"] == mine.json["id"], "the same todo", again.json["id"])
        theirs = self._bob_api.send("POST", "/todos", body, Idempotency_Key=key)
        self.without(theirs.status == 201 and theirs.json["id"] == mine.json["id"], theirs.body)

    @case
    def a_todo_in_another_users_name(self) -> None:
        """Bob writes into Ann's list."""
        for field in ("owner", "sub", "user", "user_id", "id"):
            answer = self._bob_api.send("POST", "/todos", {"title": "from Bob", field: self._ann.sub})
            self.refused(answer, 400)
        self.refused(self._bob_api.send("PATCH", f"/todos/{self._bobs}", {"owner": self._ann.sub}), 400)
        listed = self.allowed(self._ann_api.get("/todos"))
        self.without(b"from Bob" in listed.body, listed.body)

    @case
    def fields_that_only_the_server_sets(self) -> None:
        """A client writes the history of its data, and undoes the guard against lost changes."""
        fields = {"version": 99, "created_at": "2000-01-01T00:00:00Z", "state": "done#x", "expires_at": 1, "etag": "x"}
        for name, value in fields.items():
            self.refused(self._bob_api.send("POST", "/todos", {"title": "x", name: value}), 400)
            self.refused(self._bob_api.send("PATCH", f"/todos/{self._bobs}", {name: value}), 400)

    @case
    def another_users_file(self) -> None:
        """Bob reads, replaces, deletes and lists Ann's files with the credentials of his folder."""
        s3, place = self._bob_s3, {"Bucket": self._ann_folder["bucket"], "Key": self._key}
        bucket, prefix = self._ann_folder["bucket"], self._ann_folder["prefix"]
        self._denied(lambda: s3.get_object(**place))
        self._denied(lambda: s3.head_object(**place))
        self._denied(lambda: s3.put_object(**place, Body=b"mine now"))
        self._denied(lambda: s3.delete_object(**place))
        self._denied(lambda: s3.get_object_tagging(**place))
        self._denied(lambda: s3.put_object_acl(**place, ACL="public-read"))
        self._denied(lambda: s3.copy_object(Bucket=bucket, Key=f"{self._bob_folder['prefix']}x", CopySource=place))
        for listed in (prefix, "users/", "", self._bob_folder["prefix"][:-1]):
            self._denied(lambda listed=listed: s3.list_objects_v2(Bucket=bucket, Prefix=listed))  # type: ignore[misc]
        self._denied(lambda: s3.list_object_versions(Bucket=bucket, Prefix=prefix))

    @case
    def another_users_folder_by_dots(self) -> None:
        """Bob reads Ann's files by a key that begins with his own folder."""
        s3, other = self._bob_s3, self._ann_folder["prefix"].removeprefix("users/")
        for key in (f"{self._bob_folder['prefix']}../{other}{self.name}.txt",):
            try:
                found = s3.get_object(Bucket=self._ann_folder["bucket"], Key=key)["Body"].read()
            except ClientError:
                continue
            self.without(found == _TEXT, key)

    @case
    def credentials_for_another_users_identity(self) -> None:
        """Bob gets the credentials of Ann's folder."""
        identities = self._anonymous("cognito-identity")
        logins = {self._bob_folder["login_provider"]: self._bob.id_token}
        identity = self._ann_folder["identity_id"]
        attempts: list[Callable[[], Any]] = [
            lambda: identities.get_credentials_for_identity(IdentityId=identity, Logins=logins),
            lambda: identities.get_credentials_for_identity(IdentityId=identity),
            lambda: identities.get_open_id_token(IdentityId=identity, Logins=logins),
        ]
        for attempt in attempts:
            self._denied(attempt, "NotAuthorizedException", "ResourceNotFoundException", "InvalidParameterException")

    @case
    def credentials_without_signing_in(self) -> None:
        """Everybody gets credentials of the account."""
        identities, pool = self._anonymous("cognito-identity"), self._bob_folder["identity_pool_id"]
        self._denied(lambda: identities.get_id(IdentityPoolId=pool), "NotAuthorizedException")

    @case
    def the_credentials_of_a_folder_in_other_services(self) -> None:
        """Every user reads the tables, the other buckets and the secrets."""
        self._denied(lambda: self._bobs_client("dynamodb").scan(TableName=self.outputs()["Table"], Limit=1))
        self._denied(lambda: self._bobs_client("s3").list_buckets())
        self._denied(lambda: self._bobs_client("secretsmanager").list_secrets())
        self._denied(lambda: self._bobs_client("iam").list_roles(MaxItems=1))
        self._denied(lambda: self._bobs_client("lambda").list_functions(MaxItems=1))
        self._denied(lambda: self._bobs_client("cognito-idp").list_users(UserPoolId=self.outputs()["UserPoolId"]))

    @case
    def an_upload_into_another_users_folder(self) -> None:
        """Bob writes into Ann's folder with a form that was signed for his."""
        form = self._form()
        for key in (self._key, "users/x", f"{form['fields']['key']}/../../{self._key}", "${filename}"):
            answer = self.http.post_form(form["url"], {**form["fields"], "key": key}, b"x")
            self.refused(answer, 400, 403)

    @case
    def an_upload_that_is_larger_or_of_another_type(self) -> None:
        """A user stores what the rules forbid: a page with a script, or a terabyte."""
        form = self._form()
        self.refused(self.http.post_form(form["url"], form["fields"], b"x" * 100), 400)
        for name, value in (("Content-Type", "text/html"), ("acl", "public-read"), ("x-amz-meta-a", "b")):
            self.refused(self.http.post_form(form["url"], {**form["fields"], name: value}, b"x"), 400, 403)
        self.refused(self.http.post_form(form["url"], {"key": form["fields"]["key"]}, b"x"), 400, 403)

    @cached_property
    def _ann_folder(self) -> dict[str, Any]:
        return self._folder(self._ann)

    @cached_property
    def _bob_folder(self) -> dict[str, Any]:
        return self._folder(self._bob)

    @cached_property
    def _key(self) -> str:
        """The key of a file of Ann."""
        key = f"{self._ann_folder['prefix']}{self.name}.txt"
        self._ann.s3(self._ann_folder).put_object(Bucket=self._ann_folder["bucket"], Key=key, Body=_TEXT)
        return key

    @cached_property
    def _bob_s3(self) -> Any:
        """S3 with Bob's credentials, which work in his own folder."""
        s3, key = self._bob.s3(self._bob_folder), f"{self._bob_folder['prefix']}{self.name}.txt"
        s3.put_object(Bucket=self._bob_folder["bucket"], Key=key, Body=b"of Bob")
        return s3

    def _bobs_client(self, service: str) -> Any:
        keys = self._bob_s3._request_signer._credentials.get_frozen_credentials()
        return boto3.Session(keys.access_key, keys.secret_key, keys.token, self.region).client(service)

    def _form(self) -> dict[str, Any]:
        """Return a signed form for a text of 10 bytes in Bob's folder."""
        wanted = {"name": f"{self.name}-form.txt", "content_type": "text/plain", "size": 10}
        self.expect(self._bob_folder, "Bob's folder", "none")
        form: dict[str, Any] = self.allowed(self._bob_api.send("POST", "/files", wanted), 201).json
        self.allowed(self.http.post_form(form["url"], form["fields"], b"x"), 204)
        return form

    def _anonymous(self, service: str) -> Any:
        return boto3.Session().client(service, config=Config(signature_version=UNSIGNED))

    def _denied(self, attempt: Callable[[], Any], *codes: str) -> None:
        """Raise Admitted unless AWS denies the attempt."""
        try:
            found = attempt()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            denied = ("AccessDenied", "AccessDeniedException", "403", *codes)
            self.expect(code in denied, " or ".join(denied), error)
        else:
            self.without(True, str(found))
