// The console: signing in, the frame around the pages, and which page is shown.

import { html, render, useEffect, useState } from "./shared/html.js";
import { applyTheme, Coded, Theme } from "./shared/parts.js";
import { Refused, session, signOut, whenSignedOut } from "./api.js";
import { live, start, stop, subscribe } from "./live.js";
import { PAGES } from "./pages.js";
import { Failure } from "./parts.js";
import { say } from "./words.js";

const THEME = "tailwire-console-theme";

// A link is everything behind the #, unless that names a page. It leaves the address before anything else happens.
const hasLink = () => /^#[^/]/.test(location.hash);

function takeLink() {
  if (!hasLink()) return "";
  const link = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  return link;
}

// An address that a user has typed may contain a % that is not part of an escaped character.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const pageInAddress = () => {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { name: PAGES.some((page) => page.name === name) ? name : PAGES[0].name, rest: rest.map(decoded) };
};

/** Return the session of the browser, and why there is none; with a link in the address, it opens one. */
async function signIn() {
  try {
    return { found: await session(takeLink()), problem: null };
  } catch (problem) {
    // A link that is used up does no harm to those who are signed in already.
    const found = problem.code === "ERR_CONSOLE_LINK" ? await session().catch(() => null) : null;
    return { found, problem: found ? null : problem };
  }
}

function SignIn({ problem }) {
  return html`<main class="sign-in"><div class="card">
    <img src="shared/icon.svg" alt="" width="40" height="40" />
    <h1>${say("title")}</h1>
    ${problem ? html`<${Failure} error=${problem} />` : null}
    <p>${say("howToSignIn")}</p>
    <pre tabindex="0" dir="ltr">tailwire console</pre>
    <p class="faint"><${Coded}>${say("dataFolder")}<//></p>
    <p class="faint">${say("linkWorksOnce")}</p>
  </div></main>`;
}

function Status() {
  const [state, setState] = useState(live.state);
  useEffect(() => subscribe((now) => setState(now.state)), []);
  return html`<p class="status is-${state}" role="status"><i aria-hidden="true"></i>${say(`state_${state}`)}</p>`;
}

function Menu({ name, open, onChosen }) {
  return html`<nav id="menu" class=${open ? "is-open" : ""} aria-label=${say("pages")}>
    <ul>${PAGES.map((page) => html`<li key=${page.name}>
      <a href=${`#/${page.name}`} aria-current=${page.name === name ? "page" : undefined} onClick=${onChosen}>${say(page.name)}</a></li>`)}</ul>
  </nav>`;
}

function Frame({ onSignOut }) {
  const [{ name, rest }, setPage] = useState(pageInAddress);
  const [open, setOpen] = useState(false);
  const [problem, setProblem] = useState(null);
  const leave = async () => {
    setProblem(null);
    setProblem(await onSignOut());
  };
  useEffect(() => {
    const changed = () => {
      setPage(pageInAddress());
      setProblem(null);
      document.querySelector("main")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    start();
    return () => {
      removeEventListener("hashchange", changed);
      stop();
    };
  }, []);
  useEffect(() => { document.title = `${say(name)} · ${say("title")}`; }, [name]);
  const { Page } = PAGES.find((page) => page.name === name);
  return html`<a class="skip" href="#content" onClick=${(event) => { event.preventDefault(); document.querySelector("main").focus(); }}>${say("skip")}</a>
    <div class="frame">
      <header class="bar">
        <button class="button is-quiet menu-button" aria-expanded=${open} aria-controls="menu" onClick=${() => setOpen(!open)}>${say("menu")}</button>
        <a class="brand" href="#/overview"><img src="shared/icon.svg" alt="" width="24" height="24" />Tailwire</a>
        <${Status} />
        <span class="space"></span>
        <${Theme} name=${THEME} say=${say} />
        <button class="button is-quiet" onClick=${leave}>${say("signOut")}</button>
      </header>
      <${Menu} name=${name} open=${open} onChosen=${() => setOpen(false)} />
      <main id="content" tabindex="-1" key=${name}>${problem ? html`<${Failure} error=${problem} again=${leave} />` : null}<${Page} rest=${rest} /></main>
    </div>`;
}

function App({ first, problem: firstProblem }) {
  const [signedIn, setSignedIn] = useState(Boolean(first));
  const [problem, setProblem] = useState(firstProblem);
  useEffect(() => {
    const ended = () => {
      setProblem(new Refused("ERR_CONSOLE_SESSION", say("sessionEnded")));
      setSignedIn(false);
    };
    // A link that is opened in this tab changes only what stands behind the #, so the page is not loaded again.
    const changed = async () => {
      if (!hasLink()) return;
      const { found, problem: why } = await signIn();
      setProblem(why);
      if (why?.code !== "") setSignedIn(Boolean(found));  // no answer says nothing about the session
    };
    whenSignedOut(ended);
    addEventListener("hashchange", changed);
    const unsubscribe = subscribe(({ state }) => state === "ended" && ended());
    return () => {
      removeEventListener("hashchange", changed);
      unsubscribe();
    };
  }, []);
  /** Sign out. Return why it failed, if the session has not ended. */
  const leave = async () => {
    try {
      await signOut();
      setProblem(null);
    } catch (error) {
      if (error.code !== "ERR_CONSOLE_SESSION") return error;
      setProblem(error);
    }
    setSignedIn(false);
    return null;
  };
  return signedIn ? html`<${Frame} onSignOut=${leave} />` : html`<${SignIn} problem=${problem} />`;
}

async function begin() {
  const { found, problem } = await signIn();
  const root = document.querySelector("#app");
  root.replaceChildren();
  render(html`<${App} first=${found} problem=${problem} />`, root);
  document.body.dataset.ready = "yes";
}

document.documentElement.lang = say("language");
applyTheme(THEME);
document.title = say("title");
begin();
