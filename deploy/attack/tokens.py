"""Tokens that nobody issued, or for something else, and requests that the author of a blog did not sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from deploy.attack.case import Attack, case
from deploy.verify.people import User, address, sign_in, with_secret
from deploy.verify.requests import Answer, Api

_ROUTES = (("GET", "/todos"), ("POST", "/todos"), ("GET", "/cached/todos"), ("GET", "/files"))
type _Part = dict[str, Any]


def _encoded(part: bytes | _Part) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(part: str) -> _Part:
    found: _Part = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


class Tokens(Attack):
    """Ann is a user. The attacker wants to be her."""

    kind = "tokens"
    app = "todo-app"

    @case
    def no_token(self) -> None:
        """Everybody reads and writes todos."""
        for method, path in _ROUTES:
            self.refused(Api(self.http, self.api()).send(method, path, _body(method)), 401)

    @case
    def an_empty_token(self) -> None:
        """Everybody reads and writes todos."""
        for token in ("", "Bearer ", "Bearer", "null", "undefined", "...", "x"):
            self._refuse(token)

    @case
    def a_token_in_the_query_or_a_cookie(self) -> None:
        """Tokens that are sent where logs and other sites see them would work."""
        token = self._ann.id_token
        for path in (f"/todos?Authorization={token}", f"/todos?access_token={token}"):
            self.refused(self.http.get(self.api() + path), 401)
        self.refused(self.http.get(f"{self.api()}/todos", Cookie=f"Authorization={token}"), 401)

    @case
    def a_token_without_a_signature(self) -> None:
        """Anybody writes a token for any user (RFC 8725, section 2.1)."""
        for algorithm in ("none", "None", "NONE", "nOnE", "", None):
            self._refuse(f"{_encoded(self._header | {'alg': algorithm})}.{_encoded(self._claims)}.")
        self._refuse(f"{_encoded(self._header)}.{_encoded(self._claims)}.")

    @case
    def a_token_signed_by_the_public_key_as_a_secret(self) -> None:
        """Anybody signs tokens, since the key is public (RFC 8725, section 2.1)."""
        key = self._public_key
        numbers = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
        pem = numbers.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        for secret in (pem, pem.strip(), json.dumps(key).encode(), key["n"].encode(), b""):
            self._refuse(_hmac_token(self._header | {"alg": "HS256"}, self._claims, secret))

    @case
    def a_token_signed_by_a_key_of_the_attacker(self) -> None:
        """Anybody signs tokens."""
        self._refuse(_rsa_token(self._header, self._claims))

    @case
    def a_token_that_brings_its_own_key(self) -> None:
        """Anybody signs tokens, or makes the API read a URL of theirs (RFC 8725, section 3.10)."""
        key = {"kty": "RSA", "kid": "own", "alg": "RS256", "use": "sig", "e": "AQAB", "n": _encoded(_modulus())}
        for header in (
            {"jwk": key},
            {"jku": "https://attacker.example/jwks.json"},
            {"x5u": "https://attacker.example/key.pem"},
            {"x5c": [base64.b64encode(b"certificate").decode()]},
        ):
            self._refuse(_rsa_token(self._header | header, self._claims))
            self._refuse(_rsa_token(self._header | header | {"kid": "own"}, self._claims))

    @case
    def a_key_id_that_is_a_path_or_a_query(self) -> None:
        """Anybody signs tokens, by a key that they choose among the server's files."""
        key_ids: tuple[Any, ...] = ("../../../dev/null", "/dev/null", "' OR '1'='1", "|id", "", None, ["a"], {})
        for key_id in key_ids:
            for token in (
                _hmac_token(self._header | {"alg": "HS256", "kid": key_id}, self._claims, b""),
                _rsa_token(self._header | {"kid": key_id}, self._claims),
            ):
                self._refuse(token)

    @case
    def changed_claims_with_the_signature_kept(self) -> None:
        """A user turns into another user."""
        signature = self._ann.id_token.rpartition(".")[2]
        other = {"sub": "00000000-0000-4000-8000-000000000000", "cognito:username": "bob", "exp": 4102444800}
        for name, value in other.items():
            self._refuse(f"{_encoded(self._header)}.{_encoded(self._claims | {name: value})}.{signature}")

    @case
    def another_spelling_of_the_signature(self) -> None:
        """A token that was withdrawn by its text comes back under another text."""
        head, _, signature = self._ann.id_token.rpartition(".")
        for changed in (signature[:-10], signature[::-1], f"{signature}.{signature}", "A" * len(signature)):
            self._refuse(f"{head}.{changed}")

    @case
    def an_access_token_for_an_ID_token(self) -> None:
        """A token for another purpose signs in."""
        self._refuse(self._ann.access_token)

    @case
    def a_refresh_token_for_an_ID_token(self) -> None:
        """A token for another purpose signs in."""
        self._refuse(self._ann.refresh_token)

    @case
    def a_token_of_another_user_pool(self) -> None:
        """Who can sign up in any other app is a user of this one."""
        self.need("video-app")
        self._refuse(sign_in(self, "stranger", app="video-app").id_token)

    @case
    def a_token_for_another_client_of_the_user_pool(self) -> None:
        """A token that its user gave to another app works here (RFC 8725, section 3.9)."""
        cognito, pool = self.client("cognito-idp"), self.outputs()["UserPoolId"]
        made = cognito.create_user_pool_client(
            UserPoolId=pool,
            ClientName=self.name,
            ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]
        self.remove_later("client", lambda: cognito.delete_user_pool_client(UserPoolId=pool, ClientId=made))
        self._refuse(sign_in(self, "other-client", client_id=made).id_token)

    @case
    def an_expired_token(self) -> None:
        """A token that was stolen once works forever."""
        self.need_local("on AWS a token lives at least five minutes")
        cognito, resources = self.client("cognito-idp"), self.outputs()
        names = {"UserPoolId": resources["UserPoolId"], "ClientId": resources["UserPoolClientId"]}
        client = cognito.describe_user_pool_client(**names)["UserPoolClient"]
        kept = {
            name: client[name]
            for name in ("ClientName", "ExplicitAuthFlows", "AccessTokenValidity", "RefreshTokenValidity")
        }
        units = client["TokenValidityUnits"]
        cognito.update_user_pool_client(
            **names, **kept, IdTokenValidity=1, TokenValidityUnits=units | {"IdToken": "seconds"}
        )
        try:
            token = sign_in(self, "late").id_token
        finally:
            validity = {"IdTokenValidity": client["IdTokenValidity"], "TokenValidityUnits": units}
            cognito.update_user_pool_client(**names, **kept, **validity)
        time.sleep(max(0, _decoded(token.split(".")[1])["exp"] - time.time() + 1))
        self._refuse(token)

    @case
    def the_address_of_another_without_its_code(self) -> None:
        """An attacker signs up with an address that is not theirs, and reads what is shared with it."""
        anonymous: Any = boto3.Session().client("cognito-idp", config=Config(signature_version=UNSIGNED))
        resources, email, password = self.outputs(), address(self, "victim"), f"Aa1-{self.name}-Zz9"
        cognito = self.client("cognito-idp")
        self.remove_later(
            f"user {email}",
            lambda: cognito.admin_delete_user(UserPoolId=resources["UserPoolId"], Username=email),
        )
        anonymous.sign_up(ClientId=resources["UserPoolClientId"], Username=email, Password=password)
        try:
            signed_in = anonymous.initiate_auth(
                ClientId=resources["UserPoolClientId"],
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": email, "PASSWORD": password},
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self.expect(code in ("UserNotConfirmedException", "NotAuthorizedException"), "a refusal", code)
        else:
            self.without("AuthenticationResult" in signed_in, "a token")

    @cached_property
    def _ann(self) -> User:
        ann = sign_in(self, "ann")
        self.allowed(ann.api(self.api()).get("/todos"))
        return ann

    @property
    def _header(self) -> _Part:
        return _decoded(self._ann.id_token.split(".")[0])

    @property
    def _claims(self) -> _Part:
        return _decoded(self._ann.id_token.split(".")[1])

    @cached_property
    def _public_key(self) -> _Part:
        """The key that signed the token, from where the pool publishes it."""
        answer = self.http.get(f"{self._claims['iss']}/.well-known/jwks.json")
        keys = self.allowed(answer).json["keys"]
        return next(key for key in keys if key["kid"] == self._header["kid"])

    def _refuse(self, token: str) -> None:
        for method, path in _ROUTES:
            api = Api(self.http, self.api(), {"Authorization": token})
            self.refused(api.send(method, path, _body(method)), 401)


def _body(method: str) -> _Part | None:
    return {"title": "attack"} if method == "POST" else None


def _hmac_token(header: _Part, claims: _Part, secret: bytes) -> str:
    text = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{text}.{_encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


@cache
def _own_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _rsa_token(header: _Part, claims: _Part) -> str:
    text = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{text}.{_encoded(_own_key().sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _modulus() -> bytes:
    number = _own_key().public_key().public_numbers().n
    return number.to_bytes((number.bit_length() + 7) // 8)


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class Signatures(Attack):
    """The author signs requests with an access key. The attacker wants to publish."""

    kind = "signatures"
    app = "blog-app"

    @case
    def no_signature(self) -> None:
        """Everybody publishes."""
        for method, path in (("POST", "/posts"), ("PUT", "/posts/x"), ("DELETE", "/posts/x"), ("POST", "/photos")):
            self.refused(Api(self.http, self.api()).send(method, path, {}), 403)

    @case
    def the_authors_key_id_with_another_secret(self) -> None:
        """Who has seen the id of the key publishes."""
        key = Credentials(self._credentials.access_key, "x" * 40)
        self.refused(Api(self.http, self.api(), signer=key, region=self.region).send("POST", "/posts", {}), 403)

    @case
    def a_key_that_does_not_exist(self) -> None:
        """Everybody publishes."""
        key = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        self.refused(Api(self.http, self.api(), signer=key, region=self.region).send("POST", "/posts", {}), 403)

    @case
    def a_signature_for_another_body(self) -> None:
        """Who can change a request on its way publishes their own text."""
        self.refused(self._signed("POST", "/posts", b'{"slug": "a"}', sent=b'{"slug": "b"}'), 403)

    @case
    def a_signature_for_another_path(self) -> None:
        """Who can change a request on its way deletes any post."""
        self.refused(self._signed("DELETE", f"/posts/{self.name}-a", sent_path=f"/posts/{self.name}-b"), 403)

    @case
    def a_signature_for_another_method(self) -> None:
        """A request to read becomes one to delete."""
        self.refused(self._signed("GET", f"/posts/{self.name}", sent_method="DELETE"), 403)

    @case
    def a_request_of_an_hour_ago_once_more(self) -> None:
        """A request that was recorded once works forever."""
        self.refused(self._signed("POST", "/posts", b"{}", age=timedelta(hours=1)), 403)

    @case
    def a_signature_for_another_service(self) -> None:
        """A signature that was given for a file publishes a post."""
        self.refused(self._signed("POST", "/posts", b"{}", service="s3"), 403)

    @case
    def the_authors_key_in_another_service(self) -> None:
        """Who has the key of the author reads the data of the users."""
        session = boto3.Session(self._credentials.access_key, self._credentials.secret_key, region_name=self.region)
        tables, buckets = session.client("dynamodb"), session.client("s3")
        attempts = {
            "the table of subscribers": lambda: tables.scan(TableName=self.outputs()["SubscribersTable"], Limit=1),
            "the list of buckets": buckets.list_buckets,
            "the author's secret": lambda: session.client("secretsmanager").get_secret_value(
                SecretId=self.outputs()["AuthorSecret"]
            ),
            "a user": lambda: session.client("iam").list_users(),
        }
        for what, attempt in attempts.items():
            try:
                attempt()
            except ClientError as error:
                code = error.response["Error"]["Code"]
                self.expect("AccessDenied" in code, "AccessDenied", code)
            else:
                self.without(True, what)

    @cached_property
    def _credentials(self) -> Credentials:
        author = with_secret(self, self.api(), self.outputs()["AuthorSecret"])
        assert isinstance(author.signer, Credentials)
        self.allowed(author.send("DELETE", f"/posts/{self.name}"), 404, 204)
        return author.signer

    def _signed(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        sent: bytes | None = None,
        sent_path: str = "",
        sent_method: str = "",
        age: timedelta = timedelta(),
        service: str = "execute-api",
    ) -> Answer:
        """Sign one request, and send another."""
        request = AWSRequest(method, self.api() + path, {"Content-Type": "application/json"}, body)
        signer = SigV4Auth(self._credentials, service, self.region)
        request.context["timestamp"] = f"{datetime.now(UTC) - age:%Y%m%dT%H%M%SZ}"
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
        content = body if sent is None else sent
        url = self.api() + (sent_path or path)
        return self.http.send(sent_method or method, url, content or None, dict(request.headers.items()))
