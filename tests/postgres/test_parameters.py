"""Parameters of the shared statements, as PostgreSQL takes them."""

from __future__ import annotations

import pytest

from tailwire.server.store.postgres.parameters import statement_and_values, translate


def test_question_marks_are_numbered_in_order():
    assert statement_and_values("SELECT a FROM t WHERE b = ? AND c IN (?, ?)", (1, "x", None)) == (
        "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)",
        [1, "x", None],
    )


def test_repeated_name_has_one_number_and_values_without_a_name_are_not_sent():
    sql = "SELECT a FROM t WHERE b = :uid AND (c = :other OR d = :uid)"
    assert statement_and_values(sql, {"other": 2, "uid": 1, "more": 3}) == (
        "SELECT a FROM t WHERE b = $1 AND (c = $2 OR d = $1)",
        [1, 2],
    )


def test_string_literals_and_casts_are_left_unchanged():
    sql = "SELECT 'u/' || a, 'is it :this or ?', 'it''s ?', b::text FROM t WHERE c = :c"
    assert translate(sql) == (sql.replace(":c", "$1"), ("c",))


def test_statement_with_both_named_parameters_and_question_marks_is_refused():
    with pytest.raises(ValueError, match="either"):
        translate("SELECT a FROM t WHERE b = ? AND c = :c")


def test_missing_value_of_a_named_parameter_raises_key_error():
    with pytest.raises(KeyError):
        statement_and_values("SELECT :a", {"b": 1})
