"""Gap: a public access block lacks the settings that its request left out.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PublicAccessBlockConfiguration.html
No longer needed when GetPublicAccessBlock returns false for a setting that PutPublicAccessBlock left out.
"""

from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from localaws.s3.requests import MALFORMED, parse, texts

SETTINGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def apply() -> None:
    put = s3._put_public_access_block

    def put_block(bucket: str, body: bytes) -> Any:
        given = parse(body)
        if given is None:
            return s3._error("MalformedXML", MALFORMED, 400)
        block = Element("PublicAccessBlockConfiguration", xmlns=s3.S3_NS)
        for name in SETTINGS:
            SubElement(block, name).text = next(iter(texts(given, name)), "false").lower()
        return put(bucket, s3._xml_body(block))

    s3._put_public_access_block = put_block
