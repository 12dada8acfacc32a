// The one WebSocket: it exists while the page is visible, and is looked for again whenever it is lost.
//
// The rules are those of the SDK in auto mode: hidden, so closed at once; visible, so connected at once; lost, so tried
// again after a wait that grows; a token that the server rejects ends it. A socket that was given up is never heard again.

import { parsed, Refused } from "./api.js";
import { backoff } from "./retry.js";

const ATTEMPT_SECONDS = 10;
const LIVED_SECONDS = 30;
const TOKEN_REJECTED = 4501;
const STAY_AWAY = new Set([1002, 1003, 1007, 1008, 1009]);
const FEATURES = ["heartbeat", "restart", "chain", "epoch", "grace", "cause", "lists"];

/** Whether the server says with a close code that the same client need not come back. */
const refuses = (code) => code !== TOKEN_REJECTED && (STAY_AWAY.has(code) || (code >= 4500 && code <= 4999));

export class Connection {
  /**
   * @param {object} user appId, uid, device
   * @param {() => Promise<string>} newPass request a pass for a socket
   * @param {object} told onState(state), onOpen(granted), onFrame(frame), onRejected()
   *   state: {status: paused | connecting | connected | waiting | refused, until: ms since 1970 of the next attempt}
   */
  constructor(user, newPass, told) {
    Object.assign(this, { user, newPass, told, pass: "", socket: null, epoch: 0, failures: 0, heardAt: 0, openedAt: 0 });
    Object.assign(this, { timer: 0, heart: 0, within: 1, last: null, closed: false, refused: false });
    this.state = { status: "paused" };
    this.watched = [
      [document, "visibilitychange", () => this.#settle("visible again")],
      [document, "freeze", () => this.#drop("frozen")],
      [window, "pagehide", () => this.#drop("page left")],
      [window, "pageshow", (event) => event.persisted && this.#settle("page shown")],
      [window, "online", () => this.#hurry()],
      [window, "offline", () => this.#probe()],
    ];
    for (const [target, name, listener] of this.watched) target.addEventListener(name, listener);
  }

  get wanted() {
    return !this.closed && !this.refused && document.visibilityState === "visible";
  }

  start() {
    this.#settle("start");
  }

  /** End it for good. */
  close() {
    this.closed = true;
    for (const [target, name, listener] of this.watched) target.removeEventListener(name, listener);
    this.#drop("logged out");
  }

  /** Try now, instead of waiting longer. */
  tryNow() {
    this.refused = false;
    this.failures = 0;
    if (this.state.status !== "connected") this.#attempt();
  }

  /** Send a frame. Return whether there was a connection for it. */
  send(type, body, to = {}) {
    if (this.state.status !== "connected" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ ...this.#envelope(type), ...to, body }));
    return true;
  }

  #envelope(type) {
    return { appId: this.user.appId, deviceId: this.user.device, type, sender: this.user.uid };
  }

  #tell(state) {
    this.state = state;
    this.told.onState(state);
  }

  #settle(reason) {
    if (this.closed) return;
    if (!this.wanted) this.#drop("hidden");
    else if (this.state.status === "paused" || this.state.status === "waiting") {
      this.failures = 0;
      this.#attempt();
    } else if (reason !== "start") this.#probe();
  }

  #hurry() {
    if (this.wanted && this.state.status !== "connected") this.#attempt();
    else this.#probe();
  }

  // Give up the socket without waiting for it. `cause` is reported at the next connection.
  #drop(cause, status = "paused") {
    this.#abandon(cause);
    clearTimeout(this.timer);
    if (this.state.status !== status) this.#tell({ status });
  }

  #abandon(cause) {
    this.epoch += 1;
    clearInterval(this.heart);
    const socket = this.socket;
    this.socket = null;
    if (this.openedAt) this.last = { cause: cause.slice(0, 40), lived: (Date.now() - this.openedAt) / 1000, attempts: 0 };
    this.openedAt = 0;
    socket?.close(1000);
  }

  async #attempt() {
    this.#abandon("new attempt");
    clearTimeout(this.timer);
    const epoch = this.epoch;
    this.#tell({ status: "connecting" });
    if (this.last) this.last.attempts += 1;
    this.timer = setTimeout(() => epoch === this.epoch && this.#lost("attempt took too long"), ATTEMPT_SECONDS * 1000);
    try {
      if (!this.pass) this.pass = await this.newPass();
    } catch (error) {
      if (epoch !== this.epoch) return;
      if (error.status === 401 && error.code) this.#drop("token rejected", "refused");
      else this.#lost("no pass", error.wait);
      if (error instanceof Refused) return;
      throw error;
    }
    if (epoch === this.epoch) this.#open(epoch);
  }

  #open(epoch) {
    const socket = new WebSocket(new URL("../v3", location.href).href.replace(/^http/, "ws"));
    this.socket = socket;
    const current = () => epoch === this.epoch;
    socket.onopen = () => {
      if (!current()) return;
      const { device } = this.user;
      const tailwire = { features: FEATURES, ...(this.last ? { last: this.last } : {}) };
      const params = { platform: "web chat", deviceId: device, tailwire };
      const body = { auth: this.pass, deviceId: device, presenceSubscription: "ALL_USERS", params };
      socket.send(JSON.stringify({ ...this.#envelope("auth"), body }));
    };
    socket.onmessage = ({ data }) => current() && this.#heard(data);
    socket.onclose = ({ code }) => current() && this.#ended(code);
  }

  #heard(text) {
    this.heardAt = Date.now();
    const frame = parsed(text);
    if (frame === null || typeof frame !== "object") return;
    if (frame.type === "auth") this.#answered(frame.body);
    else if (frame.type === "server" && frame.body?.action === "restarting") this.within = Math.min(60, Number(frame.body.within) || 1);
    else if (frame.type && this.state.status === "connected") this.told.onFrame(frame);
  }

  #answered(body) {
    if (body?.status !== "OK") return;  // the close code that follows says why
    clearTimeout(this.timer);
    this.openedAt = Date.now();
    this.last = null;
    this.within = 1;
    const { interval = 15, timeout = 3 } = body.tailwire?.heartbeat ?? {};
    this.beat = { interval: interval * 1000, timeout: timeout * 1000, asked: 0 };
    this.heart = setInterval(() => this.#beat(), 1000);
    this.#tell({ status: "connected" });
    this.told.onOpen(body.tailwire ?? {});
  }

  // A ping only while nothing else comes. Time that passed unnoticed (the machine slept) counts as silence.
  #beat() {
    const now = Date.now();
    if (this.beat.asked && this.heardAt >= this.beat.asked) this.beat.asked = 0;
    if (this.beat.asked && now - this.beat.asked > this.beat.timeout) this.#lost("silent");
    else if (!this.beat.asked && now - this.heardAt > this.beat.interval) this.#probe();
  }

  #probe() {
    if (this.state.status !== "connected" || this.beat.asked || this.socket?.readyState !== WebSocket.OPEN) return;
    this.beat.asked = Date.now();
    this.socket.send('{"action":"ping","ack":"true"}');
  }

  #ended(code) {
    if (code === TOKEN_REJECTED && this.pass && !this.openedAt) {
      this.pass = "";  // it may only be old: a new one shows whether the token is still valid
      this.#attempt();
    } else if (code === TOKEN_REJECTED) {
      this.pass = "";
      this.#lost("token rejected");
    } else if (refuses(code)) {
      this.refused = true;
      this.#drop(`refused ${code}`, "refused");
    } else this.#lost(`closed ${code}`);
  }

  #lost(cause, wait = 0) {
    const lived = this.openedAt && Date.now() - this.openedAt;
    if (lived >= LIVED_SECONDS * 1000) this.failures = 0;
    // What ends a connection that lived ends all of them: they come back spread over what the server announced.
    const seconds = Math.max(wait, lived ? Math.random() * this.within : backoff(this.failures));
    if (!lived) this.failures += 1;
    this.#abandon(cause);
    clearTimeout(this.timer);
    if (!this.wanted) {
      this.#tell({ status: "paused" });
      return;
    }
    this.#tell({ status: "waiting", until: Date.now() + seconds * 1000 });
    this.timer = setTimeout(() => this.wanted && this.#attempt(), seconds * 1000);
  }
}
