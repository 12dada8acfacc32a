// Drives a browser by lines of JSON: opens pages, runs code in them, says what they heard. Used by bridge.mjs here and by
// tests/interop/browser/bridge.mjs, each with the packages of its own folder.
//
// in:  {"id", "do": "open" | "run" | "click" | …: see the commands below, "page", …}
// out: {"id", "value"} or {"id", "error"}; and at any time {"page", "heard": [name, value]}

import { createInterface } from "node:readline";

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// Code is given to the debugger and not to `eval`, which a page's Content-Security-Policy would forbid.
const expression = (code, args) => `((args) => {
  const plain = (v, depth = 0) => {
    if (v === null || ["string", "number", "boolean"].includes(typeof v)) return v;
    if (v === undefined || typeof v === "function" || depth > 8) return null;
    if (v instanceof Map) return plain(Object.fromEntries(v), depth + 1);
    if (Array.isArray(v)) return v.map((x) => plain(x, depth + 1));
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x, depth + 1)]));
  };
  globalThis.plain = plain;
  let {${Object.keys(args).join(", ")}} = args;
  return (async () => {
${code}
  })().then(plain, (error) => { throw new Error(JSON.stringify(plain({ code: error?.code, message: error?.message ?? String(error),
    details: error?.details, name: error?.name, stack: error?.stack }))); });
})(${JSON.stringify(args)})`;

// In each document, before its own scripts.
const watchPolicy = () => document.addEventListener("securitypolicyviolation", (e) =>
  heard("violation", { directive: e.effectiveDirective, blocked: e.blockedURI, source: e.sourceFile, line: e.lineNumber, sample: e.sample }));

/** Start a browser and do what standard input says until it ends. `address` turns what `open` is given into a URL. */
export async function drive({ puppeteer, chromium, address, args = [] }) {
  const browser = await puppeteer.launch({
    executablePath: await chromium.executablePath(), headless: "shell", acceptInsecureCerts: true,
    args: ["--no-sandbox", "--lang=en-US", "--ignore-certificate-errors", "--disable-dev-shm-usage", "--disable-gpu", ...args],
  });
  const pages = new Map();
  const recorders = new Map();

  const commands = {
    async version() { return await browser.version(); },
    async open({ page: name, at, width, height, languages, before }) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      pages.set(name, page);
      await page.setViewport({ width: width || 1280, height: height || 800 });
      await page.exposeFunction("heard", (what, value) => say({ page: name, heard: [what, value ?? null] }));
      await page.evaluateOnNewDocument(watchPolicy);
      if (languages) await page.evaluateOnNewDocument((all) => Object.defineProperty(navigator, "languages", { get: () => all }), languages);
      if (before) await page.evaluateOnNewDocument(before);
      page.on("pageerror", (error) => say({ page: name, heard: ["page error", String(error?.stack || error)] }));
      page.on("console", (m) => {
        say({ page: name, heard: ["console", { type: m.type(), text: m.text() }] });
        if (m.type() === "error") say({ page: name, heard: ["console error", m.text()] });
      });
      if (process.env.TAILWIRE_TRACE) {
        page.on("request", (r) => say({ page: name, heard: ["trace", `${r.method()} ${r.url()} ${r.postData() || ""}`] }));
      }
      await page.goto(address(at), { waitUntil: "load", timeout: 60000 });
    },
    async run({ page, code, args }) { return await pages.get(page).evaluate(expression(code, args || {})); },
    async wait_for({ page, condition, args, timeout }) {
      const end = Date.now() + timeout;
      for (;;) {
        try {
          const value = await pages.get(page).evaluate(expression(`return (${condition})`, args || {}));
          if (value) return value;
        } catch (error) {
          if (!/context was destroyed|find context|Inspected target navigated/i.test(error.message)) throw error;  // the page loads anew
        }
        if (Date.now() > end) throw new Error(`not so within ${timeout / 1000} s: ${condition}`);
        await new Promise((done) => setTimeout(done, 25));
      }
    },
    async in_worker({ page, code, args }) {
      const target = await pages.get(page).browserContext().waitForTarget((one) => one.type() === "service_worker", { timeout: 10000 });
      return await (await target.worker()).evaluate(expression(code, args || {}));
    },
    async offline({ page, value }) { await pages.get(page).setOfflineMode(value); },
    async slow({ page, latency }) { await pages.get(page).emulateNetworkConditions({ latency, download: 5_000_000, upload: 500_000 }); },
    async reload({ page }) { await pages.get(page).reload({ waitUntil: "load" }); },
    async leave({ page }) { await pages.get(page).goto("about:blank"); },
    // A second tab does not hide the first in a headless browser: the page is told what a browser would tell it.
    async visibility({ page, value }) {
      await pages.get(page).evaluate((value) => {
        Object.defineProperty(document, "visibilityState", { configurable: true, get: () => value });
        Object.defineProperty(document, "hidden", { configurable: true, get: () => value === "hidden" });
        document.dispatchEvent(new Event("visibilitychange"));
      }, value);
    },
    async click({ page, selector, text }) {
      const found = text
        ? await pages.get(page).waitForSelector(`xpath/.//*[contains(concat(' ', normalize-space(text()), ' '), '${text}')]`, { timeout: 10000, visible: true })
        : await pages.get(page).waitForSelector(selector, { timeout: 10000, visible: true });
      await found.click();
    },
    async choose_file({ page, text, path }) {
      const [chooser] = await Promise.all([pages.get(page).waitForFileChooser({ timeout: 10000 }), commands.click({ page, text })]);
      await chooser.accept([path]);
    },
    async hover({ page, selector }) { await (await pages.get(page).waitForSelector(selector, { timeout: 10000, visible: true })).hover(); },
    async type({ page, selector, text, delay }) { await pages.get(page).type(selector, text, { delay: delay ?? 5 }); },
    async press({ page, key }) { await pages.get(page).keyboard.press(key); },
    async see({ page, text, selector, timeout }) {
      await commands.wait_for({ page, timeout: timeout || 10000, args: { text, selector: selector || "body" },
        condition: "[...document.querySelectorAll(selector)].some((e) => e.innerText.includes(text))" });
    },
    async screenshot({ page, path }) { await pages.get(page).screenshot({ path }); },
    async record({ page: name, format, quality, width, height }) {
      const debug = await pages.get(name).createCDPSession();
      debug.on("Page.screencastFrame", ({ data, metadata, sessionId }) => {
        say({ page: name, heard: ["frame", { data, at: metadata.timestamp }] });
        debug.send("Page.screencastFrameAck", { sessionId }).catch(() => {});  // the page may have been closed meanwhile
      });
      await debug.send("Page.startScreencast", { format: format || "png", quality, maxWidth: width, maxHeight: height });
      recorders.set(name, debug);
    },
    async stop_recording({ page }) {
      const debug = recorders.get(page);
      recorders.delete(page);
      await debug.send("Page.stopScreencast");
      await debug.detach();
    },
    async close({ page }) {
      const closed = pages.get(page);
      pages.delete(page);
      recorders.delete(page);
      if (closed) await closed.browserContext().close();
    },
  };

  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    Promise.resolve().then(() => commands[command.do](command))
      .then((value) => say({ id: command.id, value: value ?? null }), (error) => say({ id: command.id, error: String(error?.message || error) }));
  }
  await browser.close();
  process.exit(0);
}
