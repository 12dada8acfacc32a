// The table of all pages: reads its rows page by page, sorts those that it has, and opens one by its first cell.

import { html, useEffect, useRef, useState } from "./shared/html.js";
import { Failure } from "./parts.js";
import { say } from "./words.js";

/**
 * @param {object} props
 * @param {string} props.label what the table lists, for those who do not see it
 * @param {{name: string, title: string, cell: Function, sort?: Function, numeric?: boolean, wide?: boolean}[]} props.columns
 *   `cell` and `sort` get a row; `wide` columns are left out on a narrow screen
 * @param {(cursor: any) => Promise<{rows: object[], next: any}>} props.load reads a page; without `next` it is the last
 * @param {any[]} props.changes reads again from the start when one of them changes
 */
export function Table({ label, columns, load, changes = [], keyOf, onOpen, onMore, empty, refresh = 0 }) {
  const [rows, setRows] = useState(null);
  const [next, setNext] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [order, setOrder] = useState(null);
  const [turn, setTurn] = useState(0);
  const reading = useRef(0);  // counts the lists that were begun: a page that comes later belongs to an older one

  useEffect(() => {
    const list = ++reading.current;
    setBusy(true);
    load(null).then(
      (page) => { if (list === reading.current) { setRows(page.rows); setNext(page.next ?? null); setError(null); setBusy(false); } },
      (refused) => { if (list === reading.current) { setError(refused); setBusy(false); } },
    );
    return () => { reading.current += 1; };
  }, [turn, refresh, ...changes]);

  const more = async () => {
    const list = reading.current;
    setBusy(true);
    onMore?.();
    try {
      const page = await load(next);
      if (list !== reading.current) return;
      const known = new Set(rows.map(keyOf));
      setRows([...rows, ...page.rows.filter((row) => !known.has(keyOf(row)))]);
      setNext(page.next ?? null);
      setError(null);
    } catch (refused) {
      if (list !== reading.current) return;
      setError(refused);
    }
    setBusy(false);
  };

  const sorted = () => {
    const column = order && columns.find(({ name }) => name === order.name);
    if (!column) return rows;
    const value = column.sort;
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    return [...rows].sort((a, b) => compare(value(a) ?? 0, value(b) ?? 0) * (order.down ? -1 : 1));
  };
  const sortBy = (name) => setOrder(order?.name !== name ? { name, down: false } : order.down ? null : { name, down: true });

  const head = ({ name, title, sort, numeric, wide }) => {
    const state = order?.name === name ? (order.down ? "descending" : "ascending") : undefined;
    return html`<th key=${name} scope="col" class=${`${numeric ? "numeric" : ""} ${wide ? "wide" : ""}`} aria-sort=${state}>
      ${sort ? html`<button onClick=${() => sortBy(name)}>${title}<span aria-hidden="true">${state ? (order.down ? " ↓" : " ↑") : ""}</span></button>` : title}</th>`;
  };
  const cells = (row) => columns.map(({ name, cell, numeric, wide }, n) => {
    const content = n === 0 && onOpen ? html`<button class="link" onClick=${() => onOpen(row)}>${cell(row)}</button>` : cell(row);
    return html`<td key=${name} class=${`${numeric ? "numeric" : ""} ${wide ? "wide" : ""}`}>${content}</td>`;
  });
  // A row is drawn once: reading a page must not draw all rows before it again.
  const drawn = useRef(new WeakMap());
  const line = (row) => {
    if (!drawn.current.has(row)) drawn.current.set(row, html`<tr key=${keyOf(row)} class=${onOpen ? "opens" : ""} onClick=${(event) => open(event, row)}>${cells(row)}</tr>`);
    return drawn.current.get(row);
  };
  const open = (event, row) => { if (onOpen && !event.target.closest("button, a, input") && !getSelection().toString()) onOpen(row); };

  if (rows === null) return error ? html`<${Failure} error=${error} again=${() => setTurn(turn + 1)} />` : html`<p class="loading" role="status">${say("loading")}</p>`;
  return html`<div class="table-frame" aria-busy=${busy}>
    ${error ? html`<${Failure} error=${error} again=${() => setTurn(turn + 1)} />` : null}
    <div class="table-scroll" role="region" aria-label=${label} tabindex="0">
      <table><caption class="visually-hidden">${label}</caption>
        <thead><tr>${columns.map(head)}</tr></thead>
        <tbody>${sorted().map(line)}</tbody>
      </table>
      ${rows.length ? null : html`<p class="empty">${empty ?? say("nothing")}</p>`}
    </div>
    <footer class="table-foot"><span role="status">${say("shown", { n: rows.length })}</span>
      ${next === null ? null : html`<button class="button" disabled=${busy} onClick=${more}>${say("more")}</button>`}</footer>
  </div>`;
}
