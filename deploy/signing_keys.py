"""The keys that sign an app's private content: made once a stage, and rotated without breaking a link that lives.

The private half and CloudFront's id of the public half are the secret ``<app>-<stage>-signing-key``; the public half is
in the key group ``<app>-<stage>``, which the distribution trusts.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-trusted-signers.html
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import boto3
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from common.cloudfront import KEY_MAX_AGE
from deploy import stacks

type Algorithm = Literal["rsa", "ecdsa"]

PROPAGATION = 900
"""Seconds after which every edge knows a changed key group; CloudFront says "minutes" and promises no number."""

_NOTICED = 10 * KEY_MAX_AGE
"""Seconds after which every container signs with a new key, even one that could not read the secret a few times."""


class SigningKeys:
    """The keys of one stage. Everything known of them is in AWS, so that whatever was interrupted can go on."""

    def __init__(self, cloudfront: Any, secrets_manager: Any, app: str, stage: str) -> None:
        self._cloudfront = cloudfront
        self._secrets = secrets_manager
        self._name = f"{app}-{stage}"
        self._secret = f"{app}-{stage}-signing-key"

    def ensure(self, algorithm: Algorithm = "rsa") -> str:
        """Make the key and its group where they are missing; return the group's id."""
        key_id = self._key_id("AWSCURRENT")
        if key_id is None:
            key_id, secret = self._new_key(algorithm)
            self._secrets.create_secret(Name=self._secret, SecretString=secret)
        group = self._group()
        if group is None:
            config = {"Name": self._name, "Items": [key_id]}
            return str(self._cloudfront.create_key_group(KeyGroupConfig=config)["KeyGroup"]["Id"])
        return str(group["Id"])

    def rotate(
        self,
        algorithm: Algorithm = "rsa",
        *,
        propagation: float,
        retirement: float,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = print,
    ) -> str:
        """Replace the key by a new one and return the new one's id.

        Add the new key to the group, wait *propagation* seconds until every edge knows it, sign with it, wait
        *retirement* seconds until no link of the old one lives, and remove that. A rotation that was interrupted goes
        on where it was. The new key waits in the secret under the label that Secrets Manager's own rotation uses:
        https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
        """
        self.ensure(algorithm)
        current, pending = self._key_id("AWSCURRENT"), self._key_id("AWSPENDING")
        switched = pending in (None, current)
        if switched and self._group_keys() == [current]:
            self._delete_unused()
            pending, secret = self._new_key(algorithm)
            self._secrets.put_secret_value(SecretId=self._secret, SecretString=secret, VersionStages=["AWSPENDING"])
            switched = False
        if not switched:
            self._trust([current, pending])
            tell(f"{pending} is in the key group; {propagation:.0f} s until every edge knows it")
            sleep(propagation)
            self._switch()
        current = self._key_id("AWSCURRENT")
        tell(f"{current} signs; {retirement:.0f} s until no link of the old key lives")
        sleep(retirement)
        self._trust([current])
        self._delete_unused()
        return str(current)

    def delete(self) -> None:
        """Delete the key and its group, which no distribution may use any more. There may be none."""
        group = self._group()
        if group is not None:
            tag = self._cloudfront.get_key_group(Id=group["Id"])["ETag"]
            self._cloudfront.delete_key_group(Id=group["Id"], IfMatch=tag)
        self._delete_unused()
        if self._version("AWSCURRENT") is not None:
            self._secrets.delete_secret(SecretId=self._secret, ForceDeleteWithoutRecovery=True)

    def _new_key(self, algorithm: Algorithm) -> tuple[str, str]:
        """Register a new public key; return its id, and the secret with the private half."""
        private, public = key_pair(algorithm)
        name = f"{self._name}-{secrets.token_hex(4)}"
        config = {"CallerReference": name, "Name": name, "EncodedKey": public}
        key_id = str(self._cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"])
        return key_id, json.dumps({"key_id": key_id, "private_key": private})

    def _key_id(self, stage: str) -> str | None:
        version = self._version(stage)
        return version and str(json.loads(version["SecretString"])["key_id"])

    def _version(self, stage: str) -> Any:
        try:
            return self._secrets.get_secret_value(SecretId=self._secret, VersionStage=stage)
        except self._secrets.exceptions.ResourceNotFoundException:
            return None

    def _switch(self) -> None:
        self._secrets.update_secret_version_stage(
            SecretId=self._secret,
            VersionStage="AWSCURRENT",
            MoveToVersionId=self._version("AWSPENDING")["VersionId"],
            RemoveFromVersionId=self._version("AWSCURRENT")["VersionId"],
        )

    def _group(self) -> Any:
        pages = self._pages("list_key_groups", "KeyGroupList")
        groups = (item["KeyGroup"] for item in pages)
        return next((group for group in groups if group["KeyGroupConfig"]["Name"] == self._name), None)

    def _group_keys(self) -> list[str]:
        group = self._group()
        keys: list[str] = group["KeyGroupConfig"]["Items"] if group is not None else []
        return keys

    def _trust(self, keys: list[str | None]) -> None:
        """Make *keys* those of the group."""
        identifier = self._group()["Id"]
        group = self._cloudfront.get_key_group_config(Id=identifier)
        if group["KeyGroupConfig"]["Items"] != keys:
            config = {**group["KeyGroupConfig"], "Items": keys}
            self._cloudfront.update_key_group(Id=identifier, KeyGroupConfig=config, IfMatch=group["ETag"])

    def _delete_unused(self) -> None:
        """Delete the public keys of the stage that are not in its group: retired, or never got so far."""
        ours, used = re.compile(re.escape(self._name) + "-[0-9a-f]{8}"), self._group_keys()
        for key in self._pages("list_public_keys", "PublicKeyList"):
            if ours.fullmatch(key["Name"]) and key["Id"] not in used:
                tag = self._cloudfront.get_public_key(Id=key["Id"])["ETag"]
                self._cloudfront.delete_public_key(Id=key["Id"], IfMatch=tag)

    def _pages(self, operation: str, member: str) -> Iterator[Any]:
        """Yield the items of a list of which boto3 may have no paginator."""
        more: dict[str, str] = {}
        while True:
            answer = getattr(self._cloudfront, operation)(**more)[member]
            yield from answer.get("Items", [])
            if not answer.get("NextMarker"):
                return
            more = {"Marker": answer["NextMarker"]}


def key_pair(algorithm: Algorithm) -> tuple[str, str]:
    """Return the private and the public half, PEM; CloudFront takes RSA of 2048 bits, and ECDSA on P-256."""
    pair = rsa.generate_private_key(65537, 2048) if algorithm == "rsa" else ec.generate_private_key(ec.SECP256R1())
    private = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def ensure(app: str, stage: str, algorithm: Algorithm = "rsa") -> str:
    """Make what is missing of the stage's key, and return the id of its key group."""
    return _of(app, stage).ensure(algorithm)


def delete(app: str, stage: str) -> None:
    """Delete the stage's key and its group."""
    _of(app, stage).delete()


def rotate(
    app: str,
    stage: str,
    algorithm: Algorithm = "rsa",
    *,
    propagation: float = PROPAGATION,
    retirement: float | None = None,
) -> str:
    """Replace the stage's key and return the new one's id; this takes as long as `SigningKeys.rotate` waits.

    *retirement* is by default what outlives the longest link, whose life is an output of the app's resources.
    """
    if retirement is None:
        retirement = _NOTICED + float(stacks.outputs(f"{app}-{stage}-resources")["LinkLife"])
    return _of(app, stage).rotate(algorithm, propagation=propagation, retirement=retirement)


def _of(app: str, stage: str) -> SigningKeys:
    session = boto3.Session()
    return SigningKeys(session.client("cloudfront"), session.client("secretsmanager"), app, stage)
