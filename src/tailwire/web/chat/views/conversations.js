// The list of conversations, and the search for someone new.

import { html, useState } from "../shared/html.js";
import { brief } from "../format.js";
import { filesOf, textOf } from "../messages.js";
import { Dialog, Face, Failure, SearchField, Text, useSearch } from "../parts.js";
import { say } from "../words.js";
import { Groups } from "./groups.js";

/** Return the last message in a line, and who wrote it, where that has to be said. */
function lastLine(chat, entry) {
  const { last } = entry;
  if (!last) return { text: entry.newest ? say("noPreview") : "" };  // the server leaves out one that was deleted
  if (last.deletedAt) return { text: say("deleted") };
  const text = textOf(last) || (filesOf(last).length ? say("aFile") : last.category === "message" ? "" : say("fromApp", { type: last.type }));
  if (last.category === "action") return { text: say("note_other") };
  if (last.sender === chat.me) return { who: say("you"), text };
  return entry.kind === "group" ? { who: chat.nameOf(last), text } : { text };
}

// The text has its own direction alongside the name: a mark at the end of an Arabic text stays at its end.
function LastLine({ chat, entry }) {
  const { who, text } = lastLine(chat, entry);
  const said = text.slice(0, 200);
  return who ? html`<${Text}>${who.slice(0, 100)}: <${Text}>${said}<//><//>` : html`<${Text}>${said}<//>`;
}

function Entry({ chat, entry }) {
  const typists = chat.writing.typing(entry.key);
  const open = chat.open?.key === entry.key;
  return html`<li><button class="entry" aria-current=${open ? "true" : undefined} onClick=${() => chat.show(entry.kind, entry.id, entry.name)}>
    <${Face} name=${entry.name} online=${entry.online} />
    <span class="entry-name"><${Text}>${entry.name}<//>${entry.online ? html`<span class="visually-hidden">, ${say("online")}</span>` : null}</span>
    <time class="entry-at">${entry.at ? brief(entry.at) : ""}</time>
    <span class="entry-last">${typists.length ? html`<em>${say("typing", { n: 1, names: typists[0] })}</em>` : html`<${LastLine} chat=${chat} entry=${entry} />`}</span>
    ${entry.unread ? html`<span class="count"><span aria-hidden="true">${entry.unread > 99 ? "99+" : entry.unread}</span>
      <span class="visually-hidden">${say("unread", { n: entry.unread })}</span></span>` : null}
  </button></li>`;
}

function NewConversation({ chat, onClose }) {
  const [text, setText] = useState("");
  const [found, error] = useSearch((asked) => chat.people(asked), text);
  const choose = (one) => {
    chat.show(one.kind, one.id, one.name);
    onClose();
  };
  return html`<${Dialog} title=${say("newConversation")} onClose=${onClose}>
    <${SearchField} label=${say("searchPeople")} onSearch=${setText} />
    ${error ? html`<${Failure} error=${error} />` : null}
    <ul class="found">${(found ?? []).map((one) => html`<li key=${`${one.kind} ${one.id}`}><button class="entry" onClick=${() => choose(one)}>
      <${Face} name=${one.name} /><span class="entry-name"><${Text}>${one.name}<//></span><span class="entry-last"><${Text}>${one.id}<//></span></button></li>`)}</ul>
    ${found && !found.length ? html`<p class="faint">${say("nobodyFound")}</p>` : null}
  <//>`;
}

export function Conversations({ chat }) {
  const [adding, setAdding] = useState(false);
  const [groups, setGroups] = useState(false);
  return html`<nav aria-label=${say("conversations")}>
    <div class="nav-head"><h1>${say("conversations")}</h1>
      <div class="tools"><button class="button" onClick=${() => setGroups(true)}>${say("groups")}</button>
      <button class="button is-plain is-strong" onClick=${() => setAdding(true)}>${say("newConversation")}</button></div></div>
    ${chat.list.length ? html`<ul class="entries">${chat.list.map((entry) => html`<${Entry} key=${entry.key} chat=${chat} entry=${entry} />`)}</ul>` : html`<p class="empty">${chat.listed ? say("noConversations") : say("loading")}</p>`}
    ${chat.listMore ? html`<button class="button" onClick=${() => chat.moreConversations()}>${say("moreConversations")}</button>` : null}
    ${adding ? html`<${NewConversation} chat=${chat} onClose=${() => setAdding(false)} />` : null}
    ${groups ? html`<${Groups} chat=${chat} onClose=${() => setGroups(false)} />` : null}
  </nav>`;
}
