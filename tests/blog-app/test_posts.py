"""When posts are rendered."""

from __future__ import annotations

import pytest
from plain_renderer import PlainRenderer
from post_memory import MemoryPosts

from chalicelib.posts import NewPost, Posts, PostText


def a_post(slug: str = "one") -> NewPost:
    return NewPost(slug=slug, title="One", body_markdown="text")


@pytest.fixture
def renderer() -> PlainRenderer:
    return PlainRenderer()


@pytest.fixture
def posts(renderer: PlainRenderer, post_store: MemoryPosts) -> Posts:
    return Posts(post_store, renderer)


def test_a_post_is_rendered_once_however_often_it_is_read(posts: Posts, renderer: PlainRenderer) -> None:
    posts.add(a_post())
    posts.add(a_post())
    shown = [posts.get("one").body_html for _ in range(3)] + [posts.get_all(["one"])["one"].body_html]

    assert shown == ["<p>text</p>"] * 4
    assert renderer.rendered == 1


def test_another_text_is_rendered_once_more(posts: Posts, renderer: PlainRenderer) -> None:
    posts.add(a_post())
    posts.replace("one", PostText(title="One", body_markdown="other"), None)

    assert [posts.get("one").body_html for _ in range(3)] == ["<p>other</p>"] * 3
    assert renderer.rendered == 2


def test_a_post_of_an_older_renderer_is_rendered_on_reading_until_it_is_published(post_store: MemoryPosts) -> None:
    Posts(post_store, PlainRenderer(version=1)).add(a_post())
    newer = PlainRenderer(version=2)
    posts = Posts(post_store, newer)

    assert posts.get("one").body_html == posts.get("one").body_html == "<p>text</p>"
    assert newer.rendered == 2
    posts.get_all(["one"])
    assert newer.rendered == 3
    posts.get_all(["one"])
    posts.get("one")
    assert newer.rendered == 3
