// The messages of one open conversation or thread: a part of its history without a gap, of bounded size. Pure.

import { isShown } from "./messages.js";

export const PAGE = 50;
const MOST = 500;

/**
 * A part of a history.
 *   messages: in the order of their ids; hasOlder, hasNewer: whether the server has more before or after them;
 *   delivered, read: ids up to which the others have received and read it (own messages)
 */
export const empty = (more = {}) => ({ messages: [], hasOlder: false, hasNewer: false, loaded: false, delivered: 0, read: 0, ...more });

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

function receipts(messages) {
  let delivered = 0;
  let read = 0;
  for (const one of messages) {
    if (one.deliveredAt) delivered = Math.max(delivered, idOf(one));
    if (one.readAt) read = Math.max(read, idOf(one));
  }
  return { delivered, read };
}

/** Add a page that was read: `where` is newest, older, newer, or around. `full`: whether there may be more that way. */
export function withPage(line, page, where, full) {
  const shown = page.filter(isShown);
  const state = { ...line, loaded: true };
  if (where === "newest") Object.assign(state, { messages: line.hasNewer ? shown : merged(line.messages, shown), hasOlder: full, hasNewer: false });
  if (where === "older") Object.assign(state, { messages: merged(line.messages, shown), hasOlder: full });
  if (where === "newer") Object.assign(state, { messages: merged(line.messages, shown), hasNewer: full });
  if (where === "around") Object.assign(state, { messages: shown, hasOlder: true, hasNewer: full });
  if (state.messages.length > MOST && where === "older") {
    state.messages = state.messages.slice(0, MOST);
    state.hasNewer = true;
  } else if (state.messages.length > MOST) {
    state.messages = state.messages.slice(-MOST);
    state.hasOlder = true;
  }
  const known = receipts(state.messages);
  return { ...state, delivered: Math.max(line.delivered, known.delivered), read: Math.max(line.read, known.read) };
}

/** Add a message that has just come or was sent. What is newer than the part that is shown is not added. */
export function withMessage(line, message) {
  if (line.hasNewer || !isShown(message)) return line;
  const messages = merged(line.messages, [message]);
  if (messages.length <= MOST) return { ...line, messages };
  return { ...line, messages: messages.slice(-MOST), hasOlder: true };
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

/** Put a message as the server has it now, with all that belongs to it. */
export function withFresh(line, message) {
  const at = line.messages.findIndex((one) => one.id === message.id);
  if (at < 0) return line;
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
