// What belongs to the open conversation: its pinned messages, and for a group leaving it.

import { html, useState } from "../shared/html.js";
import { Refused } from "../api.js";
import { moment } from "../format.js";
import { leave } from "../groups.js";
import { filesOf, textOf } from "../messages.js";
import { Dialog, Failure, Text, useSearch } from "../parts.js";
import { list, pin } from "../pins.js";
import { say } from "../words.js";

export function Details({ chat, onClose, onGo }) {
  const [turn, setTurn] = useState(0);
  const [problem, setProblem] = useState(null);
  const [leaving, setLeaving] = useState(false);
  const [pinned, error] = useSearch(() => list(chat), turn);
  const { kind, id } = chat.open;
  const attempt = async (action, then) => {
    try {
      setProblem(null);
      await action();
      then();
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      setProblem(refused);
    }
  };
  const unpin = (message) => attempt(() => pin(chat, message, false), () => setTurn(turn + 1));
  return html`<${Dialog} title=${say("details")} onClose=${onClose}>
    ${problem || error ? html`<${Failure} error=${problem ?? error} />` : null}
    <h3>${say("pinnedMessages")}</h3>
    <ul class="found">${(pinned ?? []).map((one) => html`<li key=${one.id} class="pinned">
      <button class="entry is-text" onClick=${() => { onClose(); onGo(one); }}>
        <span class="entry-name"><${Text}>${chat.nameOf(one)}<//></span><time class="entry-at">${moment(one.sentAt)}</time>
        <span class="entry-last"><${Text}>${(textOf(one) || (filesOf(one).length ? say("aFile") : "")).slice(0, 300)}<//></span></button>
      ${chat.about.scope === "participant" ? null : html`<button class="button is-quiet" onClick=${() => unpin(one)}>${say("unpin")}</button>`}</li>`)}</ul>
    ${pinned && !pinned.length ? html`<p class="faint">${say("nothingPinned")}</p>` : null}
    ${kind === "group" ? html`<footer>${leaving ? html`<p class="question">${say("leaveQuestion")}</p>
        <button class="button is-bad is-strong" onClick=${() => attempt(() => leave(chat, id), onClose)}>${say("leave")}</button>`
    : html`<button class="button is-bad" onClick=${() => setLeaving(true)}>${say("leaveGroup")}</button>`}</footer>` : null}
  <//>`;
}
