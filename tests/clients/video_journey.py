"""A film from refusal to a link, through the generated Python client: `video_journey.py API ID_TOKEN`."""

import sys
import time

import httpx
from video_app_client import AuthenticatedClient
from video_app_client.api.default import (
    buy_video,
    create_link,
    get_premium,
    get_video,
    list_library,
    list_videos,
)
from video_app_client.models import Checkout, Error, Link, PageLibraryVideo, PageVideo, Premium


def main(api: str, id_token: str) -> None:
    client = AuthenticatedClient(api, token=id_token, prefix="", raise_on_unexpected_status=True)

    page = list_videos.sync(client=client, limit=1)
    assert isinstance(page, PageVideo)
    (film,) = page.items
    got = get_video.sync_detailed(film.id, client=client)
    assert got.parsed == film
    assert get_video.sync_detailed(film.id, client=client, if_none_match=got.headers["ETag"]).status_code == 304

    premium = get_premium.sync(client=client)
    assert isinstance(premium, Premium)
    assert not premium.premium
    refused = create_link.sync(film.id, client=client)
    assert isinstance(refused, Error)
    assert refused.code == "NotEntitled"

    checkout = buy_video.sync(film.id, client=client, idempotency_key=f"buy-{film.id}")
    assert isinstance(checkout, Checkout), checkout
    assert buy_video.sync(film.id, client=client, idempotency_key=f"buy-{film.id}") == checkout
    assert httpx.post(checkout.url, data={"card": "4242424242424242"}, timeout=60).status_code == 303

    link = until_allowed(client, film.id)
    assert httpx.get(link.url, headers={"Range": "bytes=4-7"}).content == b"ftyp"
    library = list_library.sync(client=client)
    assert isinstance(library, PageLibraryVideo)
    assert [each.id for each in library.items] == [film.id]


def until_allowed(client: AuthenticatedClient, film: str) -> Link:
    for _ in range(900):
        link = create_link.sync(film, client=client)
        if isinstance(link, Link):
            return link
        time.sleep(0.1)
    raise AssertionError(link)


if __name__ == "__main__":
    main(*sys.argv[1:])
