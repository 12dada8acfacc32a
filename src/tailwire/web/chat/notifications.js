// Notifications while the chat is hidden or closed, through the push service of the browser.
//
// A browser has one subscription for all pages of the chat. It belongs to the user who turned notifications on last,
// as at the server; the others see that it is no longer theirs. The browser asks the person only when they turn it on.

import { Refused } from "./api.js";

const TOKENS = "/notifications/push/v1/tokens";
/** Whose subscription it is, in the storage that all tabs share: {uid, device}. */
export const OWNER = "tailwire-chat-notifications";

/** Why notifications cannot be turned on here: what follows `push_` in the keys of the page's texts. */
export class Unavailable extends Error {}

// A page that demands trusted types runs a script by its address only through a policy: this one knows one address.
let policy;
function worker() {
  if (!globalThis.trustedTypes) return "worker.js";
  policy ??= trustedTypes.createPolicy("chat-worker", { createScriptURL: () => "worker.js" });
  return policy.createScriptURL("");
}

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const same = (a, b) => a.length === b.length && a.every((one, at) => one === b[at]);

export class Notifications {
  /** @param {object} told onChange(), onShow({conversationId, receiverType}): a notification was clicked */
  constructor(api, user, told) {
    Object.assign(this, { api, user, told, key: "", id: "", busy: false });
    this.kept = (event) => event.key === OWNER && told.onChange();
    this.clicked = ({ data, ports }) => {
      if (!data?.show || !ports[0]) return;
      ports[0].postMessage(this.on);
      if (this.on) told.onShow(data.show);
    };
    addEventListener("storage", this.kept);
    navigator.serviceWorker?.addEventListener("message", this.clicked);
  }

  /** Whether the server sends Web Push. */
  get offered() {
    return Boolean(this.key);
  }

  /** Whether this browser notifies this user. */
  get on() {
    return Boolean(this.id) && this.#owner()?.uid === this.user.uid;
  }

  /** Request the server's key, and register again, for this login, what the user turned on before. */
  async start() {
    try {
      this.key = (await this.api.ask("GET", "/notifications/push/v1/web")).publicKey;
    } catch (error) {
      if (error.code !== "ERR_PROVIDER_NOT_FOUND") throw error;
      return;  // the server sends no Web Push
    }
    const ours = this.#owner()?.uid === this.user.uid && globalThis.Notification?.permission === "granted";
    const registration = ours ? await navigator.serviceWorker?.getRegistration() : null;
    try {
      if (await registration?.pushManager?.getSubscription()) await this.#subscribe();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;  // it is off, and can be turned on again
    }
    this.told.onChange();
  }

  stop() {
    removeEventListener("storage", this.kept);
    navigator.serviceWorker?.removeEventListener("message", this.clicked);
  }

  /** Turn notifications on, and ask for the browser's permission if it has not been given. */
  async turnOn() {
    if (!navigator.serviceWorker || !globalThis.PushManager || !globalThis.Notification) throw new Unavailable("unsupported");
    await this.#while(async () => {
      if (await Notification.requestPermission() !== "granted") throw new Unavailable("denied");
      await this.#subscribe();
    });
  }

  /** Turn notifications off, at the server and in the browser. */
  async turnOff() {
    await this.#while(async () => {
      await this.unregister();
      await this.#end();
    });
  }

  /** Remove the registration of this login at the server, if there is one. */
  async unregister() {
    if (this.id) await this.api.ask("DELETE", `${TOKENS}/${this.id}`);
  }

  /** Forget the subscription in the browser, after the person logged out; not if another tab has it for its login. */
  async forget() {
    if (this.on && this.#owner().device === this.user.device) await this.#end();
  }

  async #while(action) {
    this.busy = true;
    this.told.onChange();
    try {
      await action();
    } finally {
      this.busy = false;
      this.told.onChange();
    }
  }

  async #subscribe() {
    await navigator.serviceWorker.register(worker());
    const { pushManager } = await navigator.serviceWorker.ready;
    const applicationServerKey = bytes(this.key);
    let subscription = await pushManager.getSubscription();
    const known = subscription?.options?.applicationServerKey;
    if (known && !same(new Uint8Array(known), applicationServerKey)) {
      await subscription.unsubscribe();  // the server has another key now
      subscription = null;
    }
    try {
      subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    } catch (error) {
      if (error instanceof DOMException) throw new Unavailable("noService");
      throw error;
    }
    const body = { platform: "web_push", subscription: subscription.toJSON() };
    const { pushTokens } = await this.api.ask("POST", TOKENS, body);
    this.id = pushTokens[0].id;
    localStorage.setItem(OWNER, JSON.stringify({ uid: this.user.uid, device: this.user.device }));
  }

  async #end() {
    this.id = "";
    localStorage.removeItem(OWNER);
    const registration = await navigator.serviceWorker.getRegistration();
    for (const one of await registration?.getNotifications() ?? []) one.close();
    const subscription = await registration?.pushManager.getSubscription();
    if (subscription && !await subscription.unsubscribe()) throw new Refused("", "The browser kept its subscription.");
  }

  #owner() {
    try {
      return JSON.parse(localStorage.getItem(OWNER));
    } catch {
      return null;
    }
  }
}
