// One message: its text and files, reactions, how far it has come, and what one can do with it.

import { html, useEffect, useRef, useState } from "../shared/html.js";
import { bytes, moment, percent, time } from "../format.js";
import { filesOf, reactionsOf, textOf } from "../messages.js";
import { Dialog, Text } from "../parts.js";
import { pin } from "../pins.js";
import { parts, shownFile } from "../safe.js";
import { reached } from "../timeline.js";
import { say } from "../words.js";

const PALETTE = ["👍", "❤️", "😂", "🎉", "😮", "🙏"];

const Words = ({ text }) => html`<p class="words"><${Text}>${parts(text).map((part) => (typeof part === "string" ? part
  : html`<a href=${part.link} target="_blank" rel="noopener noreferrer nofollow">${part.said}</a>`))}<//></p>`;

function File({ file }) {
  const [broken, setBroken] = useState(false);
  const { name, size, kind, shown, link } = shownFile(file);
  const label = html`<${Text}>${name}<//>${size ? html` <span class="faint">${bytes(size)}</span>` : null}`;
  if (kind === "image" && !broken) {
    const thumbnail = `${shown}${shown.includes("?") ? "&" : "?"}thumbnail=1`;
    return html`<a class="picture" href=${link} target="_blank" rel="noopener noreferrer" aria-label=${say("openFile", { name })}><img src=${thumbnail} alt=${name} loading="lazy" onError=${() => setBroken(true)} /></a>`;
  }
  if (kind === "video" && !broken) return html`<video controls preload="metadata" src=${shown} aria-label=${name} onError=${() => setBroken(true)}></video>`;
  if (kind === "audio" && !broken) return html`<audio controls preload="metadata" src=${shown} aria-label=${name} onError=${() => setBroken(true)}></audio>`;
  return html`<p class="file">${link ? html`<a href=${link} target="_blank" rel="noopener noreferrer nofollow" aria-label=${say("openFile", { name })}>${label}</a>` : label}</p>`;
}

function Reactions({ chat, message }) {
  const all = reactionsOf(message);
  if (!all.length) return null;
  return html`<ul class="reactions">${all.slice(0, 20).map(({ reaction, count, reactedByMe }) => html`<li key=${reaction}>
    <button aria-pressed=${Boolean(reactedByMe)} aria-label=${say("reactionCount", { reaction: reaction.slice(0, 20), n: count })} onClick=${() => chat.react(message, reaction, reactedByMe)}>
      <span aria-hidden="true"><span class="emoji">${reaction}</span> ${count}</span></button></li>`)}</ul>`;
}

function Edit({ chat, message, onClose }) {
  const [text, setText] = useState(textOf(message));
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const save = async () => {
    if (text.trim() && text !== textOf(message) && !(await chat.edit(message, text))) return;
    onClose();
  };
  const onKeyDown = (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      save();
    } else if (event.key === "Escape") {
      event.preventDefault();
      onClose();
    }
  };
  return html`<div class="edit"><textarea ref=${field} dir="auto" rows="2" aria-label=${say("editing")} value=${text} onInput=${({ target }) => setText(target.value)} onKeyDown=${onKeyDown}></textarea>
    <div class="tools"><button class="button is-plain is-strong" onClick=${save}>${say("save")}</button><button class="button" onClick=${onClose}>${say("cancel")}</button></div></div>`;
}

function Menu({ chat, message, mine, inThread, onEdit, onRemove, onDone }) {
  const menu = useRef(null);
  useEffect(() => menu.current.querySelector("button").focus(), []);
  const own = new Set(reactionsOf(message).filter((one) => one.reactedByMe).map((one) => one.reaction));
  const then = (act) => () => {
    act();
    onDone();
  };
  return html`<div class="menu" ref=${menu} role="group" aria-label=${say("actions")}>
    ${PALETTE.map((reaction) => html`<button key=${reaction} class="emoji" aria-pressed=${own.has(reaction)} aria-label=${say("react", { reaction })} onClick=${then(() => chat.react(message, reaction, own.has(reaction)))}>${reaction}</button>`)}
    ${inThread ? null : html`<button class="button" onClick=${then(() => chat.showThread(message))}>${say("reply")}</button>`}
    ${chat.about.scope === "participant" ? null : html`<button class="button" onClick=${then(() => chat.attempt(() => pin(chat, message, !message.pinnedAt)))}>${message.pinnedAt ? say("unpin") : say("pin")}</button>`}
    ${textOf(message) && navigator.clipboard ? html`<button class="button" onClick=${then(() => navigator.clipboard.writeText(textOf(message)))}>${say("copy")}</button>` : null}
    ${mine && message.type === "text" ? html`<button class="button" onClick=${then(onEdit)}>${say("edit")}</button>` : null}
    ${mine ? html`<button class="button is-bad" onClick=${then(onRemove)}>${say("remove")}</button>` : null}
  </div>`;
}

function Note({ message }) {
  const { by, on } = message.data?.entities ?? {};
  const action = ["joined", "left", "added", "kicked", "banned", "unbanned", "scopeChanged"].includes(message.data?.action) ? message.data.action : "other";
  const name = (side) => String(side?.entity?.name ?? side?.entity?.uid ?? "?").slice(0, 100);
  return html`<p class="note faint" data-id=${message.id} tabindex="-1"><${Text}>${say(`note_${action}`, { by: name(by), on: name(on) })}<//></p>`;
}

