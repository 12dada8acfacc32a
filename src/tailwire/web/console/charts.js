// Charts of the last fifteen minutes.

import "./shared/valid_language.js";  // before uPlot
import uPlot from "./vendor/uplot.mjs";
import { html, useEffect, useLayoutEffect, useRef } from "./shared/html.js";
import { minute, second } from "./format.js";
import { say } from "./words.js";

const HEIGHT = 168;
const SHORT_SECONDS = 300;  // below that, the axis names seconds too

// A canvas needs colours as they are now: an element with the colour says what it is in light or dark.
function colour(name) {
  const probe = document.createElement("span");
  probe.className = `probe-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const clear = (rgb) => rgb.replace(/^rgb\(([^)]*)\)$/, "rgba($1, 0.12)");

function options(lines, format, width) {
  const [text, grid] = [colour("axis"), colour("grid")];
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { points: { size: 6 }, drag: { x: false, y: false }, y: false },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max((high ?? 0) * 1.15, lines[0].least ?? 1)] } },
    axes: [
      { ...axis, size: 26, space: 90, values: (plot, ticks) => ticks.map(plot.scales.x.max - plot.scales.x.min > SHORT_SECONDS ? minute : second) },
      { ...axis, size: 58, space: 34, values: (_, ticks) => ticks.map(format) },
    ],
    series: [{}, ...lines.map(({ colour: name, dots }, n) => {
      const stroke = colour(name);
      return { stroke, width: 1.75, spanGaps: true, fill: n === 0 ? clear(stroke) : undefined, points: { show: dots === true, size: 5, fill: stroke, stroke } };
    })],
  };
}

/**
 * @param {{name: string, of: Function, colour: string, least?: number}[]} props.lines the first one is filled
 * @param {(value: number) => string} props.format
 */
export function Chart({ title, samples, lines, format }) {
  const place = useRef(null);
  const plot = useRef(null);
  const shown = useRef(null);

  const values = () => [samples.map(({ at }) => at), ...lines.map(({ of }) => samples.map((one) => of(one) ?? null))];
  const tell = (chart) => {
    const at = chart.cursor.idx ?? chart.data[0].length - 1;
    const parts = lines.map((_, n) => chart.data[n + 1][at]);
    for (const [n, element] of [...shown.current.querySelectorAll("output")].entries()) {
      element.textContent = parts[n] === null || parts[n] === undefined ? "–" : format(parts[n]);
    }
  };

  useLayoutEffect(() => {
    const build = () => {
      plot.current?.destroy();
      const width = Math.max(160, Math.floor(place.current.clientWidth));
      plot.current = new uPlot({ ...options(lines, format, width), hooks: { setCursor: [tell], setData: [tell], ready: [tell] } }, values(), place.current);
    };
    build();
    const resized = new ResizeObserver(() => {
      const width = Math.floor(place.current.clientWidth);
      if (width > 0 && width !== plot.current.width) plot.current.setSize({ width, height: HEIGHT });
    });
    resized.observe(place.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", build);
    addEventListener("themechange", build);
    return () => {
      dark.removeEventListener("change", build);
      removeEventListener("themechange", build);
      resized.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => { plot.current?.setData(values()); }, [samples]);

  const latest = samples.at(-1);
  const spoken = lines.map(({ name, of }) => `${name} ${latest && of(latest) !== undefined ? format(of(latest)) : "–"}`).join(", ");
  return html`<figure class="chart card">
    <figcaption ref=${shown}><h2>${title}</h2><ul>${lines.map(({ name, colour: mark }) => html`<li key=${name}><i class="mark probe-${mark}"></i>${name} <output>–</output></li>`)}</ul></figcaption>
    <div class="plot" ref=${place} role="img" aria-label=${`${title}: ${say("now")} ${spoken}`}></div>
  </figure>`;
}
