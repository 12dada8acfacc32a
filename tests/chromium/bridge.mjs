// The browser of the fixture `chromium`.

import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";
import { drive } from "./driver.mjs";

await drive({ puppeteer, chromium, address: (at) => at });
