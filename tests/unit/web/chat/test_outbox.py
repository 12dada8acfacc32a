"""Messages of the web chat that are on their way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import page_modules

IMPORTS = """
globalThis.addEventListener = globalThis.removeEventListener = () => {};
const { Outbox } = await import("./outbox.js");
const { Refused } = await import("./api.js");

const begin = (send) => {
  const kept = new Map();
  const store = { getItem: (name) => kept.get(name) ?? null, setItem: (name, text) => kept.set(name, text) };
  const sent = [];
  const outbox = new Outbox({ send, onSent: (message) => sent.push(message), onChange: () => {}, store, name: "outbox" });
  const add = (text) => outbox.add({ key: "user:bob", kind: "user", id: "bob", text });
  return { outbox, sent, add, states: () => outbox.entries.map((one) => [one.text, one.state]) };
};
"""


def run(tmp_path: Path, code: str) -> Any:
    return page_modules.run(tmp_path, "chat", IMPORTS, code)


def test_message_that_a_gateway_refuses_does_not_block_the_next_one(tmp_path):
    found = run(
        tmp_path,
        """
        const { sent, add, states } = begin(async ({ text }) => {
          if (text === "too large") throw new Refused("", "refused", "", 413);
          return text;
        });
        add("too large");
        add("next");
        await settled();
        return { sent, states: states() };""",
    )
    assert found == {"sent": ["next"], "states": [["too large", "failed"]]}


def test_text_that_waits_can_be_discarded(tmp_path):
    found = run(
        tmp_path,
        """
        const { outbox, sent, add, states } = begin(async () => { throw new Refused("", "not reached"); });
        add("first");
        add("second");
        await settled();
        const { stuck } = outbox;
        outbox.remove(outbox.entries[0].muid);
        outbox.stop();
        return { stuck, states: states(), sent };""",
    )
    assert found == {"stuck": True, "states": [["second", "waiting"]], "sent": []}


def test_text_that_is_discarded_during_its_request_is_shown_if_it_was_sent(tmp_path):
    found = run(
        tmp_path,
        """
        const answers = [];
        const { outbox, sent, add, states } = begin(({ text }) => new Promise((done) => answers.push(() => done(text))));
        add("first");
        add("second");
        outbox.remove(outbox.entries[0].muid);
        const left = states();
        answers.shift()();
        await settled();
        answers.shift()();
        await settled();
        return { left, sent, states: states() };""",
    )
    assert found == {"left": [["second", "waiting"]], "sent": ["first", "second"], "states": []}
