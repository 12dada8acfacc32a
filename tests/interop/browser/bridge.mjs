// A browser that a test drives with lines of JSON: opens pages, runs code in them, says what they heard.
//
// in:  {"id", "do": "open" | "run" | "click" | …: see commands below, "page", …}
// out: {"id", "value"} or {"id", "error"}; and at any time {"page", "heard": [name, value]}

import { createServer } from "node:http";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const bundles = await mkdtemp(join(tmpdir(), "tailwire-interop-"));
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// `sdk.html`, `kit.html`: the newest of each. `sdk-….html`: an older SDK, by the name under which package.json has it.
const bundled = new Map();
const bundle = (name) => {
  if (!bundled.has(name)) {
    const sdk = name === "sdk" ? "@cometchat/chat-sdk-javascript" : name;
    const source = name.startsWith("kit") ? { entryPoints: [join(here, `${name}.jsx`)] }
      : { stdin: { contents: `import { CometChat } from "${sdk}"; window.CometChat = CometChat;`, resolveDir: here } };
    bundled.set(name, build({
      ...source, bundle: true, outfile: join(bundles, `${name}.js`), format: "iife",
      jsx: "automatic", define: { "process.env.NODE_ENV": '"production"' }, logLevel: "silent",
      loader: { ".svg": "dataurl", ".png": "dataurl", ".wav": "dataurl", ".woff": "dataurl", ".woff2": "dataurl", ".ttf": "dataurl" },
    }));
  }
  return bundled.get(name);
};

const site = createServer(async (request, response) => {
  const name = request.url.split("?")[0].slice(1) || "index.html";
  try {
    if (/^(sdk|kit)[-\w]*\.html$/.test(name)) {
      const script = name.replace(".html", "");
      await bundle(script);
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><link rel="stylesheet" href="${script}.css">` +
        `<body style="margin:0"><div id="root" style="height:100vh"></div><script src="${script}.js"></script>`);
      return;
    }
    response.setHeader("content-type", name.endsWith(".css") ? "text/css" : "text/javascript");
    response.end(await readFile(join(bundles, name)));
  } catch (error) {
    response.statusCode = 404;
    response.end(String(error));
  }
});
await new Promise((done) => site.listen(0, "127.0.0.1", done));
const origin = `http://localhost:${site.address().port}`;

const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(), headless: "shell",
  args: ["--no-sandbox", "--lang=en-US", "--ignore-certificate-errors", "--disable-dev-shm-usage", "--disable-gpu",
    // Who is online is asked at the chat host's port 443, whatever its port is.
    `--host-resolver-rules=MAP localhost:443 127.0.0.1:${process.env.TAILWIRE_PORT || 443}`], acceptInsecureCerts: true,
});
const pages = new Map();

const commands = {
  async open({ page: name, at, width, height }) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport({ width: width || 1280, height: height || 800 });
    await page.exposeFunction("heard", (what, value) => say({ page: name, heard: [what, value ?? null] }));
    page.on("pageerror", (error) => say({ page: name, heard: ["page error", String(error?.stack || error)] }));
    page.on("console", (m) => { if (m.type() === "error") say({ page: name, heard: ["console error", m.text()] }); });
    if (process.env.TAILWIRE_TRACE) {
      page.on("request", (r) => say({ page: name, heard: ["trace", `${r.method()} ${r.url()} ${r.postData() || ""}`] }));
    }
    await page.goto(at?.includes("://") ? at : `${origin}/${at || "sdk.html"}`, { waitUntil: "load", timeout: 60000 });
    pages.set(name, page);
  },
  async run({ page, code, args }) {
    return await pages.get(page).evaluate((code, args) => {
      const plain = (v, depth = 0) => {
        if (v === null || ["string", "number", "boolean"].includes(typeof v)) return v;
        if (v === undefined || typeof v === "function" || depth > 8) return null;
        if (v instanceof Map) return plain(Object.fromEntries(v), depth + 1);
        if (Array.isArray(v)) return v.map((x) => plain(x, depth + 1));
        return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x, depth + 1)]));
      };
      window.plain = plain;
      const body = new (Object.getPrototypeOf(async () => {}).constructor)("args", "with (args) { return await (async () => {" + code + "})() }");
      return body(args).then(plain, (error) => { throw new Error(JSON.stringify(plain({ code: error?.code, message: error?.message ?? String(error), details: error?.details, name: error?.name, stack: error?.stack }))); });
    }, code, args || {});
  },
  async offline({ page, value }) { await pages.get(page).setOfflineMode(value); },
  async slow({ page, latency }) { await pages.get(page).emulateNetworkConditions({ latency, download: 5_000_000, upload: 500_000 }); },
  async reload({ page }) { await pages.get(page).reload({ waitUntil: "load" }); },
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
    await pages.get(page).waitForFunction((text, selector) => [...document.querySelectorAll(selector || "body")].some((e) => e.innerText.includes(text)),
      { timeout: timeout || 10000, polling: 50 }, text, selector || null);
  },
  async screenshot({ page, path }) { await pages.get(page).screenshot({ path }); },
  async close({ page }) { await pages.get(page).browserContext().close(); pages.delete(page); },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command).then((value) => say({ id: command.id, value: value ?? null }), (error) => say({ id: command.id, error: String(error?.message || error) }));
}
await browser.close();
process.exit(0);
