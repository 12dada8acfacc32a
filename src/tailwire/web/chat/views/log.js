// The messages of a history, with reading more at both ends. It stays at its end while the reader is there.

import { Fragment, html, useEffect, useLayoutEffect, useRef, useState } from "../shared/html.js";
import { day, sameDay } from "../format.js";
import { countsFor } from "../messages.js";
import { Failure } from "../parts.js";
import { say } from "../words.js";
import { Message, Pending } from "./message.js";

const NEAR = 40;
const FAR = 300;
const TOGETHER_SECONDS = 300;

/** Whether a message continues the one before: of the same person, shortly after. */
const continues = (message, before) => before && before.sender === message.sender && before.category === message.category
  && sameDay(before.sentAt, message.sentAt) && message.sentAt - before.sentAt < TOGETHER_SECONDS;

export function Log({ chat, history, id, children }) {
  const { line } = history;
  const log = useRef(null);
  const place = useRef({ bottom: true, first: null, top: 0, newest: 0 });
  const [active, setActive] = useState(null);
  const [away, setAway] = useState(0);
  const pending = chat.outbox.entries.filter((one) => one.key === history.key && (one.parent ?? null) === (history.parent ?? null));
  const isMain = history === chat.open;

  const scrolled = () => {
    if (!log.current) return; // the event came after the list was removed
    const { scrollTop, scrollHeight, clientHeight } = log.current;
    const bottom = scrollHeight - scrollTop - clientHeight < NEAR;
    place.current.bottom = bottom;
    if (isMain && chat.bottom !== bottom) {
      chat.bottom = bottom;
      chat.seen();
    }
    if (bottom) setAway(0);
    if (scrollTop < FAR && line.loaded) history.older();
    if (bottom && line.hasNewer) history.newer();
  };

  // What is drawn above does not move what is read; at the end, new messages come into view.
  useLayoutEffect(() => {
    const box = log.current;
    const [first] = line.messages;
    const was = place.current;
    const target = chat.jump && isMain ? box.querySelector(`[data-id="${CSS.escape(chat.jump)}"]`) : null;
    if (isMain) chat.jump = null;
    if (target) {
      target.scrollIntoView({ block: "center" });
      target.focus({ preventScroll: true });
      setActive(target.dataset.id);
    } else if (was.bottom && !line.hasNewer) box.scrollTop = box.scrollHeight;
    else if (was.first && first && first.id !== was.first) {
      const same = box.querySelector(`[data-id="${CSS.escape(was.first)}"]`);
      if (same) box.scrollTop += same.offsetTop - was.top;
    }
    const top = first && box.querySelector(`[data-id="${CSS.escape(first.id)}"]`);
    Object.assign(was, { first: first?.id ?? null, top: top?.offsetTop ?? 0 });
  });

  const last = line.messages.at(-1);
  useEffect(() => {
    const id = Number(last?.id ?? 0);
    const { newest } = place.current;
    if (newest && id > newest && !place.current.bottom && countsFor(last, chat.me)) setAway((count) => count + 1);
    place.current.newest = Math.max(newest, id);
  }, [last?.id]);
  useEffect(() => {
    const keep = new ResizeObserver(() => { if (place.current.bottom && log.current && !history.line.hasNewer) log.current.scrollTop = log.current.scrollHeight; });
    keep.observe(log.current);
    return () => keep.disconnect();
  }, [history]);

  const toEnd = () => {
    place.current.bottom = true;
    if (line.hasNewer) history.latest();
    log.current.scrollTop = log.current.scrollHeight;
    setAway(0);
  };
  const toOlder = () => {
    place.current.bottom = false;
    history.older();
  };
  const onKeyDown = (event) => {
    if (!["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key) || /^(TEXTAREA|INPUT|SELECT)$/.test(event.target.tagName)) return;
    const all = [...log.current.querySelectorAll("[data-id]")];
    if (!all.length) return;
    const at = all.findIndex((one) => one.contains(document.activeElement));
    const wanted = { ArrowUp: at < 0 ? all.length - 1 : at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[event.key];
    event.preventDefault();
    const next = all[Math.max(0, Math.min(all.length - 1, wanted))];
    setActive(next.dataset.id);
    next.focus();
    if (wanted < 0) history.older();
  };

  return html`<div class="log-frame">
    <div class="log" id=${id} ref=${log} role="region" tabindex="0" aria-label=${say(history.parent ? "thread" : "messages")} aria-busy=${!line.loaded && !history.error} onScroll=${scrolled} onKeyDown=${onKeyDown}>
      ${history.error ? html`<${Failure} error=${history.error} again=${() => history.load()} />` : null}
      ${!line.loaded && !history.error ? html`<p class="loading">${say("loading")}</p>` : null}
      ${line.hasOlder ? html`<button class="button more" disabled=${history.moving === "older"} onClick=${toOlder}>${say("older")}</button>` : line.loaded && isMain ? html`<p class="faint note">${say("beginning")}</p>` : null}
      ${line.messages.map((message, at) => {
        const before = line.messages[at - 1];
        return html`<${Fragment} key=${message.id}>
          ${!before || !sameDay(before.sentAt, message.sentAt) ? html`<h3 class="day">${day(message.sentAt)}</h3>` : null}
          <${Message} chat=${chat} history=${history} message=${message} together=${continues(message, before)} active=${active === message.id} onActive=${setActive} />
        <//>`;
      })}
      ${line.hasNewer ? html`<button class="button more" disabled=${history.moving === "newer"} onClick=${() => history.newer()}>${say("newer")}</button>` : null}
      ${pending.map((entry) => html`<${Pending} key=${entry.muid} chat=${chat} entry=${entry} />`)}
      ${children}
    </div>
    ${line.hasNewer || away ? html`<button class="button to-end" onClick=${toEnd}>${away ? say("latestWithNew", { n: away }) : say("latest")}</button>` : null}
  </div>`;
}
