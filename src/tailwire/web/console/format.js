// Numbers, sizes and times as the language of the page writes them.

import { chosen } from "./shared/language.js";
import { TEXTS } from "./words.js";

const language = chosen(Object.keys(TEXTS));
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const stamp = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const toSecond = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const fine = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const UNITS = ["B", "KB", "MB", "GB", "TB"];
const SPANS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export const number = (value) => (value >= 10_000 ? compact : whole).format(value);
export const rate = (value) => (value >= 100 ? number(value) : one.format(value));
export const exact = (value) => whole.format(value);
export const moment = (seconds) => (seconds ? stamp.format(seconds * 1000) : "");
export const second = (seconds) => toSecond.format(seconds * 1000);
export const minute = (seconds) => clock.format(seconds * 1000);
export const preciseTime = (seconds) => fine.format(seconds * 1000);

export function bytes(value) {
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? whole.format(value) : one.format(value)} ${UNITS[unit]}`;
}

export function ago(seconds, now = Date.now() / 1000) {
  const passed = seconds - now;
  const [name, size] = SPANS.find(([, size]) => Math.abs(passed) >= size) ?? SPANS.at(-1);
  return relative.format(Math.round(passed / size), name);
}

export function duration(seconds) {
  if (seconds < 1) return `${whole.format(seconds * 1000)} ms`;
  if (seconds < 60) return `${one.format(seconds)} s`;
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"], [Math.floor(seconds) % 60, "s"]];
  const first = parts.findIndex(([count]) => count);
  return parts.slice(first, first + 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

export const milliseconds = (seconds) => `${seconds < 0.01 ? one.format(seconds * 1000) : whole.format(seconds * 1000)} ms`;
