// The messages: search in all conversations or in one, one opened among its neighbours, delete.

import { html, useState } from "../shared/html.js";
import { query, request } from "../api.js";
import { moment } from "../format.js";
import { path } from "../listing.js";
import { Badge, Confirm, Dialog, Facts, Failure, Head, Json, Search, Text, useRequest, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const PAGE = 50;
const NEIGHBOURS = 8;

/** Return what a message says, in a line. */
export function summary({ data, deletedAt, category, type }) {
  if (deletedAt) return html`<em class="faint">${say("deleted")}</em>`;
  if (typeof data?.text === "string") return html`<${Text}>${data.text}<//>`;
  const names = data?.attachments?.map(({ name }) => name).join(", ");
  return html`<span class="faint">${category}/${type}</span> <${Text}>${names ?? data?.message ?? ""}<//>`;
}
const receiver = ({ receiver: to, receiverType }) => html`<${Text}>${to}<//>${receiverType === "group" ? html` <${Badge}>${say("group")}<//>` : null}`;

const COLUMNS = [
  { name: "text", title: say("message"), cell: (one) => html`<span class="line">${summary(one)}</span>` },
  { name: "from", title: say("from"), cell: (one) => html`<${Text}>${one.sender}<//>`, sort: (one) => one.sender },
  { name: "to", title: say("to"), cell: receiver, sort: (one) => one.receiver },
  { name: "sent", title: say("sent"), cell: (one) => html`<${When} at=${one.sentAt} />`, sort: (one) => one.sentAt, wide: true },
  { name: "id", title: "id", cell: (one) => one.id, sort: (one) => Number(one.id), numeric: true, wide: true },
];

async function around({ id, conversationId }) {
  const read = (affix) => request("GET", `/messages${query({ conversationId, id, affix, limit: NEIGHBOURS })}`);
  const [before, after] = await Promise.all([read("prepend"), read("append")]);
  return { before: before.data, after: after.data };
}

const line = (one, current) => html`<li key=${one.id} class=${current ? "is-current" : ""} aria-current=${current ? "true" : undefined}>
  <strong><${Text}>${one.sender}<//></strong> <${When} at=${one.sentAt} /><p>${summary(one)}</p></li>`;

/** A message among its neighbours. */
export function OpenedMessage({ one, onClose, onChanged }) {
  const [context, error, again] = useRequest(() => around(one), one.id);
  return html`<${Dialog} title=${say("messageNumber", { id: one.id })} onClose=${onClose} wide>
    <${Facts} facts=${[[say("from"), html`<${Text}>${one.sender}<//>`], [say("to"), receiver(one)], [say("sent"), moment(one.sentAt)],
      [say("deleted"), moment(one.deletedAt)], [say("conversation"), html`<code class="text">${one.conversationId}</code>`]]} />
    <h3>${say("context")}</h3>
    ${error ? html`<${Failure} error=${error} again=${again} />` : null}
    <ol class="context" tabindex="0" aria-label=${say("context")}>${[...(context?.before ?? []).map((other) => line(other, false)), line(one, true), ...(context?.after ?? []).map((other) => line(other, false))]}</ol>
    <details><summary>${say("content")}</summary><${Json} value=${one.data} /></details>
    ${one.deletedAt ? null : html`<footer><${Confirm} label=${say("deleteMessage")} question=${say("deleteMessageQuestion")} act=${() => request("DELETE", path("messages", one.id))} done=${onChanged} /></footer>`}
  <//>`;
}

export function Messages({ rest }) {
  const [conversationId] = rest;
  const [search, setSearch] = useState("");
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  const load = async (id) => {
    const asked = { searchKey: search, conversationId, affix: "prepend", id, limit: PAGE };
    const { data, meta } = await request("GET", `/messages${query(asked)}`);
    return { rows: [...data].reverse(), next: data.length === PAGE ? meta.next?.id : null };
  };
  return html`<${Head} title=${say("messages")}>
      ${conversationId ? html`<a class="button" href="#/messages">${say("allConversations")}</a><code class="text">${conversationId}</code>` : null}
      <${Search} label=${say("searchMessages")} value=${search} onSearch=${setSearch} />
    <//>
    <${Table} label=${say("messages")} columns=${COLUMNS} load=${load} changes=${[search, conversationId]} refresh=${turn} keyOf=${(one) => one.id} onOpen=${setOpened} empty=${say("noMessages")} />
    ${opened ? html`<${OpenedMessage} key=${opened.id} one=${opened} onClose=${() => setOpened(null)} onChanged=${() => { setOpened(null); setTurn(turn + 1); }} />` : null}`;
}
