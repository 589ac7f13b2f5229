"""Links and cookies for paid films, which the attacker has for one film and wants for others, or for longer."""

from __future__ import annotations

import base64
import json
import time
from functools import cached_property
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from common.cloudfront import UrlSigner, with_cryptography
from deploy.attack import wire
from deploy.attack.case import Attack, case
from deploy.signing_keys import Algorithm, key_pair
from deploy.verify import page
from deploy.verify.people import User, sign_in
from deploy.verify.requests import Answer
from deploy.verify.video import FILES, Shop

_HOUR = 3600
_ELSEWHERE = "203.0.113.7"
"""An address of nobody: RFC 5737."""


class _Film(Shop):
    prefix = "attack"


class Links(Attack):
    """The shop has two films. The attacker has a link to one of them, or to none."""

    kind = "signed links"
    app = "video-app"

    @case
    def no_signature(self) -> None:
        """Everybody watches every film."""
        for name in FILES:
            self._closed(f"/videos/{self._film.film}/{name}")

    @case
    def an_expired_link(self) -> None:
        """A link that was shared once works forever."""
        self._closed(self._link(self._film, expires=int(time.time()) - 1))

    @case
    def a_link_whose_expiry_is_moved(self) -> None:
        """Who pays once watches forever."""
        link = self._link(self._film)
        expires = dict(parse_qsl(urlsplit(link).query))["Expires"]
        for later in (str(int(expires) + _HOUR), "2147483647", f"{expires}0", f"{expires}&Expires=2147483647"):
            self._closed(link.replace(f"Expires={expires}", f"Expires={later}"))

    @case
    def a_link_that_is_not_valid_yet(self) -> None:
        """A film can be watched before its release."""
        self._closed(self._link(self._film, starts=int(time.time()) + _HOUR))

    @case
    def a_link_of_one_film_for_another(self) -> None:
        """Who pays for one film watches all."""
        self._closed(self._link(self._film).replace(self._film.film, self._other.film))

    @case
    def a_policy_that_is_widened(self) -> None:
        """Who pays for one film watches all."""
        mine = f"{self._site}/videos/{self._film.film}/*"
        link = self._link(self._film, resource=mine)
        policy = dict(parse_qsl(urlsplit(link).query))["Policy"]
        for resource in (f"{self._site}/videos/*", "*", f"{self._site}/videos/{self._other.film}/*"):
            text = json.loads(_decoded(policy))
            text["Statement"][0]["Resource"] = resource
            widened = link.replace(policy, _encoded(json.dumps(text, separators=(",", ":")).encode()))
            self._closed(widened)
            self._closed(widened.replace(self._film.film, self._other.film))

    @case
    def two_statements_in_a_policy(self) -> None:
        """A second statement opens what the first does not (CloudFront allows one)."""
        ends = {"DateLessThan": {"AWS:EpochTime": int(time.time()) + _HOUR}}
        resources = (f"{self._site}/videos/{self._film.film}/*", "*")
        policy = json.dumps({"Statement": [{"Resource": each, "Condition": ends} for each in resources]}).encode()
        signature = with_cryptography(self._key["private_key"], "SHA1")(policy)
        query = f"Policy={_encoded(policy)}&Signature={_encoded(signature)}&Key-Pair-Id={self._key['key_id']}"
        self._closed(f"/videos/{self._other.film}/video.mp4?{query}")

    @case
    def a_link_signed_by_a_key_of_the_attacker(self) -> None:
        """Anybody signs links."""
        algorithms: tuple[Algorithm, ...] = ("rsa", "ecdsa")
        for algorithm in algorithms:
            own = UrlSigner(self._key["key_id"], key_pair(algorithm)[0])
            self._closed(self._link(self._film, by=own))

    @case
    def a_key_that_another_distribution_trusts(self) -> None:
        """Who can add a key to any distribution of CloudFront signs links to these films."""
        private, public = key_pair("ecdsa")
        cloudfront = self.client("cloudfront")
        config = {"CallerReference": self.name, "Name": self.name, "EncodedKey": public}
        made = cloudfront.create_public_key(PublicKeyConfig=config)
        key_id = made["PublicKey"]["Id"]
        self.remove_later("public key", lambda: cloudfront.delete_public_key(Id=key_id, IfMatch=made["ETag"]))
        self._closed(self._link(self._film, by=UrlSigner(key_id, private)))

    @case
    def a_signature_that_is_cut_off_or_empty(self) -> None:
        """Anybody signs links."""
        link = self._link(self._film)
        signature = dict(parse_qsl(urlsplit(link).query))["Signature"]
        for changed in ("", signature[:-4], "A" * len(signature), f"{signature}{signature}"):
            self._closed(link.replace(signature, changed))
        self._closed(link.replace(f"&Signature={signature}", ""))

    @case
    def another_hash_algorithm(self) -> None:
        """A weaker hash makes signatures that can be forged."""
        for name in ("MD5", "SHA256", "none", ""):
            self._closed(f"{self._link(self._film)}&Hash-Algorithm={name}")

    @case
    def a_link_that_is_bound_to_another_address(self) -> None:
        """A link for one viewer works for everybody."""
        link = self._link(self._film, source=_ELSEWHERE)
        for headers in (
            (),
            (f"X-Forwarded-For: {_ELSEWHERE}",),
            (f"CloudFront-Viewer-Address: {_ELSEWHERE}:1",),
            (f"X-Real-IP: {_ELSEWHERE}", f"True-Client-IP: {_ELSEWHERE}", f"Forwarded: for={_ELSEWHERE}"),
        ):
            self._closed(link, *headers)

    @case
    def cookies_of_one_film_for_another(self) -> None:
        """Who pays for one film watches all."""
        folder = f"{self._site}/videos/{self._film.film}/*"
        cookies = self._signer.cookies(folder, int(time.time()) + _HOUR)
        header = f"Cookie: {'; '.join(f'{name}={value}' for name, value in cookies.items())}"
        self.allowed(wire.ask(self._site, self._path(f"/videos/{self._film.film}/video.mp4"), header))
        for name in FILES:
            self._closed(f"/videos/{self._other.film}/{name}", header)
        for way in _detours(self._film.film, self._other.film):
            self._closed(way, header)

    @case
    def a_wildcard_link_with_dots_in_its_path(self) -> None:
        """Who pays for one film watches all."""
        folder = f"/videos/{self._film.film}/"
        query = self._link(self._film, resource=f"{self._site}{folder}*").partition("?")[2]
        for way in _detours(self._film.film, self._other.film):
            self._closed(f"{way}?{query}")

    @case
    def a_film_by_the_path_of_something_public(self) -> None:
        """Everybody watches every film."""
        film = f"videos/{self._film.film}/video.mp4"
        for before in (
            "/posters/../",
            "/posters/..%2f",
            "/posters/%2e%2e/",
            "/api/../",
            "/./",
            "//",
            "/%2e/",
            "/x/../",
        ):
            self._closed(before + film)
        for spelling in (film.replace("/", "//"), film.replace("v", "%76", 1), film.replace("videos/", "videos%2f")):
            self._closed(f"/{spelling}")
        for spelling in ("VIDEOS/", "videos;a=b/", "videos%00/", "videos\\"):
            self._closed(f"/{film.replace('videos/', spelling)}")

    @case
    def a_film_from_the_bucket(self) -> None:
        """Everybody watches every film, past the edge."""
        key, bucket = f"videos/{self._film.film}/video.mp4", self.outputs()["OriginBucket"]
        anonymous = boto3.Session().client("s3", config=Config(signature_version=UNSIGNED))
        for attempt in (anonymous.get_object, anonymous.head_object):
            try:
                attempt(Bucket=bucket, Key=key)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                self.expect(status == 403, "403", status)
            else:
                self.without(True, f"s3://{bucket}/{key}")
        try:
            anonymous.list_objects_v2(Bucket=bucket)
        except ClientError:
            return
        self.without(True, f"the list of s3://{bucket}")

    @case
    def a_link_without_a_payment(self) -> None:
        """Everybody watches every film."""
        viewer, path = self._viewer.api(f"{self._site}/api"), f"/videos/{self._film.film}"
        for method, way in (("GET", f"{path}/link"), ("GET", f"{path}/link?bind=address"), ("POST", f"{path}/session")):
            self.refused(viewer.send(method, way), 403)

    @case
    def a_link_to_a_film_with_another_spelling_of_its_id(self) -> None:
        """A film has a second name, for which nobody asks for a payment."""
        viewer = self._viewer.api(f"{self._site}/api")
        film = self._film.film
        for spelling in (film.upper(), f"{film}%20", f"%20{film}", f"{film}%00", f"{film}%2f", f"{film}/", f"*{film}"):
            answer = viewer.get(f"/videos/{spelling}/link")
            self.refused(answer, 400, 403, 404)

    @cached_property
    def _site(self) -> str:
        return page.site_url(self)

    @cached_property
    def _film(self) -> _Film:
        """A film. A link to it works, through every edge location that this computer reaches."""
        film = self._published()
        link = f"/videos/{film.film}/video.mp4"
        signed = self._signer.url(self._site + link, int(time.time()) + _HOUR)
        self.until(lambda: self._get(signed), lambda answer: answer.status == 200, "the film")
        return film

    @cached_property
    def _other(self) -> _Film:
        return self._published()

    def _published(self) -> _Film:
        film = _Film(self.stage, self.longest)

        def remove() -> None:
            if left := film.remove():
                raise RuntimeError("; ".join(left))

        self.remove_later("film", remove)
        film.publish()
        return film

    @cached_property
    def _key(self) -> dict[str, str]:
        """The key of the stage. It makes the links that an attacker could have been given."""
        secret = self.client("secretsmanager").get_secret_value(SecretId=self.outputs()["SigningKeySecret"])
        key: dict[str, str] = json.loads(secret["SecretString"])
        return key

    @cached_property
    def _signer(self) -> UrlSigner:
        return UrlSigner(self._key["key_id"], self._key["private_key"])

    @cached_property
    def _viewer(self) -> User:
        return sign_in(self, "viewer")

    def _link(
        self,
        film: _Film,
        *,
        expires: int = 0,
        starts: int | None = None,
        source: str | None = None,
        resource: str | None = None,
        by: UrlSigner | None = None,
    ) -> str:
        """Return path and query of a link to the film."""
        url, ends = f"{self._site}/videos/{film.film}/video.mp4", expires or int(time.time()) + _HOUR
        if starts is not None:
            ends = starts + _HOUR
        link = (by or self._signer).url(url, ends, starts=starts, source=source, resource=resource)
        return link.removeprefix(self._site)

    def _get(self, url: str) -> Answer:
        return wire.ask(self._site, self._path(url.removeprefix(self._site)))

    def _path(self, target: str) -> str:
        return wire.path(self._site).rstrip("/") + target

    def _closed(self, target: str, *headers: str) -> None:
        """Raise Admitted if the target, path and query, shows anything of a film."""
        answer = wire.ask(self._site, self._path(target), *headers)
        shown = any(content in answer.body for name, content in FILES.items() if name != "poster.jpg")
        self.without(shown, f"the film for {target.partition('?')[0]}")
        self.refused(answer, 400, 403, 404, 301, 302, 307, 308)


def _detours(film: str, other: str) -> list[str]:
    """Return paths that begin in the folder of a film and end at another."""
    start = f"/videos/{film}"
    return [
        f"{start}/{dots}{slash}{other}{slash}video.mp4"
        for dots in ("..", "%2e%2e", ".%2e", "..;", "%252e%252e")
        for slash in ("/", "%2f", "%5c", "%252f", "\\")
    ]


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")))


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))
