// Create and update HTML and SVG elements without markup in strings.

const SVG = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
};

export const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Set the attributes that differ. */
export const set = (element, attributes) => {
  for (const [name, value] of Object.entries(attributes)) {
    const text = String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
};

export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** Split a name into words: "AppStateChanged" gives "app state changed". */
export const words = (name) => name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
