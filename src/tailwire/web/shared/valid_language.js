// Imported before code that gives the browser's language to Intl, which refuses a tag such as en-US@posix: browsers have
// one where the system's locale is like that.

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US", configurable: true });
}
