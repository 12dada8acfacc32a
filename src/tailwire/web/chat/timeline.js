// The messages of one open conversation or thread: a part of its history without a gap, of bounded size. Pure.

import { isShown } from "./messages.js";

export const PAGE = 50;
const MOST = 500;

/**
 * A part of a history.
 *   me: whose messages have receipts;
 *   messages: in the order of their ids; hasOlder, hasNewer: whether the server has more before or after them;
 *   from, until: the ids at the edges of what was read, also of what is not shown: more is read from there;
 *   live: of the newest message that has come by itself, also if it was not added;
 *   delivered, read: ids up to which the others have received and read it (own messages)
 */
export const empty = (me, more = {}) => ({
  me, messages: [], hasOlder: false, hasNewer: false, from: 0, until: 0, live: 0, loaded: false, delivered: 0, read: 0, ...more,
});

const idOf = (message) => Number(message.id);

function merged(known, added) {
  const byId = new Map(known.map((one) => [one.id, one]));
  for (const one of added) {
    const before = byId.get(one.id);
    if (!before || newer(one, before)) byId.set(one.id, one);
  }
  return [...byId.values()].sort((a, b) => idOf(a) - idOf(b));
}

// A page that was requested before an edit, and comes after it, does not take it back.
const newer = (one, before) => (one.updatedAt ?? 0) >= (before.updatedAt ?? 0) && !(before.deletedAt && !one.deletedAt);

function receipts(messages, me) {
  let delivered = 0;
  let read = 0;
  for (const one of messages) {
    if (one.sender !== me) continue;  // those times say what the reader has seen
    if (one.deliveredAt) delivered = Math.max(delivered, idOf(one));
    if (one.readAt) read = Math.max(read, idOf(one));
  }
  return { delivered, read };
}

// A part with at most MOST messages: what is at the other end than `where` is dropped, and can be read again.
function bounded(line, where) {
  if (line.messages.length <= MOST) return line;
  if (where === "older") {
    const messages = line.messages.slice(0, MOST);
    return { ...line, messages, hasNewer: true, until: idOf(messages.at(-1)) };
  }
  const messages = line.messages.slice(-MOST);
  return { ...line, messages, hasOlder: true, from: idOf(messages[0]) };
}

/**
 * Add a page that was read: `where` is newest, older, newer, or around. `full`: whether there may be more that way;
 * `late`: whether there is more after the newest page, because it came meanwhile.
 */
export function withPage(line, page, where, full, late = false) {
  const shown = page.filter(isShown);
  const [from, until] = page.length ? [idOf(page[0]), idOf(page.at(-1))] : [line.from, line.until];
  const state = { ...line, loaded: true };
  if (where === "newest" && !line.hasNewer) {
    const joins = line.from && line.from <= from;  // what is older was read before
    const edges = { from: joins ? line.from : from, until: Math.max(line.until, until), hasOlder: joins ? line.hasOlder : full };
    Object.assign(state, edges, { messages: merged(line.messages, shown) });
  }
  if (where === "newest" && line.hasNewer) Object.assign(state, { messages: shown, from, until, hasOlder: full, hasNewer: late });
  if (where === "older") Object.assign(state, { messages: merged(line.messages, shown), from, hasOlder: full });
  if (where === "newer") Object.assign(state, { messages: merged(line.messages, shown), until, hasNewer: full });
  if (where === "around") Object.assign(state, { messages: shown, from, until, hasOlder: true, hasNewer: full });
  const part = bounded(state, where);
  const known = receipts(part.messages, line.me);
  return { ...part, delivered: Math.max(line.delivered, known.delivered), read: Math.max(line.read, known.read) };
}

/** Add a message that has just come or was sent. What is newer than the part that is shown is not added. */
export function withMessage(line, message) {
  if (!isShown(message)) return line;
  const live = Math.max(line.live, idOf(message));
  if (line.hasNewer) return { ...line, live };
  return bounded({ ...line, live, until: Math.max(line.until, live), messages: merged(line.messages, [message]) }, "newest");
}

/** Replace a message, if it is there. */
export function withChanged(line, message) {
  const at = line.messages.findIndex((one) => one.id === String(message.id));
  if (at < 0 || !newer(message, line.messages[at])) return line;
  const messages = [...line.messages];
  // The entity of an edit lacks what others have added to the message.
  const { reactions } = line.messages[at].data ?? {};
  const data = { ...(reactions && !message.deletedAt ? { reactions } : {}), ...message.data };
  messages[at] = { ...line.messages[at], ...message, data };
  return { ...line, messages };
}

/** Put a message as the server has it now, with all that belongs to it; not an answer from before an edit or a deletion. */
export function withFresh(line, message) {
  const at = line.messages.findIndex((one) => one.id === message.id);
  if (at < 0 || !newer(message, line.messages[at])) return line;
  const messages = [...line.messages];
  messages[at] = message;
  return { ...line, messages };
}

/** The others have received or read the conversation up to a message. */
export function withReceipt(line, action, id) {
  const isRead = action === "read" || action === "readByAll";
  return { ...line, delivered: Math.max(line.delivered, id), read: isRead ? Math.max(line.read, id) : line.read };
}

/** Return how far an own message has come: read, delivered or sent. */
export function reached(line, message) {
  const id = idOf(message);
  if (message.readAt || id <= line.read) return "read";
  return message.deliveredAt || id <= line.delivered ? "delivered" : "sent";
}
