// Lists of the API that are read by the number of a page.

import { query, request } from "./api.js";

export const PAGE = 100;

/** Return a function that reads such a list for a table. */
export const numbered = (path, values = {}) => async (page) => {
  const { data, meta } = await request("GET", `${path}${query({ ...values, perPage: PAGE, page: page ?? 1 })}`);
  const { current_page: current, total_pages: all } = meta?.pagination ?? {};
  return { rows: data, next: current < all ? current + 1 : null };
};

/** Return the path of an object whose id a user has chosen. */
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;
