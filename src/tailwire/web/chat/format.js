// Times, days and sizes as the language of the page writes them.

import { chosen } from "./shared/language.js";
import { TEXTS, say } from "./words.js";

const language = chosen(Object.keys(TEXTS));
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const date = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
const short = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short" });
const list = new Intl.ListFormat(language, { type: "conjunction" });
const SIZES = ["byte", "kilobyte", "megabyte", "gigabyte"];

const dayOf = (seconds) => new Date(seconds * 1000).toDateString();
const isToday = (seconds) => dayOf(seconds) === new Date().toDateString();

export const time = (seconds) => clock.format(seconds * 1000);
export const moment = (seconds) => whole.format(seconds * 1000);
export const sameDay = (a, b) => dayOf(a) === dayOf(b);
export const names = (all) => list.format(all);
export const percent = new Intl.NumberFormat(language, { style: "percent" }).format;

/** A day as a heading. */
export function day(seconds) {
  if (isToday(seconds)) return say("today");
  return dayOf(seconds) === dayOf(Date.now() / 1000 - 86400) ? say("yesterday") : date.format(seconds * 1000);
}

/** A time today, a day otherwise. */
export const brief = (seconds) => (isToday(seconds) ? time(seconds) : short.format(seconds * 1000));

export function bytes(value) {
  const step = Math.min(SIZES.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  const unit = { style: "unit", unit: SIZES[step], unitDisplay: "short", maximumFractionDigits: step ? 1 : 0 };
  return new Intl.NumberFormat(language, unit).format(value / 1000 ** step);
}
