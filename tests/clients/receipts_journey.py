"""A missing receipt, through the generated Python client: `receipts_journey.py API ACCESS_KEY`."""

import sys

from receipts_app_client import AuthenticatedClient
from receipts_app_client.api.default import get_receipt, health
from receipts_app_client.models import Error
from signed import Signed


def main(api: str, access_key: str) -> None:
    client = AuthenticatedClient(
        api, token="", raise_on_unexpected_status=True, httpx_args={"auth": Signed(access_key)}
    )

    alive = health.sync(client=client)
    assert alive
    assert not isinstance(alive, Error)
    assert alive["status"] == "ok"
    missing = get_receipt.sync("none", client=client)
    assert isinstance(missing, Error)
    assert missing.code == "NotFound"


if __name__ == "__main__":
    main(*sys.argv[1:])
