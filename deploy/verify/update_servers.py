"""The journey through the update servers: a client finds the newest release and downloads it through the edge."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, NoReturn

from deploy import stacks, updates
from deploy.publish import Publisher
from deploy.verify.journey import Journey, step
from deploy.verify.requests import Answer

_INDEX = "/releases/index.json?channel=stable"


class Updates(Journey):
    """A client of the fleet. It makes nothing."""

    app = "updates"
    release: dict[str, Any] | None = None
    package = b""

    @step("A client gets the list of releases.")
    def list_releases(self) -> None:
        if not Publisher(self.stage).has_released():
            self._skip_unpublished()
        index = self.until(
            lambda: self._get(_INDEX), lambda answer: answer.status == 200 and "releases" in answer.json, "the list"
        )
        self.release = next(iter(index.json["releases"]), None)
        self._newest()

    @step("The signed metadata has not expired, so clients trust the list.")
    def trust(self) -> None:
        self._newest()
        timestamp = self._get("/metadata/timestamp.json")
        self.expect(timestamp.status == 200, "200 and the metadata", timestamp)
        expires = timestamp.json["signed"]["expires"]
        self.expect(datetime.fromisoformat(expires) > datetime.now(UTC), "an expiry in the future", expires)

    @step("The newest package has the size and the hash that the list says.")
    def download(self) -> None:
        release = self._newest()
        package = self._get(release["url"])
        known = (package.status, len(package.body), hashlib.sha256(package.body).hexdigest())
        wanted = (200, release["size"], release["sha256"])
        self.expect(known == wanted, f"200, {wanted[1]} bytes and SHA-256 {wanted[2]}", known)
        self.package = package.body

    @step("A download that was interrupted goes on from the middle.")
    def resume(self) -> None:
        part = self._get(self._newest()["url"], Range="bytes=10-19")
        self.expect((part.status, part.body) == (206, self.package[10:20]), "206 and ten bytes", part)

    @step("The edge answers the next client from its cache.")
    def cache(self) -> None:
        if updates.template_of(self.stage) == "before":
            self.skip("the stage has no edge yet: make updates TEMPLATE=after")
        url = self._newest()["url"]
        self.until(lambda: self._get(url), lambda answer: answer.is_hit, "X-Cache: Hit from cloudfront")

    def _newest(self) -> dict[str, Any]:
        """Return the newest release. Skips the step if there is none."""
        return self.release or self._skip_unpublished()

    def _skip_unpublished(self) -> NoReturn:
        self.skip(f"nothing is published yet: make publish STAGE={self.stage} FILE=… VERSION=…")

    def _get(self, path: str, **headers: str) -> Answer:
        known = stacks.outputs(updates.stack(self.stage))
        url = known.get("SiteUrl") or f"http://{known['LoadBalancerDomain']}"  # before.yaml has no edge
        return self.http.get(url + path, **headers)
