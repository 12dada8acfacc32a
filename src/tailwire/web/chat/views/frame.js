// The frame of a chat: who and whether connected, the conversations, and the open one.

import { html, useEffect, useRef, useState } from "../shared/html.js";
import { Theme } from "../shared/parts.js";
import { Face, Failure, Text, useChat } from "../parts.js";
import { filesOf, textOf } from "../messages.js";
import { Unavailable } from "../notifications.js";
import { say } from "../words.js";
import { Conversation } from "./conversation.js";
import { Conversations } from "./conversations.js";
import { Thread } from "./thread.js";

export const THEME = "tailwire-chat-theme";

function Status({ chat }) {
  const { status, until } = chat.connection.state;
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    if (status !== "waiting") return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [status, until]);
  const name = status === "connected" && chat.catchingUp ? "catching" : status;
  const tone = status === "connected" ? "live" : status === "waiting" || status === "refused" ? "gone" : "idle";
  // Read aloud once, and not each second.
  return html`<p class="status is-${tone}" data-status=${name}><i aria-hidden="true"></i>
    <span aria-hidden="true">${say(`status_${name}`, { seconds: Math.max(0, Math.ceil((until - now) / 1000)) })}</span>
    <span class="visually-hidden" role="status">${say(`status_${name}`, { seconds: "…" })}</span>
    ${tone === "gone" ? html`<button class="button" onClick=${() => chat.connection.tryNow()}>${say("tryNow")}</button>` : null}</p>`;
}

/** Turns notifications on and off; nothing, if the server sends none. */
function NotificationsButton({ chat }) {
  const { offered, on, busy } = chat.notifications;
  const [problem, setProblem] = useState("");
  if (!offered) return null;
  const toggle = async () => {
    setProblem("");
    try {
      await chat.attempt(() => (on ? chat.notifications.turnOff() : chat.notifications.turnOn()));
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      setProblem(say(`push_${error.message}`));
    }
  };
  return html`<button class="button notify" data-on=${on} disabled=${busy} onClick=${toggle}>${on ? say("notificationsOn") : say("notificationsOff")}</button>
    ${problem ? html`<p class="problem" role="alert">${problem}</p>` : null}`;
}

/** What has just come, for those who listen. */
function Announcer({ chat }) {
  const { message, key } = chat.newest ?? {};
  const shown = message && chat.open?.key === key ? message : null;
  return html`<p class="visually-hidden" role="log" aria-live="polite">
    ${shown ? say("newMessage", { name: chat.nameOf(shown), text: textOf(shown) || (filesOf(shown).length ? say("aFile") : "") }) : ""}</p>`;
}

export function Frame({ chat, onLogOut }) {
  useChat(chat);
  const unread = chat.list.reduce((sum, one) => sum + one.unread, 0);
  useEffect(() => { document.title = `${unread ? `(${unread}) ` : ""}${say("title")}`; }, [unread]);
  const main = useRef(null);
  const skip = (event) => {
    event.preventDefault();
    (document.querySelector("#messages") ?? main.current).focus();
  };
  return html`<a class="skip" href="#content" onClick=${skip}>${say("skip")}</a>
    <div class="chat ${chat.open ? "is-open" : ""} ${chat.thread ? "has-thread" : ""}">
      <div class="side">
        <header class="me">
          <${Face} name=${chat.user.name} />
          <div class="who"><strong><${Text}>${chat.user.name}<//></strong><${Status} chat=${chat} /></div>
          <${Theme} name=${THEME} say=${say} />
          <button class="button is-quiet" onClick=${onLogOut}>${say("logout")}</button>
          <${NotificationsButton} chat=${chat} />
        </header>
        <${Conversations} chat=${chat} />
      </div>
      <main id="content" ref=${main} tabindex="-1" aria-label=${say("messages")}>
        ${chat.problem ? html`<${Failure} error=${chat.problem} close=${() => chat.say(null)} />` : null}
        ${chat.open ? html`<${Conversation} key=${chat.open.key} chat=${chat} />` : html`<p class="empty">${say("noneOpen")}</p>`}
      </main>
      ${chat.thread ? html`<${Thread} key=${chat.thread.parent} chat=${chat} />` : null}
      <${Announcer} chat=${chat} />
    </div>`;
}
