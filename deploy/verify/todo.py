"""The journey through todo-app: two users, their todos, and their files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deploy.verify import page
from deploy.verify.health import Health
from deploy.verify.journey import step
from deploy.verify.people import User, sign_in
from deploy.verify.removal import delete_items, delete_objects
from deploy.verify.requests import Api

_TEXT = b"written by make verify"


class Todos(Health):
    """Ann writes todos and files. Bob must not see them."""

    app = "todo-app"
    ann: User
    bob: User
    todo_id: str
    folder: dict[str, Any]
    key: str

    @step("Two new users sign in with their passwords.")
    def sign_in(self) -> None:
        self.ann, self.bob = self._user("ann"), self._user("bob")

    @step("The API lets nobody in without a token.")
    def refuse_strangers(self) -> None:
        self.refused(self.http.get(f"{self.api()}/todos"), 401)

    @step("A user creates a todo.")
    def create(self) -> None:
        created = self._api(self.ann).send("POST", "/todos", {"title": self.name, "tags": ["verify"]})
        self.expect(created.status == 201, "201 and the new todo", created)
        self.todo_id = created.json["id"]

    @step("The user reads the todo at once, alone and in the list.")
    def read_own_write(self) -> None:
        one = self._api(self.ann).get(f"/todos/{self.todo_id}")
        self.expect(one.status == 200 and one.json["title"] == self.name, "the todo that was written", one)
        listed = self._api(self.ann).get("/todos")
        ids = [todo["id"] for todo in (listed.json or {}).get("items", [])]
        self.expect(ids == [self.todo_id], "a list with this todo only", listed)

    @step("Another user can neither read, change nor delete it.")
    def hide_from_others(self) -> None:
        bob, path = self._api(self.bob), f"/todos/{self.todo_id}"
        for method, body in (("GET", None), ("PATCH", {"title": "mine now"}), ("DELETE", None)):
            self.refused(bob.send(method, path, body), 404)
        listed = bob.get("/todos")
        self.expect(listed.status == 200 and listed.json["items"] == [], "an empty list", listed)

    @step("The user completes the todo; a change of an older version is refused.")
    def change(self) -> None:
        ann, path = self._api(self.ann), f"/todos/{self.todo_id}"
        done = ann.send("PATCH", path, {"done": True}, If_Match='"1"')
        self.expect(done.status == 200 and done.json["done"] is True, "the completed todo", done)
        self.refused(ann.send("PATCH", path, {"done": False}, If_Match='"1"'), 412)

    @step("The user stores and reads a file with temporary credentials of their own.")
    def store_file(self) -> None:
        self.folder = self._folder(self.ann)
        self.key = f"{self.folder['prefix']}{self.name}.txt"
        s3, place = self.ann.s3(self.folder), {"Bucket": self.folder["bucket"], "Key": self.key}
        s3.put_object(**place, Body=_TEXT)
        content = s3.get_object(**place)["Body"].read()
        self.expect(content == _TEXT, f"{len(_TEXT)} bytes as they were stored", f"{len(content)} bytes")

    @step("Another user's credentials reach neither the file nor the folder.")
    def keep_others_out_of_the_folder(self) -> None:
        s3, bucket = self.bob.s3(self._folder(self.bob)), self.folder["bucket"]
        attempts: dict[str, Callable[[], object]] = {
            "GetObject": lambda: s3.get_object(Bucket=bucket, Key=self.key),
            "PutObject": lambda: s3.put_object(Bucket=bucket, Key=self.key, Body=b"mine now"),
            "ListObjectsV2": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=self.folder["prefix"]),
        }
        for name, attempt in attempts.items():
            try:
                attempt()
            except ClientError as error:
                code = error.response["Error"]["Code"]
                self.expect(code == "AccessDenied", f"AccessDenied for {name}", code)
            else:
                self.expect(False, f"AccessDenied for {name}", "success")

    @step("A presigned upload takes the announced file, and no byte more.")
    def upload(self) -> None:
        wanted = {"name": f"{self.name}-upload.txt", "content_type": "text/plain", "size": len(_TEXT)}
        signed = self._api(self.ann).send("POST", "/files", wanted)
        self.expect(signed.status == 201, "201 and a presigned POST", signed)
        url, fields = signed.json["url"], signed.json["fields"]
        self.refused(self.http.post_form(url, fields, _TEXT + b"!"), 400)
        stored = self.http.post_form(url, fields, _TEXT)
        self.expect(stored.status == 204, "204", stored)

    @step("The page loads, with the addresses of this stage.")
    def load_page(self) -> None:
        page.loads(self)

    def _api(self, user: User) -> Api:
        return user.api(self.api())

    def _user(self, person: str) -> User:
        user = sign_in(self, person)
        dynamodb, table = self.client("dynamodb"), self.outputs()["Table"]
        self.remove_later(f"todos of {user.email}", lambda: delete_items(dynamodb, table, "owner", user.sub, "id"))
        return user

    def _folder(self, user: User) -> dict[str, Any]:
        """Return where the user's files are. The first call makes an identity for the user."""
        answer = self._api(user).get("/files")
        self.expect(answer.status == 200, "200 and the user's folder", answer)
        folder: dict[str, Any] = answer.json
        self.remove_later(
            f"identity {folder['identity_id']}",
            lambda: self.client("cognito-identity").delete_identities(IdentityIdsToDelete=[folder["identity_id"]]),
        )
        self.remove_later(
            f"files of {user.email}",
            lambda: delete_objects(self.client("s3"), folder["bucket"], folder["prefix"]),
        )
        return folder
