// The words of a page in the language of the browser, and dates and numbers as that language writes them.

/**
 * Return the language of a page, chosen among those that it has.
 * @param {string[]} offered two-letter codes; the first is used if the browser prefers none of them
 */
export function chosen(offered, wanted = navigator.languages ?? [navigator.language]) {
  for (const language of wanted) {
    const short = language.toLowerCase().split(/[-_@.]/)[0];
    if (offered.includes(short)) return short;
  }
  return offered[0];
}

/**
 * Return a function that gives the text for a name, with `{…}` filled in from its second argument.
 * A text with a number has an object by plural category instead: {one: "{n} user", other: "{n} users"}.
 * @param {Record<string, Record<string, string | Record<string, string>>>} words by language and name
 */
export function words(words, language = chosen(Object.keys(words))) {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  const [first] = Object.keys(words);
  return (name, values = {}) => {
    let text = words[language]?.[name] ?? words[first][name];
    if (text === undefined) throw new Error(`there is no text named ${name}`);
    if (typeof text === "object") text = text[plural.select(values.n)] ?? text.other;
    return text.replace(/\{(\w+)\}/g, (whole, key) => {
      const value = values[key];
      return value === undefined ? whole : typeof value === "number" ? number.format(value) : String(value);
    });
  };
}
