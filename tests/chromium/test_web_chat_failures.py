"""The web chat when something fails: requests that are temporarily refused or lost, and frames that it cannot read."""

from __future__ import annotations

import pytest

from chromium.browser import Browser
from chromium.chat_stage import CONNECTED, WORDS, chat_stage, choose, log_in, press, write
from chromium.page_stage import until

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

# Answers the first requests with a method and path itself; `window.asked` has the times of all of them.
INTERCEPT = """
const real = window.fetch;
window.asked = [];
window.fetch = async (path, options) => {
  if ((options?.method ?? "GET") !== method || !String(path).split("?")[0].endsWith(end)) return real(path, options);
  window.asked.push(performance.now());
  const answer = answers[window.asked.length - 1];
  if (!answer) return real(path, options);
  if (!answer.status) throw new TypeError("the connection was lost");
  return new Response(answer.body, { status: answer.status, headers: answer.headers ?? {} });
};
"""
BUSY = '{"error":{"code":"ERR_TOO_MANY_REQUESTS","message":"Too many requests."}}'


async def test_message_is_sent_again_after_the_time_that_the_server_asks_for(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        answers = [
            {"status": 429, "body": BUSY, "headers": {"retry-after": "2"}},
            {"status": 503, "body": "<html>Bad gateway</html>"},
            {"status": 200, "body": "<html>Log in to the hotel's network</html>"},
        ]
        await tab.run(INTERCEPT, method="POST", end="/messages", answers=answers)
        await write(tab, "patience")
        await tab.wait_for(f"{WORDS}.at(-1) === 'patience'", deadline=30)
        requests = await tab.evaluate("window.asked")
        assert len(requests) == 4
        assert requests[1] - requests[0] >= 1990
        stored = await stage.ask("GET", "/users/bob/messages", behalf="alice")
        assert [one["data"]["text"] for one in stored] == ["patience"]


async def test_text_that_waits_can_be_discarded_and_what_a_gateway_refuses_blocks_nothing(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        failing = [{"status": 503, "body": "<html>Bad gateway</html>", "headers": {"retry-after": "300"}}]
        await tab.run(INTERCEPT, method="POST", end="/messages", answers=failing)
        await write(tab, "never mind")
        await press(tab, "Discard")
        await tab.wait_for("!document.querySelector('.is-pending')")
        await tab.do("reload")
        await tab.wait_for(CONNECTED)
        await choose(tab, "Bob")
        refusing = [{"status": 413, "body": "<html>Too large</html>"}]
        await tab.run(INTERCEPT, method="POST", end="/messages", answers=refusing)
        await write(tab, "too large")
        await tab.wait_for("document.querySelector('.is-failed')?.innerText.includes('status 413')")
        await write(tab, "goes on")
        await tab.wait_for(f"{WORDS}.at(-1) === 'goes on'")
        stored = await stage.ask("GET", "/users/bob/messages", behalf="alice")
        assert [one["data"]["text"] for one in stored] == ["goes on"]


async def test_list_and_history_are_read_again_after_a_failure(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await tab.set_visible(False)
        await stage.say("carol", "alice", "are you there?")
        await stage.say("bob", "alice", "and you?")
        # The missed messages, and then the list.
        await tab.run(INTERCEPT, method="GET", end="s", answers=[{}, {"status": 500, "body": ""}, None, {}])
        await tab.set_visible(True)
        await tab.wait_for(f"{WORDS}.at(-1) === 'and you?'", deadline=20)
        await tab.wait_for("document.querySelector('nav').innerText.includes('are you there?')", deadline=20)
        await tab.wait_for(CONNECTED)
        assert await tab.evaluate("window.asked.length") >= 4


async def test_live_message_does_not_overtake_missed_ones(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await tab.set_visible(False)
        for n in range(3):
            await stage.say("bob", "alice", f"missed {n}")
        await tab.run(INTERCEPT, method="GET", end="/messages", answers=[{}, {}, {}])
        await tab.set_visible(True)
        await tab.wait_for("window.asked.length === 1")
        await stage.say("bob", "alice", "live")
        seen = f"{WORDS}.length"
        await tab.wait_for(f"[0, 4].includes({seen}) && {seen} === 4", deadline=30)
        assert await tab.evaluate(WORDS) == ["missed 0", "missed 1", "missed 2", "live"]


async def test_late_receipt_marks_nothing_as_read_that_came_while_the_page_was_hidden(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:

        async def unread() -> str:
            entry = await stage.ask("GET", "/users/bob/conversation", behalf="alice")
            return entry["unreadMessageCount"]

        async def none_unread() -> bool:
            return await unread() == "0"

        async def receipt_came() -> bool:
            return await unread() != "2"

        tab = await stage.open("alice", "Bob")
        await stage.say("bob", "alice", "first")
        await tab.wait_for("document.querySelector('.entries')?.innerText.includes('first')")
        await until(none_unread)
        answers = [{"status": 503, "body": "", "headers": {"retry-after": "2"}}]
        await tab.run(INTERCEPT, method="POST", end="/conversation/read", answers=answers)
        await stage.say("bob", "alice", "seen")
        await tab.wait_for("window.asked.length === 1")
        await tab.set_visible(False)
        await stage.say("bob", "alice", "not seen")
        assert await unread() == "2"
        await until(receipt_came)
        assert await unread() == "1"
        await tab.set_visible(True)
        await until(none_unread)


async def test_two_clicks_at_once_log_in_one_user(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.blank()
        buttons = "[...document.querySelectorAll('.demo-users button')]"
        await tab.wait_for(f"{buttons}.length > 1")
        names = await tab.evaluate(f"{buttons}.map((one) => one.innerText.trim().split('\\n').at(-1))")
        await tab.run(f"for (const one of {buttons}) one.click()")
        await tab.wait_for(CONNECTED)
        assert await tab.evaluate("document.querySelector('.me strong').innerText") == names[0]
        connected = await stage.ask("GET", "/connections")
        assert [one["uid"] for one in connected] == [names[0].lower()]


async def test_late_refusal_of_an_earlier_login_does_not_end_the_current_one(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice")
        await tab.run("""
            const real = window.fetch;
            window.fetch = async (path, options) => {
              if (!/conversations/.test(path)) return real(path, options);
              window.fetch = real;
              await new Promise((go) => { window.letGo = go; });
              return new Response('{"error":{"code":"ERR_UNAUTHORISED","message":"no"}}', { status: 401 });
            };""")
        await stage.say("carol", "alice", "are you there?")
        await tab.wait_for("Boolean(window.letGo)")
        await press(tab, "Log out")
        await log_in(tab, "bob")
        await tab.run("window.letGo()")
        await tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert await tab.evaluate("document.querySelector('.me strong')?.innerText") == "Bob"
        await tab.do("reload")
        await tab.wait_for(CONNECTED)


async def test_error_is_visible_on_a_phone_that_shows_the_list_of_conversations(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", width=360, height=640)
        await stage.server.kill()
        await press(tab, "Log out")
        notice = "document.querySelector('main .notice')"
        await tab.wait_for(f"{notice}?.innerText.includes('The server was not reached.')")
        shown = (
            f"((box) => [box.top >= 0, box.bottom <= innerHeight, box.width > 200])({notice}.getBoundingClientRect())"
        )
        assert await tab.evaluate(shown) == [True, True, True]
        assert await tab.evaluate(f"{notice}.checkVisibility()")
        await press(tab, "Close", notice)
        await tab.wait_for(f"!{notice}")


async def test_frames_that_are_not_understood_change_nothing(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await tab.run("""
            const Real = window.WebSocket;
            window.WebSocket = class extends Real { constructor(url) { super(url); window.socket = this; } };""")
        await tab.set_visible(False)
        await tab.set_visible(True)
        await tab.wait_for(CONNECTED)
        await tab.run("""
            for (const data of ["", "{", "null", "[]", "1", '"x"', "{}", '{"type":"message"}', '{"type":"message","body":null}',
              '{"type":"message","body":{"id":"x"}}', '{"type":"receipts","body":{}}', '{"type":"presence","body":{"user":1}}',
              '{"type":"reaction","body":{}}', '{"type":"transient_message","sender":"bob","body":{"data":null}}',
              '{"type":"transient_message","sender":"bob","body":{"data":{"draft":{},"seq":"1","text":7}}}',
              '{"type":"typing_indicator","sender":7,"body":"x"}', '{"type":"unheard of","body":{}}',
              '{"type":"message","body":{"id":"999999","sender":"bob","receiver":"alice","receiverType":"user","data":{"text":{"a":1},"attachments":7,"reactions":{}},"category":"message","type":"text","sentAt":1}}'])
              window.socket.dispatchEvent(new MessageEvent("message", { data }));""")
        await stage.say("bob", "alice", "still here")
        await tab.wait_for(f"{WORDS}.includes('still here')")
        assert await tab.evaluate("document.querySelector('.status').dataset.status") == "connected"
