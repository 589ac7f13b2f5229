"""The compression formats of S3 objects, other than Parquet.

AWS: https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html
Snappy and Hadoop-compatible Snappy are not supported.
"""

from __future__ import annotations

import gzip
import io
import zipfile

EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz", "ZIP": ".zip"}


def compressed(body: bytes, compression: str, name: str) -> bytes:
    """Return the compressed body. *name* is the name of the file inside a ZIP archive."""
    if compression == "GZIP":
        return gzip.compress(body, compresslevel=6, mtime=0)
    if compression == "ZIP":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(name, body)
        return archive.getvalue()
    return body
