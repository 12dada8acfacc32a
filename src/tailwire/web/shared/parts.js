// Small pieces that the pages share. What they say is given to them, because each page has words of its own.

import { html, useEffect, useRef, useState } from "./html.js";

/** A text that a user wrote: in its own direction, never wider than its place. */
export const Text = ({ children }) => html`<bdi class="text" dir="auto">${children}</bdi>`;

/** A sentence of the page: what stands between backticks in it is code, which is never broken into lines. */
export const Coded = ({ children }) => children.split("`").map((part, at) => (at % 2 ? html`<code class="whole" dir="ltr">${part}</code>` : part));

/** A dialog over the page. It closes with Escape, with its button (named `close`), and by `onClose`. */
export function Dialog({ title, close, onClose, wide, children }) {
  const dialog = useRef(null);
  // Also when it was closed and is wanted again before it was drawn without it.
  useEffect(() => { if (!dialog.current.open) dialog.current.showModal(); });
  return html`<dialog ref=${dialog} class=${wide ? "wide" : ""} aria-labelledby="dialog-title" onClose=${onClose}
      onClick=${(event) => { if (event.target === dialog.current) dialog.current.close(); }}>
    <div class="dialog">
      <header><h2 id="dialog-title">${title}</h2><button class="button is-quiet" onClick=${() => dialog.current.close()}>${close}</button></header>
      ${children}
    </div>
  </dialog>`;
}

/** Apply the colours that were chosen before, if any. `name`: of the entry in the browser's storage. */
export function applyTheme(name) {
  const theme = localStorage.getItem(name);
  if (theme) document.documentElement.dataset.theme = theme;
}

/** A choice of the colours: the system's, light or dark. `say` has the texts theme, themeSystem, themeLight, themeDark. */
export function Theme({ name, say }) {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "");
  const choose = (event) => {
    const chosen = event.target.value;
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
    localStorage.setItem(name, chosen);
    setTheme(chosen);
    dispatchEvent(new Event("themechange"));
  };
  return html`<label class="theme"><span class="visually-hidden">${say("theme")}</span><select value=${theme} onChange=${choose}>
    <option value="">${say("themeSystem")}</option><option value="light">${say("themeLight")}</option><option value="dark">${say("themeDark")}</option></select></label>`;
}
