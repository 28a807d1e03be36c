// What the page was given, and its figures by phase and quantity.
// Whole numbers are BigInt throughout: a Number has 53 bits, and counts have more. Text is set as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const quantities = new Map(data.quantities.map((quantity) => [quantity.name, quantity]));
const state = { quantity: quantities.has(data.start.quantity) ? data.start.quantity : data.quantities[0].name, phase: "all" };
const BOUND = ">= ";

const byId = (id) => document.getElementById(id);

function made(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

const parsed = new WeakMap();

// The values and texts of a quantity, one a row; null where the table does not have it.
function figures(table, name, phase = state.phase) {
  const found = table.values[phase]?.[name] ?? table.values.all?.[name];
  if (!found) return null;
  if (!parsed.has(found)) {
    parsed.set(found, { values: found[0].split(" ").filter(Boolean).map(read), texts: found[1].split("\t") });
  }
  return parsed.get(found);
}

function read(text) {
  return /^-?\d+$/.test(text) ? BigInt(text) : Number(text);
}

// The whole's value and text.
function total(name = state.quantity, phase = state.phase) {
  const found = figures({ values: data.totals }, name, phase);
  return { value: found.values[0], text: found.texts[0] };
}

// A value with every digit, and what it is of.
function exactly(value, text, unit) {
  if (typeof value !== "bigint") return text;
  return `${text.startsWith(BOUND) ? BOUND : ""}${value.toLocaleString("en-US")} ${unit}`;
}

// A part of the whole in percent; nothing but a lower bound of zero says nothing. text: the part's.
function share(part, whole, text = "") {
  if (!Number(part) && text.startsWith(BOUND)) return "?";
  return Number(whole) ? `${((100 * Number(part)) / Number(whole)).toFixed(1)}%` : "-";
}

function compared(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
