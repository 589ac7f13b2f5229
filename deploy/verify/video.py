"""The journey through video-app: the owner publishes a film, a user pays for it, watches it, and gets a refund."""

from __future__ import annotations

from deploy.verify import page, payments
from deploy.verify.health import Health
from deploy.verify.journey import step
from deploy.verify.people import User, sign_in, with_secret
from deploy.verify.removal import delete_item, delete_objects
from deploy.verify.requests import Answer, Api

FILES = {
    "video.mp4": b"0123456789",
    "poster.jpg": b"jpeg",
    "hls/index.m3u8": b"#EXTM3U\n#EXTINF:1,\nsegment.ts\n",
    "hls/segment.ts": b"segment",
}


class Shop(Health):
    """An owner and a user. The film is in the catalogue for some seconds."""

    app = "video-app"
    film: str
    user: User
    payment: payments.Payment

    @step("The page loads, with the addresses of this stage.")
    def load_page(self) -> None:
        page.loads(self)

    @step("Only the owner can publish.")
    def refuse_strangers(self) -> None:
        self.refused(Api(self.http, self.api()).send("POST", "/videos", {}), 403)

    @step("The owner uploads a film and publishes it.")
    def publish(self) -> None:
        owner = self._owner()
        files = [{"name": name, "size": len(content)} for name, content in FILES.items()]
        about = {"title": self.name, "price": 100, "currency": "usd", "duration": 1, "files": files}
        draft = owner.send("POST", "/videos", about)
        self.expect(draft.status == 201, "201 and the uploads of a draft", draft)
        self.film = draft.json["id"]
        self.remove_later(f"film {self.film}", self._remove_film)
        uploads = []
        for upload in draft.json["uploads"]:
            stored = self.http.send("PUT", upload["parts"][0]["url"], FILES[upload["name"]])
            self.expect(stored.status == 200, f"200 from S3 for {upload['name']}", stored)
            uploads.append({"name": upload["name"], "etags": [stored.headers["ETag"]]})
        published = owner.send("POST", f"/videos/{self.film}/publish", {"uploads": uploads})
        self.expect(published.status == 200, "200 and the published film", published)

    @step("The film is in the catalogue, through the edge.")
    def list_film(self) -> None:
        self.until(lambda: self._get("/api/videos"), lambda answer: self._is_in(answer), "a catalogue with the film")

    @step("A user who has not paid gets no link.")
    def refuse_the_unpaid(self) -> None:
        self.user = sign_in(self, "viewer")
        self.refused(self._link(), 403)
        self.refused(self._viewer().send("POST", f"/videos/{self.film}/session"), 403)

    @step("The checkout opens a page of the payment provider.")
    def check_out(self) -> None:
        if payments.keys(self)["api_key"] == "none":
            self.skip("the secret of payments has no API key of the provider yet: docs/paid-content.md")
        checkout = self._viewer().send("POST", f"/videos/{self.film}/checkout", {})
        self.expect(checkout.status == 201, "201 and the address of a page", checkout)
        identifier = checkout.json["id"]
        self.remove_later(f"checkout {identifier}", lambda: payments.expire_checkout(self, identifier))

    @step("A payment with a forged signature buys nothing.")
    def refuse_forgery(self) -> None:
        self.payment = payments.Payment.of(self, self.user.sub, f"video:{self.film}")
        self.refused(self.payment.forge(), 400)
        self.refused(self._link(), 403)

    @step("A payment that the provider reports entitles the user to a link.")
    def pay(self) -> None:
        paid = self.payment.pay()
        self.expect(paid.status == 200, "200", paid)
        link = self._link()
        self.expect(link.status == 200, "200 and a signed link", link)

    @step("The signed link plays through the distribution, also from the middle.")
    def play(self) -> None:
        # The key that signs may be younger than a minute: until then edge locations refuse it.
        self.until(
            lambda: self.http.get(self._link().json["url"]),
            lambda answer: answer.body == FILES["video.mp4"],
            "the film",
        )
        part = self.http.get(self._link().json["url"], Range="bytes=2-5")
        self.expect((part.status, part.body) == (206, b"2345"), "206 and four bytes", part)

    @step("Without a signature the distribution gives nothing.")
    def refuse_unsigned(self) -> None:
        for name in ("video.mp4", "hls/index.m3u8"):
            self.refused(self._get(f"/videos/{self.film}/{name}"), 403)

    @step("The cookies of a session open all files of the film.")
    def open_session(self) -> None:
        session = self._viewer().send("POST", f"/videos/{self.film}/session")
        self.expect(session.status == 200, "200 and cookies", session)
        pairs = [cookie.partition(";")[0] for cookie in session.headers.getlist("Set-Cookie")]
        for name in ("hls/index.m3u8", "hls/segment.ts"):
            file = self.http.get(f"{page.site_url(self)}/videos/{self.film}/{name}", Cookie="; ".join(pairs))
            self.expect(file.body == FILES[name], f"{name}", file)

    @step("After a refund the user gets no link.")
    def refund(self) -> None:
        refunded = self.payment.refund()
        self.expect(refunded.status == 200, "200", refunded)
        self.refused(self._link(), 403)

    @step("The owner withdraws the film, and it leaves the catalogue.")
    def withdraw(self) -> None:
        withdrawn = self._owner().send("DELETE", f"/videos/{self.film}")
        self.expect(withdrawn.status == 204, "204", withdrawn)
        self.until(
            lambda: self._get("/api/videos"),
            lambda answer: answer.status == 200 and not self._is_in(answer),
            "a catalogue without the film",
        )

    def _get(self, path: str) -> Answer:
        return self.http.get(f"{page.site_url(self)}{path}")

    def _owner(self) -> Api:
        return with_secret(self, self.api(), self.outputs()["OwnerSecret"])

    def _viewer(self) -> Api:
        return self.user.api(f"{page.site_url(self)}/api")

    def _link(self) -> Answer:
        return self._viewer().get(f"/videos/{self.film}/link")

    def _is_in(self, catalogue: Answer) -> bool:
        """Return whether the film is on the first page of the catalogue, which has the newest films."""
        return self.film in [film["id"] for film in (catalogue.json or {}).get("items", [])]

    def _remove_film(self) -> None:
        s3, bucket = self.client("s3"), self.outputs()["OriginBucket"]
        delete_item(self.client("dynamodb"), self.outputs()["VideosTable"], id=self.film)
        for prefix in (f"videos/{self.film}/", f"posters/{self.film}.jpg"):
            for upload in s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", []):
                s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            delete_objects(s3, bucket, prefix)
