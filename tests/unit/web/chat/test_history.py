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


def test_older_page_that_comes_after_returning_to_the_newest_messages_leaves_no_gap(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 300));
        await list.history.around(100);
        list.holding = true;
        const older = list.history.older();
        await settled();
        list.history.latest();
        await settled();
        await list.letGo();
        await list.letGo();
        await older;
        list.holding = false;
        const { moving } = list.history;
        const newest = list.ids;
        await list.history.older();
        return { newest, moving, then: list.ids };""",
    )
    assert shown == {"newest": list(range(251, 301)), "moving": "", "then": list(range(201, 301))}


def test_live_message_during_the_last_page_after_a_jump_is_read_once_more(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 120));
        await list.history.around(40);
        list.holding = true;
        const newer = list.history.newer();
        await settled();
        list.comes(said(121));
        await list.letGo();
        list.comes(said(122));
        await list.letGo();
        await list.letGo();
        await newer;
        list.comes(said(123));
        return { last: list.ids.slice(-6), more: list.history.line.hasNewer, requests: list.asked.length };""",
    )
    assert shown == {"last": [118, 119, 120, 121, 122, 123], "more": False, "requests": 6}


def test_live_message_during_a_jump_is_read_afterwards(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = new List(range(1, 60));
        list.holding = true;
        const jump = list.history.around(40);
        await settled();
        await list.letGo();
        list.comes(said(61));
        await list.letGo();
        await list.letGo();
        return { jumped: await jump, last: list.ids.slice(-3), more: list.history.line.hasNewer };""",
    )
    assert shown == {"jumped": True, "last": [59, 60, 61], "more": False}


def test_newest_messages_that_come_after_a_jump_do_not_replace_it(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = new List(range(1, 300));
        list.holding = true;
        list.history.load();
        await settled();
        const jump = list.history.around(100);
        const newest = list.held.shift();
        await settled();
        await list.letGo();
        await list.letGo();
        const jumped = await jump;
        newest.go();
        await settled();
        return { jumped, ids: list.ids };""",
    )
    assert shown == {"jumped": True, "ids": list(range(50, 150))}


def test_jump_that_comes_after_returning_to_the_newest_messages_does_nothing(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 300));
        list.holding = true;
        const jump = list.history.around(100);
        await settled();
        const before = list.held.shift();
        list.history.latest();
        await list.letGo();
        before.go();
        await settled();
        await list.letGo();
        return { jumped: await jump, ids: list.ids };""",
    )
    assert shown == {"jumped": False, "ids": list(range(251, 301))}


def test_later_one_of_two_jumps_is_shown(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 300));
        list.holding = true;
        const first = list.history.around(30);
        const second = list.history.around(200);
        await settled();
        const [slow] = list.held.splice(0, 1);
        await list.letGo();
        await list.letGo();
        const shown = await second;
        slow.go();
        await settled();
        await list.letGo();
        return { first: await first, second: shown, ids: list.ids };""",
    )
    assert shown == {"first": False, "second": True, "ids": list(range(150, 250))}


def test_failed_jump_changes_nothing(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = new List(range(1, 60));
        list.holding = true;
        list.history.load();
        await settled();
        const jump = list.history.around(5);
        await settled();
        list.held.pop().fail(new Refused("", "not reached"));
        const failed = await jump.catch((error) => error.message);
        await list.letGo();
        return { failed, ids: list.ids };""",
    )
    assert shown == {"failed": "not reached", "ids": list(range(11, 61))}


def test_change_while_a_message_is_read_again_is_read_as_well(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 5));
        const react = (n) => { list.rows[2] = said(3, { data: { reactions: [{ reaction: "+1", count: n }] } }); list.history.refresh(3); };
        list.holding = true;
        let next = list.next;
        react(1);
        await next;
        react(2);
        next = list.next;
        await list.letGo();
        await next;
        await list.letGo();
        return list.history.line.messages[2].data.reactions[0].count;""",
    )
    assert shown == 2


def test_late_answer_takes_back_neither_an_edit_of_the_same_second_nor_a_deletion(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 5));
        const edited = (text) => said(3, { updatedAt: 9, editedAt: 9, data: { text } });
        const changed = (message) => { list.rows[message.id - 1] = message; list.history.change(timeline.withChanged, message); };
        changed(edited("first"));
        list.holding = true;
        const next = list.next;
        list.history.refresh(3);
        list.history.refresh(4);
        await next;
        changed(edited("second"));
        await list.letGo();
        const edit = list.history.line.messages[2].data.text;
        changed({ ...said(4), deletedAt: 9 });
        await list.letGo();
        const { deletedAt } = list.history.line.messages[3];
        const again = list.next;
        await again;
        await list.letGo();
        await list.letGo();
        return { edit, deletedAt, then: list.history.line.messages.slice(2, 4).map((one) => one.deletedAt ?? one.data.text), asked: list.asked.slice(1) };""",
    )
    assert shown == {
        "edit": "second",
        "deletedAt": 9,
        "then": ["second", 9],
        "asked": ["/messages/3", "/messages/4", "/messages/3", "/messages/4"],
    }


def test_answer_to_a_reaction_that_is_older_than_an_edit_is_read_again(tmp_path):
    shown = run(
        tmp_path,
        """
        const list = await loaded(range(1, 5));
        const answer = said(3, { data: { reactions: [{ reaction: "+1", count: 1 }] } });
        const edit = said(3, { updatedAt: 9, editedAt: 9, data: { text: "edited" } });
        list.history.change(timeline.withChanged, edit);
        list.rows[2] = { ...edit, data: { ...edit.data, ...{ reactions: answer.data.reactions } } };
        const next = list.next;
        list.history.put(answer);
        const { text } = list.history.line.messages[2].data;
        await next;
        await settled();
        return [text, list.history.line.messages[2].data];""",
    )
    assert shown == ["edited", {"text": "edited", "reactions": [{"reaction": "+1", "count": 1}]}]
