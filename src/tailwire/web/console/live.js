// The load of the server, live: fifteen minutes back from /stats, then each sample from the stream.

import { get, session } from "./api.js";

const MAX_SAMPLES = 450;

/** What the pages show of it. `state`: connecting, live, or gone (the server does not answer). */
export const live = { state: "connecting", samples: [], about: null };

const listeners = new Set();
let source = null;

/** Call a function with each change; return what stops it. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(changes) {
  Object.assign(live, changes);
  for (const listener of listeners) listener(live);
}

async function fill() {
  try {
    const { samples, ...about } = await get("/stats?window=15m");
    const newest = samples.at(-1)?.at ?? 0;
    tell({ about, samples: [...samples, ...live.samples.filter((one) => one.at > newest)].slice(-MAX_SAMPLES) });
  } catch (error) {
    console.warn(`the load was not read: ${error.message}`);
  }
}

/** Begin to listen. A stream that ends, or whose server is gone, is opened again by the browser. */
export function start() {
  stop();
  if (live.state === "ended") tell({ state: "connecting" });  // signed in again
  source = new EventSource("api/stats/stream");
  source.addEventListener("about", (event) => {
    tell({ state: "live", about: JSON.parse(event.data) });
    if (!live.filled) {
      live.filled = true;
      fill();
    }
  });
  source.addEventListener("sample", (event) => {
    tell({ state: "live", samples: [...live.samples, JSON.parse(event.data)].slice(-MAX_SAMPLES) });
  });
  source.addEventListener("error", async () => {
    live.filled = false;
    if (source?.readyState === EventSource.CLOSED) {  // refused, so the browser does not try again
      stop();
      const still = await session().catch(() => true);
      if (still) setTimeout(start, 3000);
      else tell({ state: "ended" });
    }
    if (live.state !== "ended") tell({ state: "gone" });
  });
}

/** Stop listening. */
export function stop() {
  source?.close();
  source = null;
}
