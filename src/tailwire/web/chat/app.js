// The page.

import { html, render } from "./shared/html.js";
import { say } from "./words.js";

const root = document.querySelector("#app");
root.replaceChildren();
render(html`<main><h1>${say("title")}</h1></main>`, root);
document.title = say("title");
