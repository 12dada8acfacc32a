"""Texts are folded, sorted and split into words as on SQLite."""

from __future__ import annotations

import sqlite3
import unicodedata

import asyncpg

from tailwire.server.store.postgres.database import Database
from tailwire.server.store.sql.folding import fold
from tailwire.server.store.sql.words import MAX_WORD_LENGTH, words_of

CHARACTERS = [chr(n) for n in range(1, 0x30000) if unicodedata.category(chr(n)) not in ("Cs", "Cn")]


async def test_texts_are_folded_as_postgresql_folds_them(postgres_url):
    connection = await asyncpg.connect(postgres_url)
    rows = await connection.fetch("SELECT c, lower(c) AS low FROM unnest($1::text[]) AS t (c)", CHARACTERS)
    assert [(row["c"], row["low"], fold(row["c"])) for row in rows if row["low"] != fold(row["c"])] == []
    assert await connection.fetchval("SELECT lower('ΟΔΟΣ İß')") == fold("ΟΔΟΣ İß") == "οδοσ iß"
    await connection.close()


async def test_texts_are_sorted_by_code_points(postgres_url):
    connection = await asyncpg.connect(postgres_url)
    texts = ["b", "B", "a", "é", "e", "z", "_", "-", "1", "🙂", "\uffee", "Z", "a b", "ab", ""]
    rows = await connection.fetch("SELECT t FROM unnest($1::text[]) AS u (t) ORDER BY t", texts)
    assert [row["t"] for row in rows] == sorted(texts)
    await connection.close()


async def test_tags_are_read_from_valid_json_and_none_from_other_bytes(postgres_url):
    database = await Database.open(postgres_url)

    async def texts(value: str | None) -> list[str]:
        return [row[0] for row in await database.rows(f"SELECT value FROM {database.dialect.texts('?')}", (value,))]

    async def tags(body: bytes) -> list[str]:
        return [row[0] for row in await database.rows("SELECT unnest(tailwire_tags(?))", (body,))]

    assert await texts('["a","é",5,null,["b"]]') == ["a", "é"]
    for nothing in (None, "", "no json", "{}", "7", '["\\u0000"]', "[" * 20_000):
        assert await texts(nothing) == []
    assert await tags('{"data":{"text":"é"},"tags":["x","é"]}'.encode()) == ["x", "é"]
    for body in (b"", b"\xff", b"{}", b"[]", b'{"tags":"x"}', b'{"tags":["\\ud800"]}'):
        assert await tags(body) == []
    await database.close()


def test_words_are_those_of_the_tokenizer_of_sqlite():
    c = sqlite3.connect(":memory:")
    c.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize='unicode61')")
    c.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, 'instance')")
    # The tokenizer knows the characters of an early version of Unicode. Of those, two have become accents since.
    early = [x for x in CHARACTERS if unicodedata.ucd_3_2_0.category(x) != "Cn" and x not in "\u1885\u1886"]
    c.executemany("INSERT INTO t (rowid, text) VALUES (?, ?)", [(ord(x), f"a{x}b") for x in early])
    found: dict[int, dict[str, None]] = {}
    for term, number in c.execute("SELECT term, doc FROM v ORDER BY doc, offset"):
        found.setdefault(number, {})[term] = None
    c.close()
    assert [(x, words_of(f"a{x}b")) for x in early if words_of(f"a{x}b") != list(found[ord(x)])] == []


def test_indexed_words_are_bounded():
    assert words_of("Été, foo_bar FOO don't") == ["ete", "foo", "bar", "don", "t"]
    assert words_of("x" * 100_000) == ["x" * MAX_WORD_LENGTH]
    many = words_of(" ".join(f"word{n}" for n in range(200_000)))
    assert 10_000 < len(many) < 200_000
    assert sum(len(word.encode()) for word in many) < 1 << 20  # what the database's type holds
