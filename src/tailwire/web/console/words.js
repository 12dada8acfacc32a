// The texts of the page, by language.

import { words } from "./shared/language.js";

export const TEXTS = {
  en: {
    title: "Tailwire Console",
  },
  de: {
    title: "Tailwire-Konsole",
  },
};

export const say = words(TEXTS);
