"""A post from draft to deletion, through the generated Python client: `blog_journey.py API ACCESS_KEY`."""

import sys
import uuid

from blog_app_client import AuthenticatedClient
from blog_app_client.api.default import (
    create_post,
    create_subscriber,
    get_post,
    list_posts,
    remove_post,
    replace_post,
)
from blog_app_client.models import Error, NewPost, NewSubscriber, PageSummary, Post, PostText
from signed import Signed


def main(api: str, access_key: str) -> None:
    arguments = {"auth": Signed(access_key)}
    client = AuthenticatedClient(api, token="", raise_on_unexpected_status=True, httpx_args=arguments)
    word = f"w{uuid.uuid4().hex[:20]}"

    created = create_post.sync_detailed(client=client, body=NewPost("Title", "*Text*", slug=word, tags=[word]))
    post = created.parsed
    assert isinstance(post, Post), created
    assert (post.slug, post.version, post.body_html) == (word, 1, "<p><em>Text</em></p>\n")

    got = get_post.sync_detailed(word, client=client)
    assert got.parsed == post
    assert get_post.sync_detailed(word, client=client, if_none_match=got.headers["ETag"]).status_code == 304

    text = PostText("Another title", "Text", tags=[word])
    replaced = replace_post.sync(word, client=client, body=text, if_match=got.headers["ETag"])
    assert isinstance(replaced, Post)
    assert (replaced.title, replaced.version) == ("Another title", 2)
    stale = replace_post.sync(word, client=client, body=text, if_match=got.headers["ETag"])
    assert isinstance(stale, Error)
    assert stale.code == "PreconditionFailed"

    page = list_posts.sync(client=client, tag=word)
    assert isinstance(page, PageSummary)
    assert [(each.slug, each.title) for each in page.items] == [(word, "Another title")]

    assert remove_post.sync_detailed(word, client=client).status_code == 204
    missing = get_post.sync(word, client=client)
    assert isinstance(missing, Error)
    assert missing.code == "NotFound"

    refused = create_subscriber.sync(client=client, body=NewSubscriber("nobody"))
    assert isinstance(refused, Error)
    assert "email" in refused.message


if __name__ == "__main__":
    main(*sys.argv[1:])
