"""The history of an open conversation in the web chat, read from a list that answers when the test lets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import page_modules

LIST = """
import { History } from "./history.js";
import { query, Refused } from "./api.js";
import * as timeline from "./timeline.js";

const said = (id, more = {}) => ({ id: String(id), category: "message", type: "text", sender: "bob", sentAt: 1, updatedAt: 1, ...more, data: { text: `text ${id}`, ...more.data } });
const note = (id) => ({ id: String(id), category: "action", type: "message", sender: "bob", sentAt: 1, data: {} });
const range = (from, until, make = said) => Array.from({ length: until - from + 1 }, (_, at) => make(from + at));

// The rows of a conversation at the server. While `holding`, requests wait in `held`: each answers with what is there
// now, when the test lets it go. `asked` has the paths.
class List {
  constructor(rows) {
    Object.assign(this, { rows, asked: [], held: [], holding: false, arrived: () => {} });
    this.history = new History((path) => this.get(path), "/list", { key: "user:bob", kind: "user", id: "bob", me: "alice" }, () => {});
  }

  async get(path) {
    this.asked.push(path);
    const answer = this.answer(path);
    this.arrived();
    if (this.holding) await new Promise((go, fail) => this.held.push({ path, go, fail }));
    if (answer instanceof Error) throw answer;
    return structuredClone(answer);
  }

  answer(path) {
    const url = new URL(path, "http://list");
    if (url.pathname !== "/list") return this.rows.find((one) => url.pathname === `/messages/${one.id}`);
    const { id, affix, per_page } = Object.fromEntries(url.searchParams);
    if (affix === "append") return this.rows.filter((one) => Number(one.id) > Number(id)).slice(0, Number(per_page));
    return this.rows.filter((one) => !id || Number(one.id) < Number(id)).slice(-Number(per_page));
  }

  async letGo() {
    this.held.shift().go();
    await settled();
  }

  comes(message) {
    this.rows.push(message);
    this.history.change(timeline.withMessage, message);
  }

  get next() {
    return new Promise((done) => { this.arrived = done; });
  }

  get ids() {
    return this.history.line.messages.map((one) => Number(one.id));
  }
}
const loaded = async (rows) => {
  const list = new List(rows);
  list.history.load();
  await settled();
  return list;
};
"""


def run(tmp_path: Path, code: str) -> Any:
    return page_modules.run(tmp_path, "chat", LIST, code)


def test_more_notes_of_edits_than_a_page_has_hide_nothing_older(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded([...range(1, 60), ...range(61, 190, note)]);
        const first = list.ids;
        await list.history.older();
        return { first, all: list.ids, more: list.history.line.hasOlder, requests: list.asked.length };""",
    )
    assert shown == {"first": list(range(41, 61)), "all": list(range(1, 61)), "more": False, "requests": 4}


def test_more_notes_of_edits_than_a_page_has_are_passed_in_both_directions(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded([...range(1, 10), ...range(11, 80, note), ...range(81, 90), ...range(91, 160, note), ...range(161, 250)]);
        await list.history.around(85);
        const around = list.ids;
        await list.history.older();
        const older = list.ids;
        for (let n = 0; n < 3; n += 1) await list.history.newer();
        return { around, older, all: list.ids, more: list.history.line.hasNewer };""",
    )
    between = list(range(81, 91))
    older = [*range(1, 11), *between]
    assert shown == {"around": between, "older": older, "all": [*older, *range(161, 251)], "more": False}


def test_conversation_of_nothing_but_notes_ends_reading(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 100, note));
        const { loaded: is, hasOlder } = list.history.line;
        return [list.ids, is, hasOlder, list.history.moving, list.asked.length];""",
    )
    assert shown == [[], True, False, "", 3]
