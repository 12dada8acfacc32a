// Logging in: a demo user by a click, or anyone with an auth token.

import { html, useState } from "../shared/html.js";
import { Coded } from "../shared/parts.js";
import { Face, Failure, Text } from "../parts.js";
import { say } from "../words.js";

export function LogIn({ about, problem, again, busy, onToken, onDemoUser }) {
  const [token, setToken] = useState("");
  const demo = about?.demoUsers ?? [];
  const submit = (event) => {
    event.preventDefault();
    if (token.trim()) onToken(token.trim());
  };
  return html`<main class="sign-in"><div class="card">
    <img src="shared/icon.svg" alt="" width="40" height="40" />
    <h1>${say("title")}</h1>
    ${problem ? html`<${Failure} error=${problem} again=${again} />` : null}
    ${demo.length ? html`<p>${say("demoLogin")}</p>
      <ul class="demo-users">${demo.map((user) => html`<li key=${user.uid}><button class="button" disabled=${busy} onClick=${() => onDemoUser(user.uid)}>
        <${Face} name=${user.name} /><${Text}>${user.name}<//></button></li>`)}</ul>` : null}
    ${about ? html`<form class="token" onSubmit=${submit}>
      <h2>${say("tokenLogin")}</h2>
      <label><span>${say("token")}</span>
        <input type="password" autocomplete="off" value=${token} maxlength="8192" dir="ltr" onInput=${(event) => setToken(event.target.value)} aria-describedby="token-hint" /></label>
      <p class="faint" id="token-hint"><${Coded}>${say("tokenHint")}<//></p>
      <button class="button is-plain is-strong" disabled=${busy || !token.trim()}>${say("login")}</button>
    </form>` : null}
  </div></main>`;
}
