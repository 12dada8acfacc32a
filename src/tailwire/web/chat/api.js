// The requests of the page to the REST API, as the user who is logged in.

const TIMEOUT_MS = 20_000;

/** Why a request failed: `code` of the server, or "" if no answer of the server came. `wait`: seconds to wait first. */
export class Refused extends Error {
  constructor(code, message, details, status = 0, wait = 0) {
    super(message);
    Object.assign(this, { code, details, status, wait });
  }

  /**
   * Whether the same request may succeed later: the server was not reached, is busy, or failed; also if a gateway says so
   * in its place, or answers something else. What a gateway refuses it refuses again: a body that is too large for it.
   */
  get passing() {
    if (this.status === 408 || this.status === 429 || this.status >= 500) return true;
    return !this.code && this.status < 400;
  }
}

/** Return JSON as a value; undefined if it is not JSON. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const foreign = (status) => `A proxy or firewall answered in place of the chat server (status ${status}). Ask those who operate it.`;

function outcome(status, text, retryAfter) {
  const told = parsed(text);
  if (status >= 200 && status < 300) {
    if (told?.data === undefined) throw new Refused("", foreign(status), "", status);
    return told;
  }
  const wait = Math.min(300, Number(retryAfter) || 0);
  const { code, message = "", details } = told?.error ?? {};
  if (typeof code !== "string" || !code) throw new Refused("", foreign(status), "", status, wait);
  throw new Refused(code, String(message), details, status, wait);
}

/** Return a query string of the values that are set. */
export const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

/** Request something of the page's own address, without a user. */
export async function own(method, path, body) {
  return (await fetched(method, path, {}, body)).data;
}

async function fetched(method, path, headers, body) {
  let answer, text;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await answer.text();
  } catch (error) {
    throw new Refused("", error.message);
  }
  return outcome(answer.status, text, answer.headers.get("retry-after"));
}

/** The API for one user on one device. `onRejected` is called when the server no longer accepts the token. */
export class Api {
  constructor(appId, token, device, onRejected) {
    this.headers = { appid: appId, authtoken: token, resource: device };
    this.onRejected = onRejected;
  }

  /** Return the whole response of an operation. */
  async request(method, path, body) {
    try {
      return await fetched(method, `../v3${path}`, this.headers, body);
    } catch (error) {
      if (error.status === 401 && error.code) this.onRejected(error);
      throw error;
    }
  }

  /** Return the `data` of a response. */
  async ask(method, path, body) {
    return (await this.request(method, path, body)).data;
  }

  /** Send a form with files; `progress` is called with the part that was sent, from 0 to 1. Return `data`. */
  upload(path, form, progress, signal) {
    return new Promise((resolve, reject) => {
      const sending = new XMLHttpRequest();
      sending.open("POST", `../v3${path}`);
      for (const [name, value] of Object.entries(this.headers)) sending.setRequestHeader(name, value);
      sending.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
      sending.onerror = () => reject(new Refused("", "The server was not reached."));
      sending.onabort = () => reject(new DOMException("cancelled", "AbortError"));
      sending.onload = () => {
        try {
          resolve(outcome(sending.status, sending.responseText, sending.getResponseHeader("retry-after")).data);
        } catch (error) {
          if (error.status === 401 && error.code) this.onRejected(error);
          reject(error);
        }
      };
      signal?.addEventListener("abort", () => sending.abort());
      sending.send(form);
    });
  }
}
