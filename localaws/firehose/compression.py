"""The compression formats of objects that are not Parquet.

AWS: https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html
Snappy is left out: no page or query of the project reads it.
"""

from __future__ import annotations

import gzip
import io
import zipfile

EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz", "ZIP": ".zip"}


def compressed(body: bytes, compression: str, name: str) -> bytes:
    """Return the body in the format; *name* is what a ZIP file calls it."""
    if compression == "GZIP":
        return gzip.compress(body, compresslevel=6, mtime=0)
    if compression == "ZIP":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(name, body)
        return archive.getvalue()
    return body
