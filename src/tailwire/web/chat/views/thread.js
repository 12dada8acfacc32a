// The thread of a message, alongside the conversation.

import { html, useEffect, useRef } from "../shared/html.js";
import { say } from "../words.js";
import { Composer } from "./composer.js";
import { Log } from "./log.js";
import { Message } from "./message.js";

export function Thread({ chat }) {
  const { parent } = chat;
  const close = useRef(null);
  useEffect(() => close.current.focus(), []);
  const onKeyDown = (event) => { if (event.key === "Escape" && !event.defaultPrevented) chat.hideThread(); };
  return html`<aside class="thread" aria-label=${say("thread")} onKeyDown=${onKeyDown}>
    <header class="head"><h2>${say("thread")}</h2>
      <button ref=${close} class="button is-quiet" onClick=${() => chat.hideThread()}>${say("close")}</button></header>
    ${parent ? html`<div class="parent"><${Message} chat=${chat} history=${chat.open} message=${parent} still /></div>` : null}
    <${Log} chat=${chat} history=${chat.thread} />
    <${Composer} chat=${chat} parent=${chat.thread.parent} label=${say("writeReply")} />
  </aside>`;
}
