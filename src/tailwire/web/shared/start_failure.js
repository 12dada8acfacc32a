// Shows a line of text where the page's script cannot start, which would leave the page empty. It is not a module, so that
// it runs before the modules, and it uses none of them: its text is in English only.

function tellStartFailure(why) {
  const root = document.querySelector("#app");
  if (root === null || root.querySelector(":scope > :not(noscript)")) return;  // drawn, or told already
  const line = document.createElement("p");
  line.className = "notice is-bad";
  line.setAttribute("role", "alert");
  line.textContent = `This page could not start: ${why}. Load it again; if that does not help, report this text and your browser's version.`;
  root.append(line);
}

// Captured, because a script that was not loaded does not bubble.
addEventListener("error", (event) => {
  if (event instanceof ErrorEvent) tellStartFailure(event.message);
  else if (event.target instanceof HTMLScriptElement) tellStartFailure(`${event.target.src} was not loaded`);
}, true);
addEventListener("unhandledrejection", (event) => tellStartFailure(event.reason));
