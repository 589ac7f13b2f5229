"""Errors of input as sentences that a page can show."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from common import sentences, text


class File(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=2, max_length=5, pattern=text.FILE_NAME)]
    size: Annotated[int, Meta(ge=1, le=9)] = 1


class Body(Struct, forbid_unknown_fields=True):
    title: Annotated[str, Meta(min_length=1, max_length=200, pattern=text.LINE)] = "x"
    note: str | None = None
    price: float = 1
    plan: Literal["month", "year"] = "month"
    files: Annotated[list[File], Meta(max_length=1)] = []
    word: Annotated[str, Meta(pattern="^x$")] = "x"

    def __post_init__(self) -> None:
        if self.price < 0:
            raise ValueError("price: must not be negative")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ([], "the body must be an object, not a list"),
        ({"title": 1}, "title must be text, not a whole number"),
        ({"title": ""}, "title must have at least 1 character"),
        ({"title": "x" * 201}, "title must have at most 200 characters"),
        ({"title": "a\nb"}, "title must be one line of text, without control characters and not blank"),
        ({"note": 1.5}, "note must be text or null, not a number"),
        ({"price": "9"}, "price must be a number, not text"),
        ({"price": -1}, "price: must not be negative"),
        ({"plan": "day"}, "plan cannot be 'day'"),
        ({"files": [{}]}, "files[0].name is missing"),
        ({"files": [{"name": "ab", "mode": 1}]}, "files[0].mode is not a known field"),
        (
            {"files": [{"name": "a/b"}]},
            "files[0].name must be the name of a file, without a path, control characters and ${filename}",
        ),
        ({"files": [{"name": "ab", "size": 0}]}, "files[0].size must be at least 1"),
        ({"files": [{"name": "ab"}] * 2}, "files must have at most 1 item"),
        ({"word": "y"}, "word does not have the right form"),
        ({"colour": "red"}, "colour is not a known field"),
    ],
)
def test_an_error_is_a_sentence_that_names_the_field(sent: Any, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(json.dumps(sent), type=Body)

    assert sentences.of(raised.value) == said


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*Body.__struct_fields__, "name", "size"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_no_sentence_shows_a_pattern_or_a_type_of_the_program(sent: Any) -> None:
    try:
        msgspec.convert(sent, Body)
    except msgspec.ValidationError as error:
        said = sentences.of(error)
        assert "regex" not in said
        assert "`" not in said
        assert "$" not in said or "$" in str(sent)


def test_every_pattern_of_common_has_words() -> None:
    patterns = {value for name, value in vars(text).items() if name.isupper() and not name.startswith("_")}

    assert patterns <= set(sentences._FORMS)
