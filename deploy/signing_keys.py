"""The keys that sign links to private content: created once for each stage, and rotated without breaking a valid link.

The secret ``<app>-<stage>-signing-key`` has the private key and CloudFront's id of the public key. The public key is in
the key group ``<app>-<stage>``, which the distribution trusts.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-trusted-signers.html
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from common.secrets import MAX_AGE
from deploy import stacks
from deploy.account import client

type Algorithm = Literal["rsa", "ecdsa"]

PROPAGATION = 900
"""Seconds until every edge knows a changed key group. CloudFront documents "minutes" and no number."""

_NOTICED = 10 * MAX_AGE
"""Seconds until every container signs with a new key, even one that failed to read the secret a few times."""


class SigningKeys:
    """The keys of one stage. Their whole state is in AWS, so the same call resumes what was interrupted."""

    def __init__(self, cloudfront: Any, secrets_manager: Any, app: str, stage: str) -> None:
        self._cloudfront = cloudfront
        self._secrets = secrets_manager
        self._name = f"{app}-{stage}"
        self._secret = f"{app}-{stage}-signing-key"

    def ensure(self, algorithm: Algorithm = "rsa") -> str:
        """Create the key and its group if they are missing; return the id of the group.

        A secret that was deleted and can be restored is restored. A key that is lost for good is replaced; the group
        trusts the lost one until the next rotation, because its links are valid until they expire.
        """
        self._restore_secret()
        key_id = self._key_id("AWSCURRENT")
        if key_id is None:
            self._delete_unused()
            key_id, secret = self._new_key(algorithm)
            self._secrets.create_secret(Name=self._secret, SecretString=secret)
        group = self._group()
        if group is None:
            config = {"Name": self._name, "Items": [key_id]}
            return str(self._cloudfront.create_key_group(KeyGroupConfig=config)["KeyGroup"]["Id"])
        trusted = group["KeyGroupConfig"]["Items"]
        if key_id not in trusted:
            self._trust([*trusted, key_id])
        return str(group["Id"])

    def rotate(
        self,
        algorithm: Algorithm = "rsa",
        *,
        propagation: float,
        retirement: float,
        sleep: Callable[[float], None] = time.sleep,
        on_step: Callable[[str], None] = print,
    ) -> str:
        """Replace the key with a new one and return the id of the new one.

        Adds the new key to the group, waits *propagation* seconds until every edge knows it, signs with it, waits
        *retirement* seconds until no link of the old key is valid, and removes the old key. The same call resumes a
        rotation that was interrupted. Meanwhile the new key has the staging label that Secrets Manager's rotation uses:
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
            on_step(f"{pending} is in the key group; {propagation:.0f} s until every edge knows it")
            sleep(propagation)
            self._switch()
        current = self._key_id("AWSCURRENT")
        on_step(f"{current} signs; {retirement:.0f} s until no link of the old key is valid")
        sleep(retirement)
        self._trust([current])
        self._delete_unused()
        return str(current)

    def delete(self) -> None:
        """Delete the key and its group, if there are any. No distribution may use the group."""
        group = self._group()
        if group is not None:
            tag = self._cloudfront.get_key_group(Id=group["Id"])["ETag"]
            self._cloudfront.delete_key_group(Id=group["Id"], IfMatch=tag)
        self._delete_unused()
        if self._version("AWSCURRENT") is not None:
            self._secrets.delete_secret(SecretId=self._secret, ForceDeleteWithoutRecovery=True)

    def _new_key(self, algorithm: Algorithm) -> tuple[str, str]:
        """Create a public key; return its id, and the value of the secret with the private key."""
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

    def _restore_secret(self) -> None:
        """Restore the secret if it is deleted, but not yet gone.

        https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_restore-secret.html
        """
        try:
            deleted = "DeletedDate" in self._secrets.describe_secret(SecretId=self._secret)
        except self._secrets.exceptions.ResourceNotFoundException:
            return
        if deleted:
            self._secrets.restore_secret(SecretId=self._secret)

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
        """Set the keys of the group."""
        identifier = self._group()["Id"]
        group = self._cloudfront.get_key_group_config(Id=identifier)
        if group["KeyGroupConfig"]["Items"] != keys:
            config = {**group["KeyGroupConfig"], "Items": keys}
            self._cloudfront.update_key_group(Id=identifier, KeyGroupConfig=config, IfMatch=group["ETag"])

    def _delete_unused(self) -> None:
        """Delete the public keys of the stage that are not in its group: retired or left by an interrupted call."""
        ours, used = re.compile(re.escape(self._name) + "-[0-9a-f]{8}"), self._group_keys()
        for key in self._pages("list_public_keys", "PublicKeyList"):
            if ours.fullmatch(key["Name"]) and key["Id"] not in used:
                tag = self._cloudfront.get_public_key(Id=key["Id"])["ETag"]
                self._cloudfront.delete_public_key(Id=key["Id"], IfMatch=tag)

    def _pages(self, operation: str, member: str) -> Iterator[Any]:
        """Yield the items of an operation for which boto3 may have no paginator."""
        more: dict[str, str] = {}
        while True:
            answer = getattr(self._cloudfront, operation)(**more)[member]
            yield from answer.get("Items", [])
            if not answer.get("NextMarker"):
                return
            more = {"Marker": answer["NextMarker"]}


def key_pair(algorithm: Algorithm) -> tuple[str, str]:
    """Return a private and a public key in PEM. CloudFront accepts RSA with 2048 bits and ECDSA on P-256."""
    pair = rsa.generate_private_key(65537, 2048) if algorithm == "rsa" else ec.generate_private_key(ec.SECP256R1())
    private = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def ensure(app: str, stage: str, algorithm: Algorithm = "rsa") -> str:
    """Create the key of the stage and its group if they are missing; return the id of the group."""
    return _of(app, stage).ensure(algorithm)


def delete(app: str, stage: str) -> None:
    """Delete the key of the stage and its group."""
    _of(app, stage).delete()


def rotate(
    app: str,
    stage: str,
    algorithm: Algorithm = "rsa",
    *,
    propagation: float = PROPAGATION,
    retirement: float | None = None,
) -> str:
    """Replace the key of the stage and return the id of the new one. It takes as long as `SigningKeys.rotate` waits.

    *retirement* is by default longer than the longest link is valid, which is an output of the app's resources.
    """
    if retirement is None:
        retirement = _NOTICED + float(stacks.outputs(f"{app}-{stage}-resources")["LinkLife"])
    return _of(app, stage).rotate(algorithm, propagation=propagation, retirement=retirement)


def _of(app: str, stage: str) -> SigningKeys:
    return SigningKeys(client("cloudfront"), client("secretsmanager"), app, stage)
