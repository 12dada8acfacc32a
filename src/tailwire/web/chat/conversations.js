// The list of conversations. Pure.

import { changed, conversationOf, countsFor, keyOf } from "./messages.js";

/** Return an entry of the list from what the server says. */
export function entryOf(conversation) {
  const { conversationType: kind, conversationWith: other = {}, lastMessage, unreadMessageCount } = conversation;
  const id = String(kind === "group" ? other.guid : other.uid);
  return {
    key: keyOf(kind, id), kind, id, name: other.name || id, members: other.membersCount ?? 0, scope: other.scope ?? "",
    online: kind === "user" && ["available", "online"].includes(other.status),
    unread: Number(unreadMessageCount) || 0, last: lastMessage?.id ? lastMessage : null,
    at: lastMessage?.sentAt ?? conversation.updatedAt ?? 0, newest: Number(conversation.latestMessageId) || 0,
  };
}

const sorted = (list) => [...list].sort((a, b) => b.at - a.at || b.newest - a.newest || (a.key < b.key ? -1 : 1));

/** Return the list with entries as the server has them now; an entry that a newer message came for meanwhile stays. */
export function withListed(list, entries) {
  const byKey = new Map(list.map((one) => [one.key, one]));
  for (const one of entries) {
    const known = byKey.get(one.key);
    if (!known || known.newest <= one.newest) byKey.set(one.key, one);
    else byKey.set(one.key, { ...known, name: one.name, online: one.online, members: one.members, scope: one.scope });
  }
  return sorted(byKey.values());
}

/** Return the list after a message; null if its conversation is not in it. `seen`: the reader sees it in this moment. */
export function withMessage(list, message, me, seen) {
  const key = conversationOf(message, me);
  const at = list.findIndex((one) => one.key === key);
  if (at < 0) return null;
  const entry = { ...list[at] };
  const id = Number(message.id);
  const about = changed(message);
  if (about) {
    if (entry.last?.id === String(about.id)) entry.last = about;
  } else if (id > entry.newest) {
    if (!message.parentId) Object.assign(entry, { last: message, at: message.sentAt });
    if (countsFor(message, me) && !seen) entry.unread += 1;
    if (message.sender === me && message.category !== "action") entry.unread = 0;
  }
  entry.newest = Math.max(entry.newest, id);
  return sorted(list.map((one) => (one.key === key ? entry : one)));
}

/** Return the list with changes to one entry. */
export const withEntry = (list, key, changes) => list.map((one) => (one.key === key ? { ...one, ...changes } : one));

/** Return the list without an entry. */
export const without = (list, key) => list.filter((one) => one.key !== key);