/** A message. `together`: continues the one before; `active`: chosen by the keyboard; `still`: only to read. */
export function Message({ chat, history, message, together, active, still, onActive }) {
  const [open, setOpen] = useState(false);
  const [editing, setEditing] = useState(false);
  const [removing, setRemoving] = useState(false);
  const [box, button] = [useRef(null), useRef(null)];
  if (message.category === "action") return html`<${Note} message=${message} />`;
  const mine = message.sender === chat.me;
  const gone = Boolean(message.deletedAt);
  const close = () => {
    setOpen(false);
    (button.current ?? box.current)?.focus();
  };
  const onKeyDown = (event) => {
    if (still || gone) return;
    if (event.key === "Enter" && event.target === box.current) {
      event.preventDefault();
      setOpen(true);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  };
  const text = textOf(message);
  const files = filesOf(message);
  const how = reached(history.line, message);
  return html`<article class="message ${mine ? "is-mine" : ""} ${together ? "is-together" : ""}" ref=${box} data-id=${still ? undefined : message.id} tabindex=${still ? undefined : active ? 0 : -1}
      onKeyDown=${onKeyDown} onFocus=${() => onActive?.(message.id)}>
    <header class=${together ? "visually-hidden" : ""}><strong><${Text}>${mine ? say("you") : chat.nameOf(message)}<//></strong>
      <time class="faint" datetime=${new Date(message.sentAt * 1000).toISOString()} title=${moment(message.sentAt)}>${time(message.sentAt)}</time></header>
    <div class="row">
      <div class="bubble">
        ${gone ? html`<p class="faint">${say("deleted")}</p>` : editing ? html`<${Edit} chat=${chat} message=${message} onClose=${() => { setEditing(false); box.current?.focus(); }} />` : html`
          ${message.quotedMessage ? html`<blockquote><${Text}>${textOf(message.quotedMessage).slice(0, 200)}<//></blockquote>` : null}
          ${text ? html`<${Words} text=${text} />` : null}
          ${files.slice(0, 20).map((file, at) => html`<${File} key=${at} file=${file} />`)}
          ${!text && !files.length ? html`<p class="faint">${say("fromApp", { type: String(message.type).slice(0, 50) })}</p>` : null}`}
      </div>
      ${still || gone || editing ? null : html`<button ref=${button} class="button is-quiet dots" tabindex=${active ? 0 : -1} aria-expanded=${open} aria-label=${say("actions")} onClick=${() => setOpen(!open)}><span aria-hidden="true">⋯</span></button>`}
    </div>
    ${open ? html`<${Menu} chat=${chat} message=${message} mine=${mine} inThread=${Boolean(history.parent)} onEdit=${() => setEditing(true)} onRemove=${() => setRemoving(true)} onDone=${close} />` : null}
    <footer>
      ${gone ? null : html`<${Reactions} chat=${chat} message=${message} />`}
      ${message.replyCount && !still ? html`<button class="link replies" onClick=${() => chat.showThread(message)}>${say("replies", { n: message.replyCount })}</button>` : null}
      ${message.pinnedAt && !gone ? html`<span class="faint">${say("pinned")}</span>` : null}
      ${message.editedAt && !gone ? html`<span class="faint">${say("edited")}</span>` : null}
      ${mine && !gone ? html`<span class="faint reached" data-reached=${how}>${say(`reached_${how}`)}</span>` : null}
    </footer>
    ${removing ? html`<${Dialog} title=${say("remove")} onClose=${() => setRemoving(false)}>
      <p class="question">${say("removeQuestion")}</p>
      <footer><button class="button is-bad is-strong" onClick=${() => { setRemoving(false); chat.remove(message); }}>${say("remove")}</button></footer><//>` : null}
  </article>`;
}

/** A message that is on its way, or was refused. */
export function Pending({ chat, entry }) {
  const failed = entry.state === "failed";
  return html`<article class="message is-mine is-pending ${failed ? "is-failed" : ""}">
    <div class="bubble">${entry.file || entry.name ? html`<p class="file"><${Text}>${entry.name}<//> <span class="faint">${bytes(entry.size ?? 0)}</span></p>
      ${failed ? null : html`<progress max="1" value=${entry.part} aria-label=${entry.name}></progress>`}` : html`<p class="words"><${Text}>${entry.text}<//></p>`}</div>
    <footer>${failed ? html`<span role="alert">${say("failed")} ${entry.error.message} ${entry.error.code}</span>
        <button class="button" onClick=${() => chat.outbox.retry(entry.muid)}>${say("tryAgain")}</button>
        <button class="button" onClick=${() => chat.outbox.remove(entry.muid)}>${say("discard")}</button>`
    : html`<span class="faint">${entry.part ? say("sendingPart", { part: percent(entry.part) }) : say("waiting")}</span>
        ${entry.file || chat.outbox.stuck ? html`<button class="button" onClick=${() => chat.outbox.remove(entry.muid)}>${entry.file ? say("cancel") : say("discard")}</button>` : null}`}</footer>
  </article>`;
}
