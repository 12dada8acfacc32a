// Lists of the API: by cursor, where a page costs the same however far down it is; or by the number of the page.

import { query, request } from "./api.js";

export const PAGE = 100;

/** Return a function that reads such a list for a table. */
export const byCursor = (path, values = {}) => async (cursor) => {
  const { data, meta } = await request("GET", `${path}${query({ ...values, limit: PAGE, cursor: cursor ?? "start" })}`);
  return { rows: data, next: meta.next.cursor ?? null };
};

/** Return a function that reads a list without cursors for a table. */
export const numbered = (path, values = {}) => async (page) => {
  const { data, meta } = await request("GET", `${path}${query({ ...values, perPage: PAGE, page: page ?? 1 })}`);
  const { current_page: current, total_pages: all } = meta?.pagination ?? {};
  return { rows: data, next: current < all ? current + 1 : null };
};

/** Return the path of an object whose id a user has chosen. */
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;
