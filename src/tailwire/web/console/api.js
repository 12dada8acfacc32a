// The requests of the page: to the API as the key of the session, and those of the session itself.

const TIMEOUT_MS = 20_000;
let token = "";
let onSignedOut = () => {};

/** What the server refused, with its code; or that it did not answer (code ""). */
export class Refused extends Error {
  constructor(code, message, details) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** Call a function when the session has ended. */
export const whenSignedOut = (call) => { onSignedOut = call; };

async function ask(method, path, body) {
  let answer, told;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), "x-console-token": token },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    told = answer.status === 204 ? {} : await answer.json();
  } catch (error) {
    throw new Refused("", error.message);
  }
  if (answer.ok) return told;
  const { code = String(answer.status), message = "", details } = told.error ?? {};
  if (answer.status === 401 && path !== "session") onSignedOut();
  throw new Refused(code, message, details);
}

// Signed in again in another tab, the browser has another session, whose token this page does not know. What the server
// refused for that was not done.
async function askAgain(method, path, body) {
  try {
    return await ask(method, path, body);
  } catch (error) {
    const before = token;
    if (error.code !== "ERR_CONSOLE_ORIGIN" || !await session() || token === before) throw error;
    return await ask(method, path, body);
  }
}

/** Return the whole response of an operation of the API. */
export const request = (method, path, body) => askAgain(method, `api${path}`, body);

/** Return the `data` of a response. */
export const get = async (path) => (await request("GET", path)).data;

/** Return a query string of the values that are set. */
export const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

/** Return the session that the browser has, or null; with a link, open one. */
export async function session(link) {
  try {
    const { data } = await ask(link ? "POST" : "GET", "session", link ? { link } : undefined);
    token = data.token;
    return data;
  } catch (error) {
    if (error.code === "ERR_CONSOLE_SESSION") return null;
    throw error;
  }
}

/** End the session. */
export async function signOut() {
  await askAgain("DELETE", "session");
  token = "";
}
