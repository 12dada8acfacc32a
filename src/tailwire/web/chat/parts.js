// Small elements that the views are made of.

import { html, useEffect, useRef, useState } from "./shared/html.js";
import { Dialog as SharedDialog, Text } from "./shared/parts.js";
import { say } from "./words.js";

export { Text };

/** A dialog over the page. */
export const Dialog = (props) => html`<${SharedDialog} ...${props} close=${say("close")} />`;

/** Draw a component again after each change of the chat. */
export function useChat(chat) {
  const [, setTurn] = useState(0);
  useEffect(() => chat.subscribe(() => setTurn((turn) => turn + 1)), [chat]);
}

/** What went wrong, to be read aloud, and what one can do. */
export function Failure({ error, again, close }) {
  const details = typeof error.details === "string" ? error.details : error.details ? Object.values(error.details).join(" ") : "";
  return html`<div class="notice is-bad" role="alert">
    <p><strong>${error.code || error.status ? error.message || error.code : say("serverGone")}</strong> ${details}</p>
    ${again ? html`<button class="button" onClick=${again}>${say("tryAgain")}</button>` : null}
    ${close ? html`<button class="button is-quiet" onClick=${close}>${say("close")}</button>` : null}
  </div>`;
}

const COLOURS = 6;

/** A circle with the first letter of a name. */
export function Face({ name, online }) {
  const [letter = "?"] = String(name).trim();
  const colour = [...String(name)].reduce((sum, one) => sum + one.codePointAt(0), 0) % COLOURS;
  return html`<span class="face is-${colour} ${online ? "is-online" : ""}" aria-hidden="true">${letter.toUpperCase()}</span>`;
}

/** A field that searches after a moment without typing. */
export function SearchField({ label, onSearch }) {
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<label class="search"><span class="visually-hidden">${label}</span>
    <input type="search" placeholder=${label} autocomplete="off" spellcheck=${false} autofocus
      onInput=${({ target }) => {
        clearTimeout(timer.current);
        timer.current = setTimeout(() => onSearch(target.value.trim()), 250);
      }} /></label>`;
}

/** Ask with a text; return [found, error]. What an older question finds is dropped. */
export function useSearch(ask, text) {
  const [state, setState] = useState([null, null]);
  useEffect(() => {
    let current = true;
    ask(text).then((found) => current && setState([found, null]), (error) => current && setState([null, error]));
    return () => { current = false; };
  }, [text]);
  return state;
}
