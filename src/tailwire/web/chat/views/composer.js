// The field to write in: Enter sends, Shift and Enter begins a new line; files by the button, by paste or dropped.

import { html, useRef, useState } from "../shared/html.js";
import { bytes } from "../format.js";
import { say } from "../words.js";

const MOST_CHARACTERS = 10_000;
const MOST_BYTES = 100 * 1024 * 1024;

export function Composer({ chat, parent, label }) {
  const { key } = chat.open;
  const [text, setShown] = useState(() => chat.unsent.of(key, parent));
  const [problem, setProblem] = useState("");
  const [over, setOver] = useState(false);
  const [field, picker] = [useRef(null), useRef(null)];

  const setText = (written) => {
    chat.unsent.keep(written, key, parent);
    setShown(written);
  };
  const wrote = ({ target }) => {
    setText(target.value);
    setProblem("");
    if (target.value && !parent) chat.open.typing.wrote();
  };
  const send = (event) => {
    event?.preventDefault();
    if (!text.trim()) return;
    if (text.length > MOST_CHARACTERS) setProblem(say("tooLong", { most: MOST_CHARACTERS }));
    else if (!chat.write({ text, parent })) setProblem(say("outboxFull"));
    else setText("");
    field.current.focus();
  };
  const attach = (files) => {
    const all = [...files];
    const large = all.find((file) => file.size > MOST_BYTES);
    if (large) setProblem(say("fileTooLarge", { name: large.name, size: bytes(MOST_BYTES) }));
    else if (all.length && !chat.write({ files: all, parent })) setProblem(say("outboxFull"));
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    attach(event.dataTransfer.files);
  };
  return html`<form class="composer ${over ? "is-over" : ""}" onSubmit=${send} onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    ${problem ? html`<p class="problem" role="alert">${problem}</p>` : null}
    ${over ? html`<p class="faint">${say("dropHere")}</p>` : null}
    <div class="row">
      <input ref=${picker} type="file" multiple hidden onChange=${({ target }) => { attach(target.files); target.value = ""; }} />
      <button type="button" class="button is-quiet attach" aria-label=${say("attach")} onClick=${() => picker.current.click()}><span aria-hidden="true">+</span></button>
      <textarea ref=${field} dir="auto" rows="1" aria-label=${label} placeholder=${label} value=${text} onInput=${wrote} onKeyDown=${onKeyDown}
        onPaste=${(event) => { if (event.clipboardData.files.length) { event.preventDefault(); attach(event.clipboardData.files); } }}></textarea>
      <button class="button is-plain is-strong" disabled=${!text.trim()}>${say("send")}</button>
    </div>
  </form>`;
}
