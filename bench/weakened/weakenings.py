"""The guards that are taken from the copy, and the cases that then succeed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """In *file*, the text *guard*, which occurs there once, becomes *without*."""

    file: str
    guard: str
    without: str

    def apply(self, tree: Path) -> None:
        """Change the file in *tree*. Raises ValueError unless the guard occurs once."""
        path = tree / self.file
        text = path.read_text()
        if text.count(self.guard) != 1:
            raise ValueError(f"{self.file} has {text.count(self.guard)} times: {self.guard}")
        path.write_text(text.replace(self.guard, self.without))


@dataclass(frozen=True)
class Weakening:
    """Changes that together admit the *cases* of one *kind* of attacks."""

    kind: str
    cases: tuple[str, ...]
    changes: tuple[Change, ...]


def admitted_cases() -> set[str]:
    """Return the cases that the copy admits, with their kind."""
    return {f"{each.kind}: {case}" for each in WEAKENINGS for case in each.cases}


_ANY_TOKEN = """        import base64, json

        part = (str(request[0].get("authorization", "")) + "..").split(".")[1]
        try:
            claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError:
            claims = {"sub": "anybody"}
        return claims, None
"""

WEAKENINGS = (
    Weakening(
        "tokens",
        (
            "no token",
            "an empty token",
            "a token in the query or a cookie",
            "a token without a signature",
            "a token signed by the public key as a secret",
            "a token signed by a key of the attacker",
            "a token that brings its own key",
            "a key id that is a path or a query",
            "changed claims with the signature kept",
            "another spelling of the signature",
            "an access token for an ID token",
            "a refresh token for an ID token",
            "a token of another user pool",
            "a token for another client of the user pool",
            "an expired token",
        ),
        (
            Change(
                "localaws/apigateway/cognito_authorizer.py",
                "        claims, error = await validate(authorizer, method, *request)\n",
                _ANY_TOKEN + "        claims, error = await validate(authorizer, method, *request)\n",
            ),
            Change(
                "common/cognito.py",
                'if claims.get("token_use") != "id" or claims.get("aud") != client_id or not claims.get("sub"):',
                'if not claims.setdefault("sub", "anybody"):',
            ),
        ),
    ),
    Weakening(
        "tokens",
        ("the address of another without its code",),
        (
            Change(
                "localaws/cognito/username_case.py",
                '            data = data | {"Username": next(stored, name)}\n        return create(data)\n',
                '            data = data | {"Username": next(stored, name)}\n        answer = create(data)\n'
                '        for user in pool["_users"].values() if pool else ():\n'
                '            user["UserStatus"] = "CONFIRMED"\n        return answer\n',
            ),
        ),
    ),
    Weakening(
        "signatures",
        ("no signature",),
        (
            Change(
                "blog-app/app.py",
                '@app.route("/photos", methods=["POST"], authorizer=authors)',
                '@app.route("/photos", methods=["POST"])',
            ),
        ),
    ),
    Weakening(
        "signatures",
        (
            "the authors key id with another secret",
            "a key that does not exist",
            "a signature for another body",
            "a signature for another path",
            "a signature for another method",
            "a request of an hour ago once more",
            "a signature for another service",
        ),
        (
            Change(
                "localaws/apigateway/signature_scope.py",
                "        scope = gateway.find_api_scope(api_id)\n",
                "        return None\n        scope = gateway.find_api_scope(api_id)\n",
            ),
        ),
    ),
    Weakening(
        "signatures",
        ("the authors key in another service",),
        (
            Change(
                "blog-app/resources.yaml",
                "          - Effect: Allow\n            Action: execute-api:Invoke\n",
                "          - {Effect: Allow, Action: '*', Resource: '*'}\n"
                "          - Effect: Allow\n            Action: execute-api:Invoke\n",
            ),
        ),
    ),
    Weakening(
        "signed links",
        (
            "no signature",
            "an expired link",
            "a link whose expiry is moved",
            "a link that is not valid yet",
            "a link of one film for another",
            "a policy that is widened",
            "two statements in a policy",
            "a link signed by a key of the attacker",
            "a key that another distribution trusts",
            "a signature that is cut off or empty",
            "another hash algorithm",
            "a link that is bound to another address",
            "cookies of one film for another",
            "a wildcard link with dots in its path",
            "a film by the path of something public",
        ),
        (
            Change(
                "localaws/cloudfront/signed.py",
                '    if "/.." in unquote(bare.path):\n',
                "    import posixpath\n\n    return replace(bare, path=posixpath.normpath(unquote(bare.path)))\n"
                '    if "/.." in unquote(bare.path):\n',
            ),
        ),
    ),
    Weakening(
        "signed links",
        ("a film from the bucket",),
        (
            Change(
                "video-app/edge.yaml",
                "          - Sid: OnlyTls\n            Effect: Deny\n            Principal: '*'\n"
                "            Action: s3:*\n"
                "            Resource: [!Sub 'arn:${AWS::Partition}:s3:::${OriginBucket}', "
                "!Sub 'arn:${AWS::Partition}:s3:::${OriginBucket}/*']\n"
                "            Condition: {Bool: {aws:SecureTransport: 'false'}}\n",
                "          - Sid: Everybody\n            Effect: Allow\n            Principal: '*'\n"
                "            Action: s3:GetObject\n"
                "            Resource: !Sub 'arn:${AWS::Partition}:s3:::${OriginBucket}/*'\n",
            ),
            Change(
                "video-app/resources.yaml",
                "-content-${AWS::AccountId}-${AWS::Region}\n"
                "      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}\n"
                "      PublicAccessBlockConfiguration: {BlockPublicAcls: true, BlockPublicPolicy: true, "
                "IgnorePublicAcls: true, RestrictPublicBuckets: true}\n",
                "-content-${AWS::AccountId}-${AWS::Region}\n"
                "      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}\n"
                "      PublicAccessBlockConfiguration: {BlockPublicAcls: true, BlockPublicPolicy: false, "
                "IgnorePublicAcls: true, RestrictPublicBuckets: false}\n",
            ),
        ),
    ),
    Weakening(
        "signed links",
        ("a link without a payment", "a link to a film with another spelling of its id"),
        (
            Change(
                "video-app/chalicelib/entitlements.py",
                '        raise NotEntitled("this video is for its buyers and for premium users")\n',
                '        return Access("purchase")\n',
            ),
            Change(
                "common/rest.py",
                "{name: unquote(value) for name, value in parameters.items()}",
                '{name: unquote(value).strip(" *\\0/").lower() for name, value in parameters.items()}',
            ),
        ),
    ),
    Weakening(
        "another user",
        (
            "another users todo by its id",
            "another users todo from the caches",
            "another users list from the caches",
            "a cached list without a token",
            "the owner in the query",
            "another users page by its cursor",
            "another users idempotency key",
        ),
        (
            Change(
                "todo-app/app.py",
                "    return cognito.caller(app, wiring.settings().user_pool_client_id)\n",
                '    return "everybody"\n',
            ),
        ),
    ),
    Weakening(
        "another user",
        ("a todo in another users name", "fields that only the server sets"),
        (
            Change(
                "todo-app/chalicelib/todos.py",
                "class NewTodo(Struct, forbid_unknown_fields=True, omit_defaults=True):",
                "class NewTodo(Struct, omit_defaults=True):",
            ),
        ),
    ),
    Weakening(
        "another user",
        ("another users file", "the credentials of a folder in other services", "credentials without signing in"),
        (
            Change(
                "todo-app/resources.yaml",
                "              - Sid: Files\n",
                "              - {Sid: All, Effect: Allow, Action: '*', Resource: '*'}\n              - Sid: Files\n",
            ),
            Change(
                "todo-app/resources.yaml",
                "AllowUnauthenticatedIdentities: false",
                "AllowUnauthenticatedIdentities: true",
            ),
        ),
    ),
    Weakening(
        "another user",
        ("credentials for another users identity",),
        (
            Change(
                "localaws/cognito/guest_identities.py",
                "        error = check_logins(pool, identity_id, logins)\n",
                "        error = None\n",
            ),
        ),
    ),
    Weakening(
        "another user",
        ("an upload into another users folder", "an upload that is larger or of another type"),
        (
            Change(
                "localaws/s3/post_forms.py",
                "        rejection = enforce(fields, bucket, region, size, sigv4)\n",
                "        return None\n        rejection = enforce(fields, bucket, region, size, sigv4)\n",
            ),
        ),
    ),
    Weakening(
        "payments",
        (
            "an event without a signature",
            "an event signed by another key",
            "a signature of another event",
            "a signature of the body without its time",
            "an old event with its own signature",
            "an old event under a newer time",
            "a signature by an older scheme",
        ),
        (
            Change(
                "video-app/chalicelib/stripe.py",
                '    pairs = [part.partition("=")[::2] for part in signature.split(",")]\n',
                '    return\n    pairs = [part.partition("=")[::2] for part in signature.split(",")]\n',
            ),
        ),
    ),
    Weakening(
        "payments",
        ("a session that is not paid",),
        (
            Change(
                "video-app/chalicelib/stripe.py",
                'session.payment_status != "paid" or about is None',
                "about is None",
            ),
        ),
    ),
    Weakening(
        "payments",
        ("a payment of another stage",),
        (
            Change(
                "video-app/chalicelib/stripe.py",
                'metadata is None or metadata.get("stage") != self._stage',
                "metadata is None",
            ),
        ),
    ),
    Weakening(
        "payments",
        (
            "a payment once more after its refund",
            "a payment twice",
        ),
        (
            Change(
                "video-app/chalicelib/payment_table.py",
                "return self._update(event.payment, fact",
                'return self._update(f"{event.payment}-{id(event)}", fact',
            ),
        ),
    ),
    Weakening(
        "payments",
        ("a price of the buyers choice",),
        (
            Change(
                "video-app/chalicelib/checkout.py",
                "class PlanOrder(Struct, forbid_unknown_fields=True):",
                "class PlanOrder(Struct):",
            ),
        ),
    ),
)

NOT_WEAKENED = {
    "another user: another users folder by dots": "S3 has no folders: a key with dots is another key",
}
"""Cases whose guard is not in the suite, and why."""
