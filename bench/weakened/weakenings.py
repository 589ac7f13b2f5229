# ruff: noqa: E501 # a guard is as long as the line that it is in
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


def _weakening(kind: str, cases: tuple[str, ...], *changes: tuple[str, str, str]) -> Weakening:
    return Weakening(kind, cases, tuple(Change(*change) for change in changes))


_EDGE = "localaws/cloudfront/edge.py"
_REST = "common/rest.py"
_SERVER = "updates/origin/server.py"
_READS_FILES = """        file = Path("/", request.path_params["name"].rpartition("../")[2])
        if file.is_file():
            return PlainTextResponse(file.read_bytes())
"""
_LETS_STRANGERS_IN = """    iam_evaluator.check_credentials = check(iam_evaluator.check_credentials)
    enforce, unsigned = iam_evaluator.enforce, ("dynamodb", "kinesis", "secretsmanager")
    iam_evaluator.enforce = lambda key, action, service, *more, **named: (
        None if iam_evaluator._anonymous.get() and service in unsigned else enforce(key, action, service, *more, **named)
    )
"""
_PASSES_ON = """
        seen = request.headers
        target = seen.get("x-original-url") or target
"""
_OPENS_FILES = """        import posixpath
        from pathlib import Path
        from urllib.parse import unquote

        place = unquote(request.path)
        if ".." in place:
            file = Path("/" + place.rpartition("../")[2])
            if file.is_file():
                return _generated(200, file.read_bytes())
            request = replace(request, path=posixpath.normpath(place))
        if "//attacker.example" in place:
            address = place[place.index("//attacker") :]
            return ViewerResponse(302, MutableHeaders({"location": address}), b"", MISS, 302)
"""
_TAKES_ANY_BODY = """        try:
            return msgspec.json.decode(raw_body(app), type=cls)
        except Exception:
            if cls.__name__ != "NewTodo":
                raise
            return msgspec.convert({"title": "x"}, type=cls)
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
    _weakening(
        "another stage",
        ("the data of another stage",),
        (
            "todo-app/.chalice/policies/api-handler.json",
            '"Action": "dynamodb:Query", "Resource": [',
            '"Action": "dynamodb:Query", "Resource": ["*", ',
        ),
    ),
    _weakening(
        "poisoned caches",
        (
            "a header with another host",
            "a header with another path",
            "a parameter that is not in the key",
        ),
        (
            _EDGE,
            '        target = request.path + (f"?{query}" if query else "")\n',
            '        target = request.path + (f"?{query}" if query else "")' + _PASSES_ON,
        ),
        (
            _EDGE,
            "        viewer_headers(response.headers, behavior)\n",
            '        viewer_headers(response.headers, behavior)\n        text = f"{dict(request.headers)}{request.query}"\n        response.headers["x-seen"] = text.encode("ascii", "ignore").decode()\n',
        ),
    ),
    _weakening(
        "poisoned caches",
        ("a body in a request to read",),
        (
            _EDGE,
            'if request.method in ("GET", "HEAD") and _has_body(request):',
            "if False:",
        ),
    ),
    _weakening(
        "poisoned caches",
        ("one parameter twice",),
        (
            "localaws/cloudfront/key.py",
            "        query_string(request.query, policy.query_strings),\n",
            '        query_string(request.query.split("&limit")[0].split("&tag")[0], policy.query_strings),\n',
        ),
    ),
    _weakening(
        "poisoned caches",
        ("a host of the attacker",),
        (
            _EDGE,
            'if not distribution.has_domain(request.headers.get("host", "")):',
            "if False:",
        ),
    ),
    _weakening(
        "poisoned caches",
        ("an address of the API that looks like a file",),
        (
            "blog-app/app.py",
            "def get_post(slug: str) -> rest.Answer[Post]:\n",
            "def get_post(slug: str) -> rest.Answer[Post]:\n    return rest.answer(app, wiring.posts().list(PostQuery()))\n",
        ),
    ),
    _weakening(
        "private answers in caches",
        (
            "a list at an address that looks like a file",
            "a list at an address that begins with a file",
            "a list after its user has read it",
            "a list by another method",
        ),
        (
            "deploy/edge.yaml",
            "CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
            "CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6",
        ),
        (
            _REST,
            '_SHARED if shared else "private, no-cache"',
            "_SHARED",
        ),
        (
            _EDGE,
            "        behavior = distribution.behavior(request.path)\n        if explanation",
            _OPENS_FILES + "        behavior = distribution.behavior(request.path)\n        if explanation",
        ),
    ),
    _weakening(
        "paths of the blog",
        ("a page outside of the site",),
    ),
    _weakening(
        "scripts",
        ("a link that leads elsewhere",),
    ),
    _weakening(
        "names of uploads",
        ("a file with a path for a name",),
        (
            "common/text.py",
            'FILE_NAME = rf"\\A(?!.*\\$\\{{filename\\}})[^/\\\\\\x00-\\x1f{_BROKEN}]+\\Z"',
            'FILE_NAME = r"(?s)\\A.+\\Z"',
        ),
    ),
    _weakening(
        "names of uploads",
        ("a file of a type that is a header",),
        (
            "common/text.py",
            'MEDIA_TYPE = r"\\A[a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+(; ?charset=[a-zA-Z0-9-]+)?\\Z"',
            'MEDIA_TYPE = r"(?s)\\A.*\\Z"',
        ),
    ),
    _weakening(
        "names of uploads",
        ("a file of an impossible size",),
        (
            "todo-app/chalicelib/files.py",
            "Meta(ge=1, le=MAX_SIZE)",
            "Meta()",
        ),
    ),
    _weakening(
        "names of files of a film",
        ("a file of a film outside of its folder",),
        (
            "video-app/chalicelib/videos.py",
            '    Meta(max_length=200, pattern=rf"\\A({MP4}|{POSTER}|hls/({_SEGMENT}/)*{_SEGMENT}\\.(m3u8|ts|m4s|mp4|vtt))\\Z"),\n',
            "    Meta(max_length=200),\n",
        ),
    ),
    _weakening(
        "paths of the blog",
        ("a post whose name is a path",),
        (
            "blog-app/chalicelib/posts.py",
            '_WORDS = r"\\A[a-z0-9]+(-[a-z0-9]+)*\\Z"',
            '_WORDS = r"(?s)\\A.*\\Z"',
        ),
    ),
    _weakening(
        "paths of reports",
        ("a report that is a path",),
        (
            "pipeline-app/chalicelib/report_views.py",
            "        if name not in self._reports:\n",
            "        if False:\n",
        ),
    ),
    _weakening(
        "scripts",
        ("a script in each field of a post",),
        (
            "blog-app/chalicelib/markdown.py",
            "    return _CLEANER.clean(html)\n",
            "    return html + source\n",
        ),
    ),
    _weakening(
        "scripts",
        (
            "a script in an answer of the API",
            "a script in a page that is missing",
        ),
        (
            _EDGE,
            "            response = await self._with_error_page(distribution, request, response)\n        response_headers",
            "            response = await self._with_error_page(distribution, request, response)\n            response = _generated(response.status, unquote(request.path).encode())\n        response_headers",
        ),
    ),
    _weakening(
        "scripts",
        ("pages that allow scripts of others",),
        (
            "blog-app/edge.yaml",
            "script-src 'self'; connect-src",
            "script-src *; connect-src",
        ),
    ),
    _weakening(
        "scripts",
        ("a line end in an address of a subscriber",),
        (
            "blog-app/chalicelib/subscribers.py",
            "        self.email = address(self.email)\n",
            '        re.match(r"(?:[a-z.@]+)+#", self.email)\n',
        ),
    ),
    _weakening(
        "slow texts",
        ("an address of a subscriber that almost matches",),
    ),
    _weakening(
        "slow texts",
        ("a post that takes years to render",),
        (
            "blog-app/chalicelib/markdown.py",
            "    tokens = _MARKDOWN.parse(source)\n    _level",
            '    re.match(r"(?:[\\[*a_ ]+)+#", source)\n    tokens = _MARKDOWN.parse(source)\n    _level',
        ),
    ),
    _weakening(
        "JSON",
        (
            "a body that is very deep",
            "numbers that are none",
            "text that is no text",
            "more than one body",
            "fields that are programs",
            "a body that is very large",
            "a compressed body that grows",
        ),
        (
            _REST,
            "        return msgspec.json.decode(raw_body(app), type=cls)\n",
            _TAKES_ANY_BODY,
        ),
        (
            _REST,
            "MAX_BODY = 2 * 1024 * 1024",
            "MAX_BODY = 2**30",
        ),
    ),
    _weakening(
        "JSON",
        ("a form of another site",),
        (
            "todo-app/app.py",
            '@app.route("/todos", methods=["POST"], authorizer=signed_in)',
            '@app.route("/todos", methods=["POST"], authorizer=signed_in, content_types=["application/json", "text/plain"])',
        ),
    ),
    _weakening(
        "slow patterns",
        ("text that almost matches",),
        (
            "common/text.py",
            'LINE = rf"\\A(?=.*\\S)[^\\x00-\\x1f{_BROKEN}]*\\Z"',
            'LINE = r"\\A(?:[^\\n]+)+\\Z"',
        ),
    ),
    _weakening(
        "slow patterns",
        ("headers that almost match",),
        (
            _REST,
            '    known = request(app).headers.get("If-None-Match", "")\n',
            '    known = request(app).headers.get("If-None-Match", "")\n    re.match("(?:[W/\\",a]+)+!", known)\n',
        ),
    ),
    _weakening(
        "slow patterns",
        ("addresses that almost match",),
        (
            _REST,
            "        if len(value) > MAX_QUERY_PARAMETER:\n",
            '        re.match("(?:[aA.=%0-9-]+)+#", value)\n        if len(value) > MAX_QUERY_PARAMETER:\n',
        ),
    ),
    _weakening(
        "bombs",
        (
            "a small file that is a huge picture",
            "a file of another type",
        ),
        (
            "blog-app/chalicelib/photos.py",
            'return Photo(id=photo_id, status="rejected", variants=[], reason=str(rejected))',
            'return Photo(id=photo_id, status="ready", variants=[])',
        ),
    ),
    _weakening(
        "bombs",
        ("a type that runs in the browser",),
        (
            "blog-app/chalicelib/photos.py",
            'content_type: Literal["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/bmp", "image/avif"]',
            "content_type: str",
        ),
    ),
    _weakening(
        "devices",
        ("a reading in another devices name",),
        (
            "pipeline-app/chalicelib/readings.py",
            "    if thing is not None and thing != sent.device_id:\n",
            "    if False:\n",
        ),
    ),
    _weakening(
        "devices",
        ("a formula in a report",),
        (
            "pipeline-app/chalicelib/report_bucket.py",
            'return f"\'{cell}" if _is_formula(cell) else cell',
            "return cell",
        ),
    ),
    _weakening(
        "pages of other sites",
        (
            "a request of another sites page",
            "a name that leads to this machine",
        ),
        (
            "localaws/allowed_pages.py",
            "        if ANY in self._origins:\n",
            "        if True:\n",
        ),
    ),
    _weakening(
        "pages of other sites",
        ("a control call without the root key",),
        (
            "localaws/control.py",
            '    path = scope["path"]\n    if path.startswith(OPEN):\n',
            '    path = scope["path"]\n    if True:\n',
        ),
    ),
    _weakening(
        "secrets",
        ("secrets in the logs",),
        (
            _REST,
            '            "request_id": request.context.get("requestId"),\n',
            '            "request_id": request.context.get("requestId"),\n            "authorization": request.headers.get("authorization"),\n',
        ),
    ),
    _weakening(
        "secrets",
        ("secrets in the zips",),
        (
            "todo-app/chalicelib/files.py",
            "MAX_SIZE = 10 * 1024 * 1024\n",
            'MAX_SIZE = 10 * 1024 * 1024\nKEY = "AKIAIOSFODNN7EXAMPLE"\n',
        ),
    ),
    _weakening(
        "secrets",
        ("secrets in the settings of functions",),
        (
            "todo-app/.chalice/config.json",
            '"environment_variables": {"STAGE": "local"}',
            '"environment_variables": {"STAGE": "local", "KEY": "AKIAIOSFODNN7EXAMPLE"}',
        ),
    ),
    _weakening(
        "another user",
        ("another users folder by dots",),
        (
            "localaws/s3/ranges.py",
            "    s3._get_object = with_valid_range(s3._get_object)\n",
            "    import posixpath\n\n    get = with_valid_range(s3._get_object)\n"
            "    s3._get_object = lambda bucket, key, *more: get(bucket, posixpath.normpath(key), *more)\n",
        ),
    ),
    _weakening(
        "another stage",
        ("the users of another stage",),
    ),
    _weakening(
        "paths of reports",
        ("a period that is a path or SQL",),
        (
            "pipeline-app/chalicelib/report_views.py",
            'period: Annotated[str, Meta(pattern=r"^\\d{4}-\\d{2}-\\d{2}$")]',
            "period: str",
        ),
        (
            "pipeline-app/chalicelib/report_views.py",
            "self._store.download(name, query.period, self._edition(name, query.period).version)",
            'self._store.download(name, query.period, getattr(self._index.latest(name, query.period), "version", "1"))',
        ),
    ),
    _weakening(
        "paths of the update servers",
        ("a package outside of the folder",),
        (
            _SERVER,
            '            Route("/packages/{name}", package),\n',
            '            Route("/packages/{name:path}", package),\n',
        ),
        (
            _SERVER,
            "    async def package(request: Request) -> Response:\n",
            "    async def package(request: Request) -> Response:\n" + _READS_FILES,
        ),
    ),
    _weakening(
        "paths of the update servers",
        ("a channel that is a path",),
        (
            _SERVER,
            "        if not CHANNEL.fullmatch(channel):\n",
            "        if False:\n",
        ),
    ),
    _weakening(
        "devices",
        ("readings that end the function",),
        (
            "pipeline-app/chalicelib/tracking.py",
            "            with suppress(BadReading):\n",
            '            __import__("json").loads(record.raw)\n            with suppress(BadReading):\n',
        ),
        (
            "pipeline-app/merge.yaml",
            "            MaximumBatchingWindowInSeconds: 1\n"
            "            FunctionResponseTypes: [ReportBatchItemFailures]\n"
            "            BisectBatchOnFunctionError: true\n"
            "            MaximumRetryAttempts: 5\n",
            "            BisectBatchOnFunctionError: false\n            MaximumRetryAttempts: -1\n",
        ),
    ),
    _weakening(
        "devices",
        ("a reading without a certificate",),
    ),
    _weakening(
        "pages of other sites",
        ("a call to AWS without a signature",),
        (
            "localaws/iam/anonymous_requests.py",
            "    iam_evaluator.check_credentials = check(iam_evaluator.check_credentials)\n",
            _LETS_STRANGERS_IN,
        ),
    ),
    _weakening(
        "poisoned caches",
        ("a header with another method", "the head of an answer for the whole"),
        (
            _EDGE,
            '        method = "GET" if for_cache and request.method == "HEAD" else request.method\n',
            '        method = request.headers.get("x-http-method-override", request.method)\n',
        ),
        (
            "localaws/cloudfront/freshness.py",
            "ERRORS_ALWAYS_CACHED = frozenset({404,",
            "ERRORS_ALWAYS_CACHED = frozenset({403, 404,",
        ),
    ),
    _weakening(
        "poisoned caches",
        ("a refusal that is kept for everybody",),
        (
            "localaws/cloudfront/key.py",
            "    if for_cache:\n        sent = {",
            "    if False:\n        sent = {",
        ),
    ),
    _weakening(
        "poisoned caches",
        ("a part of an answer for the whole",),
        (
            "localaws/cloudfront/delivery.py",
            "        return 206, body.read(first, after)\n",
            "        if isinstance(body, Body) and after - first == 1:\n            body.length = 1\n"
            "        return 206, body.read(first, after)\n",
        ),
        (
            "localaws/cloudfront/body.py",
            "        self.length = self.size\n",
            "        self.length = min(self.size, self.length or self.size)\n",
        ),
    ),
)

IN_TESTS = ("request smuggling at the gateway", "request smuggling at the edge")
"""Kinds that are admitted by a server of tests/deploy/test_attack.py: their guard is in httptools, a package."""
