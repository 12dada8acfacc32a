// Groups that anyone may join: finding them, joining, leaving.

import { query } from "./api.js";
import * as conversations from "./conversations.js";
import { keyOf } from "./messages.js";

const PAGE = 30;

/** Return {groups, next}: groups that are public or have a password, by a search; `next` is the cursor of the next page, or "". */
export async function find(chat, text, cursor = "start") {
  const asked = { searchKey: text, types: "public,password", per_page: PAGE, cursor };
  const { data, meta } = await chat.api.request("GET", `/groups${query(asked)}`);
  return { groups: data, next: meta?.next?.cursor ?? "" };
}

/** Join a group, and open its conversation. */
export async function join(chat, { guid, name }, password) {
  const body = password === undefined ? {} : { password };
  chat.acted(await chat.api.ask("POST", `/groups/${encodeURIComponent(guid)}/members`, body));
  chat.listing.run();
  chat.show("group", guid, name);
}

/** Leave a group, and close its conversation. */
export async function leave(chat, guid) {
  chat.acted(await chat.api.ask("DELETE", `/groups/${encodeURIComponent(guid)}/members`));
  const key = keyOf("group", guid);
  if (chat.open?.key === key) chat.hide();
  chat.list = conversations.without(chat.list, key);
  chat.listing.run();
  chat.changed();
}
