// The texts of the page, by language.

import { words } from "./shared/language.js";

export const TEXTS = {
  en: {
    title: "Tailwire Chat",
  },
  de: {
    title: "Tailwire Chat",
  },
};

export const say = words(TEXTS);
