"""Posts in Markdown files: what `make post` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tools import post_files
from tools.author import Author

FRONT = "---\ntitle: T\n---\n"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("![a](sea.jpg)", ["sea.jpg"]),
        ("![a](<my sea.jpg>) ![b](my%20sea.jpg)", ["my sea.jpg", "my sea.jpg"]),
        ('![a](sea.jpg "The sea")', ["sea.jpg"]),
        ("![a](sea_(1).jpg)", ["sea_(1).jpg"]),
        ("![a][sea]\n\n[sea]: sea.jpg 'The sea'", ["sea.jpg"]),
        ("![sea][]\n\n> [sea]: <my sea.jpg>", ["my sea.jpg"]),
        ("![sea]\n\n[sea]: sea.jpg", ["sea.jpg"]),
        ("![a](sea.jpg) ![b](sea.jpg.webp)", ["sea.jpg", "sea.jpg.webp"]),
        ("[![a](sea.jpg)](https://b.example)", ["sea.jpg"]),
        ("- x\n\n  | a |\n  |---|\n  | ![a](sea.jpg) |", ["sea.jpg"]),
        ("`![a](sea.jpg)`\n\n    ![b](b.jpg)\n\n```\n![c](c.jpg)\n```\n<!-- ![d](d.jpg) -->", []),
        ("[a](sea.jpg) \\![b](b.jpg)", []),
        ("![a](photo:019) ![b](data:image/gif;base64,R0lG)", ["data:image/gif;base64,R0lG"]),
        ("![a](https://b.example/x%20y.png)", ["https://b.example/x%20y.png"]),
        ("![a](caf&eacute;\\_1.jpg)", ["café_1.jpg"]),
    ],
)
def test_the_parser_finds_the_images(source: str, names: list[str]) -> None:
    assert [post_files.name(written) for written in post_files.photos(source)] == names


def test_only_the_destinations_of_images_are_replaced() -> None:
    source = "![a](sea.jpg) [b](sea.jpg) `![c](sea.jpg)` ![d](sea.jpg.webp)\n\n![e][f]\n\n[f]: <a b.jpg> 'x'\n"

    replaced = post_files.with_photos(source, {"sea.jpg": "1", "<a b.jpg>": "2"})

    assert replaced == (
        "![a](photo:1) [b](sea.jpg) `![c](sea.jpg)` ![d](sea.jpg.webp)\n\n![e][f]\n\n[f]: photo:2 'x'\n"
    )


@given(
    st.lists(
        st.sampled_from(
            ["![a]", "(x.jpg)", "[f]", "[f]: y", "`", "\n", "\n\n", "    ", "> ", "<", ">", "\\", "(", ")", "|"]
        )
    )
)
@example(["![a](![a]> )"])
def test_text_without_replacements_stays_the_same(parts: list[str]) -> None:
    source = "".join(parts)

    assert post_files.with_photos(source, {}) == source
    assert post_files.photos(post_files.with_photos(source, dict.fromkeys(post_files.photos(source), "1"))) == []


@pytest.mark.parametrize(
    ("name", "slug"), [("My Post.md", "my-post"), ("Été_2030.md", "ete-2030"), ("a--b.md", "a-b"), ("one.md", "one")]
)
def test_the_name_of_the_file_becomes_the_slug(tmp_path: Path, name: str, slug: str) -> None:
    (tmp_path / name).write_text(FRONT + "x")

    assert post_files.parse(tmp_path / name)["slug"] == slug


@pytest.mark.parametrize("content", [f"\ufeff{FRONT}x", FRONT.replace("\n", "\r\n") + "x", "--- \ntitle: T\n\n---\nx"])
def test_front_matter_of_other_programs_is_read(tmp_path: Path, content: str) -> None:
    file = tmp_path / "a.md"
    file.write_bytes(content.encode())

    assert post_files.parse(file) == {"slug": "a", "title": "T", "body_markdown": "x\n"}


def test_a_post_without_front_matter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")

    with pytest.raises(ValueError, match="begin with front matter"):
        post_files.parse(tmp_path / "a.md")


def test_photos_are_uploaded_and_others_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    uploaded: list[tuple[str, bytes]] = []

    class Api:
        def send(self, method: str, path: str, body: Any = None) -> Any:
            sent.append(body)

    def upload(self: Author, name: str, content: bytes) -> str:
        uploaded.append((name, content))
        return str(len(uploaded))

    monkeypatch.setattr(Author, "upload", upload)
    steps: list[str] = []
    (tmp_path / "my sea.jpg").write_bytes(b"sea")
    file = tmp_path / "My Post.md"
    file.write_text(FRONT + "![a](my%20sea.jpg) ![b](data:image/gif;base64,R0lG) ![c](https://b.example/x.png)")

    assert Author(Api(), steps.append).publish(file) == "my-post"  # type: ignore[arg-type]
    assert uploaded == [("my sea.jpg", b"sea"), ("image.gif", b"GIF")]
    assert sent[0]["body_markdown"] == "![a](photo:1) ![b](photo:2) ![c](https://b.example/x.png)\n"
    assert any("https://b.example/x.png" in step for step in steps)
