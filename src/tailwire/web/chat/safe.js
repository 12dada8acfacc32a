// What may become an address in the page. Texts need nothing: they are never anything but text.

/** Return an address that a person may follow from a message: http or https, else "". */
export function linkTo(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : "";
  } catch {
    return "";
  }
}

/** Return the path of a file that this server keeps, for the page to show it; "" for any other address. */
export function ownFile(text) {
  try {
    const url = new URL(text, location.href);
    const own = url.host === location.host && /^\/(v3(\.0)?\/)?files\/[\w.-]+$/.test(url.pathname);
    return own ? `${url.pathname}${url.search}` : "";
  } catch {
    return "";
  }
}

const SHOWN = /^image\/(png|jpeg|gif|webp|avif|bmp)$/;
const PLAYED = /^(audio|video)\/[\w.+-]+$/;

/** Return what is shown for a file: {name, size, kind: image | audio | video | file, shown, link}. */
export function shownFile(file) {
  const type = String(file.mimeType ?? file.type ?? "");
  const path = ownFile(file.url ?? "");
  const kind = !path ? "file" : SHOWN.test(type) ? "image" : PLAYED.test(type) ? type.split("/")[0] : "file";
  return { name: String(file.name || "?"), size: Number(file.size) || 0, kind, shown: path, link: path || linkTo(file.url ?? "") };
}

const LINK = /https?:\/\/[^\s<>"'`\u2028\u2029]+/gi;

// Marks at the end of an address belong to the sentence around it. A regular expression for them would begin anew at each mark.
function withoutMarks(address) {
  let end = address.length;
  while (end && ".,;:!?)]}".includes(address[end - 1])) end -= 1;
  return address.slice(0, end);
}

/** Split a text into parts: strings, and {link} for addresses in it. */
export function parts(text) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const said = withoutMarks(match[0]);
    const link = linkTo(said);
    if (!link) continue;
    found.push(text.slice(from, match.index), { link, said });
    from = match.index + said.length;
  }
  found.push(text.slice(from));
  return found.filter((part) => part !== "");
}
