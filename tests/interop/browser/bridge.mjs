// Pages with the vendor's packages in them, driven as ../../chromium/driver.mjs says.

import { createServer } from "node:http";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";
import { drive } from "../../chromium/driver.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const bundles = await mkdtemp(join(tmpdir(), "tailwire-interop-"));

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

await drive({
  puppeteer, chromium, address: (at) => (at?.includes("://") ? at : `${origin}/${at || "sdk.html"}`),
  // Who is online is asked at the chat host's port 443, whatever its port is.
  args: [`--host-resolver-rules=MAP localhost:443 127.0.0.1:${process.env.TAILWIRE_PORT || 443}`],
});
