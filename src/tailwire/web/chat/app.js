// The web chat: logging in, and which chat is shown.

import { html, render, useEffect, useRef, useState } from "./shared/html.js";
import { applyTheme } from "./shared/parts.js";
import { Api, own, Refused } from "./api.js";
import { Chat } from "./chat.js";
import { say } from "./words.js";
import { Frame, THEME } from "./views/frame.js";
import { LogIn } from "./views/log_in.js";

// In this tab only: another tab may have another user, and nothing is left when it is closed.
const TOKEN = "tailwire-chat-token";

/** Log in with an auth token; return the chat of its user. */
async function begin(appId, token, onRejected) {
  const device = `WEB_CHAT-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;  // of this page: a copied tab is another device
  const api = new Api(appId, token, device, onRejected);
  const me = await api.ask("PUT", "/me", { platform: "web chat", deviceId: device });
  sessionStorage.setItem(TOKEN, token);
  const chat = new Chat(api, { appId, device, uid: me.uid, name: me.name, pass: me.jwt });
  chat.start();
  showNamed(chat);
  return chat;
}

// A click on a notification opened this page: its address names the conversation, once.
function showNamed(chat) {
  const named = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (!named.conversationId) return;
  history.replaceState(null, "", location.pathname);
  chat.showById(named);
}

function App({ about }) {
  const [chat, setChat] = useState(null);
  const [problem, setProblem] = useState(null);
  const [restoring, setRestoring] = useState(Boolean(sessionStorage.getItem(TOKEN)));
  const [busy, setBusy] = useState(false);
  const current = useRef(null);  // the login that is under way or whose chat is shown: an earlier one ends nothing

  const end = (why) => {
    current.current = null;
    sessionStorage.removeItem(TOKEN);
    setProblem(why);
    setChat((running) => {
      running?.stop();
      return null;
    });
  };
  const logIn = async (findToken) => {
    if (current.current) return;  // one at a time, also for clicks before the form is drawn as busy
    const login = current.current = {};
    const onRejected = (error) => current.current === login && end(new Refused(error.code, say("loggedOut"), error.message, 401));
    setBusy(true);
    setProblem(null);
    try {
      setChat(await begin(about.appId, await findToken(), onRejected));
    } catch (error) {
      if (current.current === login) current.current = null;
      setProblem(error);
    }
    setBusy(false);
  };
  const logOut = async () => {
    const revoke = async () => {
      await chat.notifications.unregister();
      await chat.api.ask("DELETE", "/me");
    };
    if (await chat.attempt(revoke)) {
      chat.outbox.forget();
      try {
        await chat.notifications.forget();
        end(null);
      } catch (error) {
        end(error);
      }
    }
  };
  const restore = async () => {
    setRestoring(true);
    await logIn(async () => sessionStorage.getItem(TOKEN));
    setRestoring(false);
  };
  useEffect(() => { if (restoring) restore(); }, []);
  useEffect(() => { document.title = say("title"); }, [chat === null]);

  if (chat) return html`<${Frame} chat=${chat} onLogOut=${logOut} />`;
  if (restoring) return html`<main class="sign-in"><p role="status">${say("status_connecting")}</p></main>`;
  const again = problem?.passing && sessionStorage.getItem(TOKEN) ? restore : null;
  return html`<${LogIn} about=${about} problem=${problem} again=${again} busy=${busy}
    onToken=${(token) => logIn(async () => token)}
    onDemoUser=${(uid) => logIn(async () => (await own("POST", "login", { uid })).authToken)} />`;
}

function Start() {
  const [about, setAbout] = useState(null);
  const [problem, setProblem] = useState(null);
  const ask = () => own("GET", "about").then(setAbout, setProblem);
  useEffect(() => { ask(); }, []);
  useEffect(() => { if (about || problem) document.body.dataset.ready = "yes"; }, [about, problem]);
  if (about) return html`<${App} about=${about} />`;
  return html`<${LogIn} about=${null} problem=${problem} again=${() => { setProblem(null); ask(); }} />`;
}

document.documentElement.lang = say("language");
document.title = say("title");
applyTheme(THEME);
const root = document.querySelector("#app");
root.replaceChildren();
render(html`<${Start} />`, root);
