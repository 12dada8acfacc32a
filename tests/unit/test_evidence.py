"""What counts as a test of a documented row."""

from __future__ import annotations

import ast

import pytest

import evidence
import make_reference


def read(code: str) -> evidence.Evidence:
    """Return what a function with this code does."""
    return evidence.direct_evidence(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        'await rest("GET", "/users/bob")',
        'await rest.answer("GET", f"/users/{uid}?page=1", as_="alice")',
        'await rest("GET", f"{server.url}/v3/users/bob")',
        'path = f"/users/{uid}"\nawait rest("GET", path)',
        'for uid in ("bob", "carol"):\n    await rest("GET", f"/users/{uid}")',
        'http.get("/users/bob")',
    ],
)
def test_request_that_is_written_out_is_evidence(code):
    assert evidence.asks("GET /users/{uid}", read(code).requests, [])


@pytest.mark.parametrize(
    "code",
    [
        '"""GET /users/bob is asked elsewhere."""',
        'await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/bob")',
        'paths = [("GET", "/users/bob")]',
        'await rest("POST", "/users/bob")',
        'await rest("GET", "/users/bob/friends")',
    ],
)
def test_mentions_refusals_and_other_operations_are_not_evidence(code):
    assert not evidence.asks("GET /users/{uid}", read(code).requests, [])


def test_fixed_path_is_not_taken_for_one_with_a_parameter():
    requests = read('await rest("GET", "/webhooks/triggers")').requests
    assert not evidence.asks("GET /webhooks/{id}", requests, ["GET /webhooks/triggers"])
    assert evidence.asks("GET /webhooks/triggers", requests, ["GET /webhooks/triggers"])


@pytest.mark.slow
def test_row_without_its_only_test_is_reported(monkeypatch):
    shown = make_reference.operation_test("POST /ping", frozenset(["POST /ping"]))
    assert shown == "spec/test_other_operations.py::test_session_reports_are_answered_with_success"
    others = {name: done for name, done in evidence.tests().items() if name != shown}
    monkeypatch.setattr(evidence, "tests", lambda: others)
    assert make_reference.operation_test("POST /ping", frozenset(["POST /ping"])) == ""
    assert make_reference.cell("") == "**none**"


def test_evidence_exists_only_for_a_test_function_of_a_module():
    assert evidence.exists("unit/test_evidence.py::test_evidence_exists_only_for_a_test_function_of_a_module")
    assert not evidence.exists("unit/test_evidence.py::read")
    assert not evidence.exists("unit/test_evidence.py")
    assert not evidence.exists("unit/test_nothing.py::test_nothing")
