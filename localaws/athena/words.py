"""A tokenizer for statements whose grammar sqlglot does not support."""

from __future__ import annotations

from typing import ClassVar

from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from localaws.athena.failures import Malformed


class _Tokenizer(Tokenizer):
    """A tokenizer that also splits the statements that sqlglot treats as one command token."""

    COMMANDS: ClassVar[set[TokenType]] = set()
    IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ['"', "`"]


class Words:
    """The tokens of a statement and the current position."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        try:
            self._tokens = [token for token in _Tokenizer().tokenize(sql) if token.token_type != TokenType.SEMICOLON]
        except TokenError as error:
            raise Malformed(str(error)) from None
        self._at = 0

    def accept(self, *words: str) -> bool:
        """Read *words* if they are next, case-insensitively. Return whether they were."""
        following = self._tokens[self._at : self._at + len(words)]
        if [token.text.upper() for token in following] != list(words):
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Read *words*, or raise Malformed if they are not next."""
        if not self.accept(*words):
            raise self.unexpected()

    def name(self) -> str:
        """Read a name and return it in lower case, as Athena stores names."""
        token = self._next()
        if token.token_type in (TokenType.STRING, TokenType.NUMBER) or not token.text.isprintable():
            self._at -= 1
            raise self.unexpected()
        return token.text.lower()

    def table(self, database: str) -> tuple[str, str]:
        """Read ``[database.]table`` and return both."""
        name = self.name()
        return (name, self.name()) if self.accept(".") else (database, name)

    def string(self) -> str:
        """Read a quoted string."""
        token = self._next()
        if token.token_type != TokenType.STRING:
            self._at -= 1
            raise self.unexpected()
        return token.text

    def value(self) -> str:
        """Read a string or a number, without its sign."""
        token = self._next()
        if token.token_type not in (TokenType.STRING, TokenType.NUMBER):
            self._at -= 1
            raise self.unexpected()
        return token.text

    def parenthesized(self) -> str:
        """Read an expression in parentheses and return its text without them."""
        self.expect("(")
        depth, start = 1, self._tokens[self._at - 1].end + 1
        while depth:
            token = self._next()
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        return self.sql[start : self._tokens[self._at - 1].start]

    def rest(self) -> str:
        """Read and return the remaining text unchanged."""
        text = self.sql[self._tokens[self._at].start :] if self._at < len(self._tokens) else ""
        self._at = len(self._tokens)
        return text

    def has_more(self) -> bool:
        """Return whether tokens remain."""
        return self._at < len(self._tokens)

    def expect_end(self) -> None:
        """Raise Malformed if tokens remain."""
        if self.has_more():
            raise self.unexpected()

    def unexpected(self) -> Malformed:
        """Return the exception for an unexpected next token."""
        if not self.has_more():
            return Malformed("mismatched input '<EOF>'")
        token = self._tokens[self._at]
        return Malformed(
            f"line {token.line}:{max(token.col - len(token.text), 0) + 1}: mismatched input '{token.text}'"
        )

    def _next(self) -> Token:
        if not self.has_more():
            raise self.unexpected()
        self._at += 1
        return self._tokens[self._at - 1]
