// Small elements that the pages are made of.

import { html, useEffect, useRef, useState } from "./shared/html.js";
import { Dialog as SharedDialog, Text } from "./shared/parts.js";
import { ago, moment } from "./format.js";
import { say } from "./words.js";

export { Text };

/** A user or group: name, and its id below. */
export const Name = ({ name, id }) => html`<span class="name"><${Text}>${name || id}<//>${name && id && name !== id ? html`<small><${Text}>${id}<//></small>` : null}</span>`;

export const Badge = ({ tone = "plain", children }) => html`<span class="badge is-${tone}">${children}</span>`;

export const When = ({ at }) => (at ? html`<time datetime=${new Date(at * 1000).toISOString()} title=${moment(at)}>${ago(at)}</time>` : html`<span class="faint">–</span>`);

export const Code = ({ children }) => html`<code class="text">${children}</code>`;

/** What happened to a request: an error to read aloud, and a way to try again. */
export function Failure({ error, again }) {
  const text = error.code ? error.message : say("serverGone");
  const details = typeof error.details === "string" ? error.details : error.details ? Object.values(error.details).join(" ") : "";
  return html`<div class="notice is-bad" role="alert">
    <p><strong>${text}</strong> ${details}</p>
    ${error.code ? html`<p><${Code}>${error.code}<//></p>` : null}
    ${again ? html`<button class="button" onClick=${again}>${say("tryAgain")}</button>` : null}
  </div>`;
}

/** A heading with what belongs to the whole page. */
export const Head = ({ title, children }) => html`<header class="page-head"><h1>${title}</h1><div class="tools">${children}</div></header>`;

/** A field that searches after a moment without typing. */
export function Search({ label, value, onSearch }) {
  const timer = useRef(0);
  return html`<label class="search"><span class="visually-hidden">${label}</span>
    <input type="search" placeholder=${label} value=${value} autocomplete="off" spellcheck=${false}
      onInput=${(event) => {
        clearTimeout(timer.current);
        const text = event.target.value;
        timer.current = setTimeout(() => onSearch(text.trim()), 250);
      }} /></label>`;
}

/** A choice of a few, as buttons. */
export const Choice = ({ label, value, options, onChoose }) => html`<div class="choice" role="group" aria-label=${label}>
  ${options.map(([name, text]) => html`<button key=${name} aria-pressed=${value === name} onClick=${() => onChoose(name)}>${text}</button>`)}
</div>`;

/** A dialog over the page. It closes with Escape, with its button, and by `onClose`. */
export const Dialog = (props) => html`<${SharedDialog} ...${props} close=${say("close")} />`;

/** A button that asks before it acts, and shows what was refused. */
export function Confirm({ label, question, tone = "bad", act, done }) {
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
      setAsking(false);
      done?.();
    } catch (refused) {
      setError(refused);
    }
    setBusy(false);
  };
  return html`<button class="button is-${tone}" onClick=${() => setAsking(true)}>${label}</button>
    ${asking ? html`<${Dialog} title=${label} onClose=${() => setAsking(false)}>
      <p class="question">${question}</p>
      ${error ? html`<${Failure} error=${error} />` : null}
      <footer><button class="button is-${tone} is-strong" disabled=${busy} onClick=${go}>${label}</button></footer>
    <//>` : null}`;
}

/** A list of names and values. */
export const Facts = ({ facts }) => html`<dl class="facts">${facts.filter(([, value]) => value !== undefined && value !== "" && value !== null).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** JSON to read, with its text as it is. */
export const Json = ({ value }) => html`<pre class="json" tabindex="0" dir="ltr">${JSON.stringify(value, null, 2)}</pre>`;

/** Run a request when something changes; return [data, error, again]. */
export function useRequest(load, ...changes) {
  const [state, setState] = useState([null, null]);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let current = true;
    load().then((data) => current && setState([data, null]), (error) => current && setState([null, error]));
    return () => { current = false; };
  }, [turn, ...changes]);
  return [...state, () => setTurn(turn + 1)];
}
