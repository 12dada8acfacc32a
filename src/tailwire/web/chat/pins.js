// Pinned messages: all who read the conversation see them.

import { query } from "./api.js";

const MOST = 100;

/** Return the pinned messages of the open conversation. */
export const list = (chat) => chat.api.ask("GET", `${chat.open.path}${query({ pinned: 1, per_page: MOST })}`);

/** Pin a message, or unpin it. */
export async function pin(chat, message, pinned) {
  const answer = await chat.api.ask(pinned ? "POST" : "DELETE", `/messages/${message.id}/pin`);
  for (const shown of [chat.open, chat.thread]) shown?.put(answer);
}
