// Numbers as the text report writes them, and elements whose text is always set as text.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"];

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 99.95 && value % 1 !== 0 ? 1 : 0)} ${UNITS[unit]}`;
}

function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A number of things, with the regular plural. */
function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}

function percent(share) {
  if (share === 0) return "0 %";
  if (share < 0.005) return "<1 %";
  if (share >= 0.995 && share < 1) return ">99 %";
  return `${(share * 100).toFixed(0)} %`;
}

function seconds(ns) {
  return `${(ns / 1e9).toFixed(ns < 1e10 ? 2 : 1)} s`;
}

/** Text without line breaks between a number and its unit. */
function unbroken(text) {
  return text.replace(/(\d) (?=(%|B|[KMGTP]iB|m?s)(?!\w))/g, "$1\u00a0");
}

const WORDS = {
  bytes: size,
  count,
  number: String,
  share: percent,
  time: seconds,
  word: String,
  text: String,
};

/** An element with attributes and children; strings become text, never markup. */
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function makeSvg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function note(section, text) {
  if (text) section.append(make("p", { class: "note" }, text));
}

/** Calls back when the element's width is known, and whenever it changes. */
function onWidth(element, callback) {
  let before = 0;
  new ResizeObserver(() => {
    const width = element.clientWidth;
    if (width > 0 && width !== before) {
      before = width;
      callback(width);
    }
  }).observe(element);
}
