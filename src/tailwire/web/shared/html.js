// Preact with templates: html`<p>${text}</p>` escapes by itself, and needs no build.

import htm from "../vendor/htm.mjs";
import { h } from "../vendor/preact.mjs";

export const html = htm.bind(h);
export { Component, Fragment, createContext, render } from "../vendor/preact.mjs";
export { useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "../vendor/hooks.mjs";
