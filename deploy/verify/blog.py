"""The journey through blog-app: an author publishes a post with a photo, and a reader subscribes."""

from __future__ import annotations

import base64
import hashlib
import io
import uuid
from typing import Any

from PIL import Image

from deploy.verify.health import Health
from deploy.verify.journey import step
from deploy.verify.page import site_url
from deploy.verify.people import SENDER, address, with_secret
from deploy.verify.removal import delete_items, delete_objects, items_of
from deploy.verify.requests import Answer, Api

_OLDEST = "1970-01-01T00:00:00Z"
"""The date of the post: it is the last of the list, and in no feed of a blog with twenty other posts."""


class Blog(Health):
    """An author and a reader. The post is public for about a minute."""

    app = "blog-app"
    photo: dict[str, Any]
    subscriber: str
    token: str

    @step("The edge serves the home page, the feed and the API.")
    def serve(self) -> None:
        self._serves("/", "text/html")
        self._serves("/feed.xml", "application/atom+xml")
        self._serves("/api/posts", "application/json")

    @step("The edge answers the second reader from its cache.")
    def cache(self) -> None:
        self.until(lambda: self._get("/feed.xml"), lambda answer: answer.is_hit, "X-Cache: Hit from cloudfront")

    @step("Only an author can publish.")
    def refuse_strangers(self) -> None:
        text = {"slug": self.name, "title": "x", "body_markdown": "x"}
        self.refused(Api(self.http, self.api()).send("POST", "/posts", text), 403)

    @step("A photo of the author becomes thumbnails that the edge serves.")
    def publish_photo(self) -> None:
        content = _photo()
        wanted = {"filename": f"{self.name}.jpg", "content_type": "image/jpeg", "size": len(content)}
        upload = self._author().send("POST", "/photos", wanted)
        self.expect(upload.status == 201, "201 and a presigned POST", upload)
        photo_id = upload.json["id"]
        self.remove_later(f"photo {photo_id}", lambda: self._remove_photo(photo_id))
        stored = self.http.post_form(upload.json["url"], upload.json["fields"], content)
        self.expect(stored.status == 204, "204 from S3", stored)
        self.photo = self.until(
            lambda: self._photo_of(photo_id).json,
            lambda photo: photo and photo["status"] == "ready" and photo["variants"],
            "a photo that is ready, with variants",
        )
        thumbnail = self._get(self.photo["variants"][0]["url"])
        self.expect(thumbnail.headers.get("Content-Type", "").startswith("image/"), "a picture", thumbnail)

    @step("A post of the author appears on the site, with its photo.")
    def publish_post(self) -> None:
        self.remove_later(f"post {self.name}", self._remove_post)
        text = {
            "slug": self.name,
            "title": f"Test {self.name}",
            "body_markdown": f"Written by `make verify`.\n\n![A test](photo:{self.photo['id']})",
            "published_at": _OLDEST,
        }
        created = self._author().send("POST", "/posts", text)
        self.expect(created.status == 201, "201 and the post", created)
        self.until(self._page_is_stored, bool, "a page in the site's bucket")
        thumbnail = self.photo["variants"][0]["url"].encode()
        self.until(self._page, lambda page: page.status == 200 and thumbnail in page.body, "the post with its photo")

    @step("Once the author has removed the post, the edge no longer has it.")
    def remove_post(self) -> None:
        removed = self._author().send("DELETE", f"/posts/{self.name}")
        self.expect(removed.status == 204, "204", removed)
        self.until(self._page_is_stored, lambda stored: not stored, "no page in the site's bucket")
        self._invalidate()
        self.until(self._page, lambda page: page.status == 404, "404")

    @step("A subscriber gets a welcome mail.")
    def welcome(self) -> None:
        email, table = address(self, "reader"), self.outputs()["SubscribersTable"]
        dynamodb, self.subscriber = self.client("dynamodb"), _subscriber_id(email)
        self.remove_later(f"subscriber {email}", lambda: delete_items(dynamodb, table, "id", self.subscriber, "kind"))
        subscribed = Api(self.http, f"{site_url(self)}/api").send("POST", "/subscribers", {"email": email})
        self.expect(subscribed.status == 202, "202", subscribed)
        mail = self.until(
            lambda: self._items().get("welcome"),
            lambda mail: mail and "N" in mail.get("sent_at", {}),
            f"a record of the mail with the time when SES took it{SENDER}",
        )
        assert mail
        self.token = mail["token"]["S"]

    @step("The link in the mail ends the subscription, and nothing about the address stays.")
    def unsubscribe(self) -> None:
        reader = Api(self.http, f"{site_url(self)}/api")
        ended = reader.send("DELETE", f"/subscribers/{self.token}")
        self.expect(ended.status == 204, "204", ended)
        self.until(self._items, lambda items: not items, "no item of the subscriber")

    def _serves(self, path: str, kind: str) -> None:
        self.until(
            lambda: self._get(path),
            lambda answer: answer.status == 200 and answer.headers.get("Content-Type", "").startswith(kind),
            f"{kind} at {path}",
        )

    def _get(self, path: str) -> Answer:
        return self.http.get(f"{site_url(self)}{path}")

    def _page(self) -> Answer:
        return self._get(f"/posts/{self.name}/")

    def _author(self) -> Api:
        return with_secret(self, self.api(), self.outputs()["AuthorSecret"])

    def _photo_of(self, photo_id: str) -> Answer:
        return self.http.get(f"{self.api()}/photos/{photo_id}")

    def _items(self) -> dict[str, dict[str, Any]]:
        """Return by kind what the table has of the subscriber."""
        found = items_of(self.client("dynamodb"), self.outputs()["SubscribersTable"], "id", self.subscriber)
        return {item["kind"]["S"]: item for item in found}

    def _page_is_stored(self) -> bool:
        prefix = f"posts/{self.name}/"
        listed = self.client("s3").list_objects_v2(Bucket=self.outputs()["SiteBucket"], Prefix=prefix)
        return bool(listed["KeyCount"])

    def _invalidate(self) -> None:
        paths = [f"/posts/{self.name}/*", "/feed.xml", "/sitemap.xml", "/api/posts*", "/"]
        batch = {"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": uuid.uuid4().hex}
        distribution = self.outputs("edge")["DistributionId"]
        self.client("cloudfront").create_invalidation(DistributionId=distribution, InvalidationBatch=batch)

    def _remove_post(self) -> None:
        removed = self._author().send("DELETE", f"/posts/{self.name}")
        self.expect(removed.status in (204, 404), "204 or 404", removed)
        if removed.status == 204:
            self.settled(lambda: not self._page_is_stored())
            self._invalidate()

    def _remove_photo(self, photo_id: str) -> None:
        """Delete the original and the thumbnails. A function that still makes them would store them again."""
        bucket, s3 = self.outputs()["PhotosBucket"], self.client("s3")
        if s3.list_objects_v2(Bucket=bucket, Prefix=f"uploads/{photo_id}/")["KeyCount"]:
            self.settled(lambda: (self._photo_of(photo_id).json or {}).get("status") != "pending")
        for prefix in (f"uploads/{photo_id}/", f"thumbnails/{photo_id}/"):
            delete_objects(s3, bucket, prefix)


def _photo() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((400, 300)).save(file, "JPEG")
    return file.getvalue()


def _subscriber_id(email: str) -> str:
    """Return the key of a subscriber: blog-app/chalicelib/subscribers.py."""
    return base64.urlsafe_b64encode(hashlib.sha256(email.encode()).digest()).decode().rstrip("=")
