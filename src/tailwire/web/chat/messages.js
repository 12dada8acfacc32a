// What a message says about itself. Pure.

/** The key of a conversation: the same for its messages, frames and entries of the list. */
export const keyOf = (kind, id) => `${kind}:${id}`;

/** Return the key of the conversation of a message, as `me` sees it. */
export function conversationOf(message, me) {
  if (message.receiverType === "group") return keyOf("group", message.receiver);
  const { sender, receiver } = changed(message) ?? message;  // the app, too, edits and deletes
  return keyOf("user", sender === me ? receiver : sender);
}

/** Return the kind and id of the conversation with an id, as `me` sees it; null if it is not theirs. `kind`: "" if unknown. */
export function conversationWith(conversationId, kind, me) {
  if (kind !== "group") {
    if (conversationId.startsWith(`${me}_user_`)) return { kind: "user", id: conversationId.slice(me.length + 6) };
    if (conversationId.endsWith(`_user_${me}`)) return { kind: "user", id: conversationId.slice(0, -me.length - 6) };
  }
  return kind !== "user" && conversationId.startsWith("group_") ? { kind: "group", id: conversationId.slice(6) } : null;
}

/** Return the user who sent a message: uid and name. */
export function senderOf(message) {
  const entity = message.data?.entities?.sender?.entity;
  return { uid: message.sender, name: entity?.name || message.sender };
}

/** An edit or a deletion arrives as a message about another one: return that one, as it is now; else null. */
export function changed(message) {
  if (message.category !== "action" || message.type !== "message") return null;
  const entity = message.data?.entities?.on?.entity;
  return entity && typeof entity === "object" && entity.id ? entity : null;
}

/** Whether a message is shown in a history: of a person, or a note about members of a group. */
export const isShown = (message) => message.category !== "action" || message.type === "groupMember";

/** Whether a message counts as unread for `me`. */
export const countsFor = (message, me) => message.category !== "action" && message.sender !== me && !message.deletedAt;

/** Return the text of a message; "" if it has none. */
export const textOf = (message) => (typeof message.data?.text === "string" ? message.data.text : "");

/** Return the files of a message. */
export function filesOf(message) {
  const listed = message.data?.attachments;
  return Array.isArray(listed) ? listed.filter((file) => file && typeof file === "object") : [];
}

/** Return the reactions to a message: {reaction, count, reactedByMe}. */
export function reactionsOf(message) {
  const listed = message.data?.reactions;
  return Array.isArray(listed) ? listed.filter((one) => typeof one?.reaction === "string" && one.count > 0) : [];
}
