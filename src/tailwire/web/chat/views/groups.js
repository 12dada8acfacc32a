// The list of groups that anyone may join.

import { html, useEffect, useRef, useState } from "../shared/html.js";
import { Refused } from "../api.js";
import { find, join } from "../groups.js";
import { Dialog, Face, Failure, SearchField, Text, useSearch } from "../parts.js";
import { say } from "../words.js";

function Group({ chat, group, onJoin, busy }) {
  const [asking, setAsking] = useState(false);
  const [password, setPassword] = useState("");
  const field = useRef(null);
  useEffect(() => { if (asking) field.current?.focus(); }, [asking]);
  const name = group.name || group.guid;
  const act = () => {
    if (!group.hasJoined && group.type === "password" && !asking) setAsking(true);
    else if (!group.hasJoined) onJoin(group);
    else onJoin(null, () => chat.show("group", group.guid, name));
  };
  const submit = (event) => {
    event.preventDefault();
    if (password) onJoin(group, null, password);
  };
  const kind = `${group.type === "password" ? say("groupPassword") : say("groupPublic")} · ${say("members", { n: group.membersCount ?? 0 })}`;
  return html`<li><div class="entry is-group"><${Face} name=${name} /><span class="entry-name"><${Text}>${name}<//></span>
      <button class="button" disabled=${busy} aria-expanded=${group.type === "password" && !group.hasJoined ? asking : undefined}
        aria-label=${group.hasJoined ? say("openGroup", { name }) : say("joinGroup", { name })} onClick=${act}>${group.hasJoined ? say("open") : say("join")}</button>
      <span class="entry-last">${kind}</span></div>
    ${asking && !group.hasJoined ? html`<form class="password" onSubmit=${submit}>
      <label><span>${say("groupPasswordLabel")}</span><input ref=${field} type="password" autocomplete="off" maxlength="1000" value=${password} onInput=${({ target }) => setPassword(target.value)} /></label>
      <button class="button is-plain is-strong" disabled=${busy || !password}>${say("join")}</button></form>` : null}</li>`;
}

export function Groups({ chat, onClose }) {
  const [text, setText] = useState("");
  const [rest, setRest] = useState(null);  // the pages after the first one: {text, groups, next}
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [first, error] = useSearch((asked) => find(chat, asked), text);
  const later = rest?.text === text ? rest : { groups: [], next: first?.next };
  const groups = [...(first?.groups ?? []), ...later.groups];

  const attempt = async (action) => {
    setBusy(true);
    setProblem(null);
    try {
      return await action();
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      setProblem(refused);
      return null;
    } finally {
      setBusy(false);
    }
  };
  const more = () => attempt(async () => {
    const page = await find(chat, text, later.next);
    setRest({ text, groups: [...later.groups, ...page.groups], next: page.next });
  });
  const onJoin = async (group, act, password) => {
    if (await attempt(async () => { await (act ? act() : join(chat, group, password)); return true; })) onClose();
  };
  return html`<${Dialog} title=${say("groups")} onClose=${onClose}>
    <${SearchField} label=${say("searchGroups")} onSearch=${setText} />
    ${problem || error ? html`<${Failure} error=${problem ?? error} />` : null}
    <ul class="found">${groups.map((group) => html`<${Group} key=${group.guid} chat=${chat} group=${group} busy=${busy} onJoin=${onJoin} />`)}</ul>
    ${first && !groups.length ? html`<p class="faint">${say("noGroups")}</p>` : null}
    ${first && later.next ? html`<button class="button" disabled=${busy} onClick=${more}>${say("moreGroups")}</button>` : null}
  <//>`;
}
