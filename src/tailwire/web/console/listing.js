// Lists of the API, by cursor: a page costs the same however far down it is.

import { query, request } from "./api.js";

export const PAGE = 100;

/** Return a function that reads a list for a table. */
export const byCursor = (path, values = {}) => async (cursor) => {
  const { data, meta } = await request("GET", `${path}${query({ ...values, limit: PAGE, cursor: cursor ?? "start" })}`);
  return { rows: data, next: meta.next.cursor ?? null };
};

/** Return the path of an object whose id a user has chosen. */
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;
