"""What the web chat makes of answers: of the server, and of gateways in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import page_modules

IMPORTS = """
import { createServer } from "node:http";
import { Api } from "./api.js";

async function asked(status, body) {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const real = globalThis.fetch;
  globalThis.fetch = (path, options) => real(new URL(path, `http://127.0.0.1:${server.address().port}/chat/`), options);
  let rejected = false;
  const api = new Api("app", "token", "device", () => { rejected = true; });
  try {
    return await api.ask("POST", "/messages", {});
  } catch (error) {
    return { code: error.code, passing: error.passing, rejected, told: error.message.includes(String(status)) };
  } finally {
    globalThis.fetch = real;
    server.closeAllConnections();
    server.close();
  }
}
"""
PAGE = "<html>no</html>"


def run(tmp_path: Path, cases: list[tuple[int, str]]) -> Any:
    code = "const found = []; for (const [status, body] of cases) found.push(await asked(status, body)); return found;"
    return page_modules.run(tmp_path, "chat", f"const cases = {[list(one) for one in cases]!r};{IMPORTS}", code)


def test_refusal_by_a_gateway_is_not_tried_again_and_ends_no_login(tmp_path):
    cases = [
        (413, PAGE),
        (403, PAGE),
        (401, PAGE),
        (404, ""),
        (400, "{}"),
        (403, '{"error": "no"}'),
        (401, '{"error": {"code": 401}}'),
    ]
    refused = {"code": "", "passing": False, "rejected": False, "told": True}
    assert run(tmp_path, cases) == [refused] * len(cases)


def test_doubtful_answer_of_a_gateway_is_tried_again(tmp_path):
    cases = [(500, PAGE), (502, PAGE), (503, ""), (504, "{}"), (511, PAGE), (520, PAGE), (408, PAGE), (429, PAGE), (200, PAGE), (200, ""),
             (200, '{"data": {"id": "1"'), (200, "{}"), (200, "null")]  # fmt: skip
    passing = {"code": "", "passing": True, "rejected": False, "told": True}
    assert run(tmp_path, cases) == [passing] * len(cases)


def test_answers_of_the_server_are_taken_as_they_are(tmp_path):
    def error(code: str) -> str:
        return f'{{"error": {{"code": "{code}", "message": "no"}}}}'

    cases = [
        (200, '{"data": {"id": "1"}}'),
        (401, error("ERR_TOKEN")),
        (400, error("ERR_BAD_REQUEST")),
        (503, error("ERR_BUSY")),
    ]
    assert run(tmp_path, cases) == [
        {"id": "1"},
        {"code": "ERR_TOKEN", "passing": False, "rejected": True, "told": False},
        {"code": "ERR_BAD_REQUEST", "passing": False, "rejected": False, "told": False},
        {"code": "ERR_BUSY", "passing": True, "rejected": False, "told": False},
    ]
