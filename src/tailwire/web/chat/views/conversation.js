// The open conversation: its head, its history, who is writing, and the field to write in.

import { html, useState } from "../shared/html.js";
import { moment, names } from "../format.js";
import { textOf } from "../messages.js";
import { Dialog, Face, Failure, SearchField, Text, useSearch } from "../parts.js";
import { say } from "../words.js";
import { Composer } from "./composer.js";
import { Details } from "./details.js";
import { Log } from "./log.js";

/** Show a message of the open conversation in its place; for a reply in a thread, the message that the thread is about. */
const showMessage = (chat, { id, parentId }) => chat.attempt(async () => {
  const { open } = chat;
  const place = parentId ?? id;
  if (!await open.around(place) || chat.open !== open) return;
  chat.jump = place;
  chat.changed();
});

function Search({ chat, onClose }) {
  const [text, setText] = useState("");
  const [found, error] = useSearch(async (asked) => (asked ? await chat.search(asked) : null), text);
  const go = (message) => {
    onClose();
    showMessage(chat, message);
  };
  return html`<${Dialog} title=${say("searchMessages")} onClose=${onClose}>
    <${SearchField} label=${say("searchMessages")} onSearch=${setText} />
    ${error ? html`<${Failure} error=${error} />` : null}
    <ul class="found">${(found ?? []).map((one) => html`<li key=${one.id}><button class="entry is-text" onClick=${() => go(one)}>
      <span class="entry-name"><${Text}>${chat.nameOf(one)}<//></span><time class="entry-at">${moment(one.sentAt)}</time>
      <span class="entry-last"><${Text}>${textOf(one).slice(0, 300)}<//></span></button></li>`)}</ul>
    ${found && !found.length ? html`<p class="faint">${say("nothingFound")}</p>` : null}
  <//>`;
}

/** Those who type, and drafts that grow. */
function Writers({ chat }) {
  const typists = chat.writing.typing(chat.open.key);
  return html`<div class="writers">
    ${chat.writing.draftsIn(chat.open.key).map((draft) => html`<article class="message is-draft" key=${`${draft.uid} ${draft.id}`}>
      <header><strong><${Text}>${draft.name}<//></strong> <span class="faint">${say("drafting", { name: draft.name })}</span></header>
      <div class="bubble"><p class="words"><${Text}>${draft.cut ? "… " : ""}${draft.text}<//></p></div>
      <button class="button" onClick=${() => chat.stopDraft(draft)}>${say("stopDraft")}</button></article>`)}
    <p class="typing" role="status">${typists.length ? say("typing", { n: typists.length, names: names(typists.slice(0, 3)) }) : ""}</p>
  </div>`;
}

export function Conversation({ chat }) {
  const [searching, setSearching] = useState(false);
  const [details, setDetails] = useState(false);
  const about = chat.about;
  const line = about.kind === "group" ? about.members ? say("members", { n: about.members }) : "" : about.online ? say("online") : say("offline");
  return html`<section class="conversation" aria-label=${about.name}>
    <header class="head">
      <button class="button is-quiet back" onClick=${() => chat.hide()} aria-label=${say("back")}><span aria-hidden="true" class="arrow">←</span></button>
      <${Face} name=${about.name} online=${about.online} />
      <div class="who"><h2><${Text}>${about.name}<//></h2><p class="faint">${line}</p></div>
      <button class="button is-quiet" onClick=${() => setSearching(true)}>${say("search")}</button>
      <button class="button is-quiet" onClick=${() => setDetails(true)}>${say("details")}</button>
    </header>
    <${Log} chat=${chat} history=${chat.open} id="messages"><${Writers} chat=${chat} /><//>
    <${Composer} chat=${chat} label=${say("write")} />
    ${searching ? html`<${Search} chat=${chat} onClose=${() => setSearching(false)} />` : null}
    ${details ? html`<${Details} chat=${chat} onClose=${() => setDetails(false)} onGo=${(message) => showMessage(chat, message)} />` : null}
  </section>`;
}
