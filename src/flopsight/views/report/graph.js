// The icicle: a box for each module, as wide as its share of what is counted, below the module that holds it.

const graph = byId("graph");
const ROW = 2.2; // rem
const NARROWEST = 1 / 700; // of the whole width; narrower boxes are not drawn until one zooms in
const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");

const everything = { index: -1, name: byId("title").textContent, path: "", kind: "", children: tops };
const tree = d3.hierarchy(tops.length === 1 ? tops[0] : everything);
const places = new Map(tree.descendants().map((place) => [place.data, place]));
let focus = tree; // what is as wide as the page
let at = tree; // what the keys go on from
let scale = null;

const value = ({ data: { index } }) => (index < 0 ? total().value : figures(modules, state.quantity).values[index]);
const text = ({ data: { index } }) => (index < 0 ? total().text : figures(modules, state.quantity).texts[index]);

// Widths from values. Parts of a module may be more than it has, where they hold the same tensor: then they share it.
function measure() {
  tree.eachAfter((place) => {
    place.value = Math.max(Number(value(place)), d3.sum(place.children ?? [], (child) => child.value));
  });
  d3.partition()(tree);
}

function visible() {
  const least = (focus.x1 - focus.x0) * NARROWEST;
  const found = focus.ancestors().slice(1).reverse();
  const add = (place) => {
    found.push(place);
    for (const child of place.children ?? []) if (child.x1 - child.x0 > least) add(child);
  };
  add(focus);
  return found;
}

function draw(moving) {
  const next = d3.scaleLinear([focus.x0, focus.x1 > focus.x0 ? focus.x1 : focus.x0 + 1], [0, 100]).clamp(true);
  const before = scale ?? next;
  scale = next;
  const shown = visible();
  if (!shown.includes(at)) at = focus;
  const left = (by) => (place) => `${by(place.x0)}%`;
  const width = (by) => (place) => `${focus === place ? 100 : by(place.x1) - by(place.x0)}%`;
  const had = graph.contains(document.activeElement);
  const joined = d3.select(graph).selectAll("button").data(shown, (place) => place.data.index).join(
    (enter) => enter.append(box).style("left", left(before)).style("width", width(before)),
  );
  joined.order()
    .attr("class", look)
    .attr("tabindex", (place) => (place === at ? 0 : -1))
    .attr("aria-label", spoken)
    .style("top", (place) => `${place.depth * ROW}rem`)
    .each(label);
  graph.style.height = `${(d3.max(shown, (place) => place.depth) + 1) * ROW}rem`;
  const placed = moving && !stillness.matches ? joined.transition().duration(280).ease(d3.easeCubicOut) : joined;
  placed.style("left", left(next)).style("width", width(next));
  if (had) element(at)?.focus({ preventScroll: true });
  byId("out").disabled = focus === tree;
  crumbs();
  describe(at);
}

function look(place) {
  const is = { around: within(focus.data, place.data), match: place.data.match, low: text(place).startsWith(BOUND) };
  return [`k${colour(place.data)}`, ...Object.keys(is).filter((name) => is[name])].join(" ");
}

function box(place) {
  const button = made("button");
  button.type = "button";
  const words = button.appendChild(made("span", "label"));
  words.append(place.data.name, " ", made("b"), " ", made("i", "", kindOf(place)));
  return button;
}

// The class, where it says more than the name.
const kindOf = ({ data: { kind, name } }) => (kind === "-" || kind === name ? "" : kind);

function label(place) {
  this.querySelector("b").textContent = share(value(place), total().value);
}

// What a box shows comes first, then what only those who see its place know.
function spoken(place) {
  const { path, name } = place.data;
  const words = [`${name} ${share(value(place), total().value)}${kindOf(place) && ` ${kindOf(place)}`}`];
  if (path && path !== name) words.push(path);
  words.push(`${text(place)} ${quantities.get(state.quantity).title}`);
  if (place.children) words.push(`holds ${place.children.length}`);
  return words.join(", ");
}

const element = (place) => d3.select(graph).selectAll("button").filter((other) => other === place).node();

function zoom(place) {
  performance.mark("zoom");
  focus = at = place;
  draw(true);
  requestAnimationFrame(() => setTimeout(() => performance.measure("zoom", "zoom")));
}

function crumbs() {
  const items = focus.ancestors().reverse().map((place) => {
    const item = made("li");
    if (place === focus) {
      item.append(made("span", "", place.data.name));
      item.firstChild.setAttribute("aria-current", "location");
    } else {
      const button = item.appendChild(made("button", "", place.data.name));
      button.type = "button";
      button.addEventListener("click", () => zoom(place));
    }
    return item;
  });
  byId("crumbs").replaceChildren(...items);
}

// What one box is, in words: shown below the graph for the one under the pointer, or the one in focus.
function describe(place) {
  const { index, path, name } = place.data;
  const shapes = index < 0 ? [] : [modules.text.input[index], modules.text.output[index]];
  const parts = [`${share(value(place), total().value)} of all`];
  if (focus !== tree && place !== focus && within(place.data, focus.data)) {
    parts.push(`${share(value(place), value(focus))} of ${focus.data.name}`);
  }
  const words = [
    made("strong", "", path || name), ` ${kindOf(place)} `,
    shapes.some((shape) => shape !== "-") ? made("span", "", shapes.join(" → ")) : "", made("br"),
    `${exactly(value(place), text(place), quantities.get(state.quantity).title)}, ${parts.join(", ")}`,
  ];
  if (modules.text.bound && index >= 0) words.push(`, waits for ${modules.text.bound[index]}`);
  byId("detail").replaceChildren(...words);
}

function legend() {
  const entries = [...colours.entries(), ["other modules and own code", OTHERS], ["modules that hold others", 0]];
  if (total("exact", "all").text.startsWith(BOUND)) entries.push(["with operators of unknown cost: at least this wide", "low"]);
  const items = entries.map(([kind, look]) => {
    const item = made("li");
    item.append(made("i", typeof look === "number" ? `k${look}` : look), kind);
    return item;
  });
  byId("legend").replaceChildren(...items);
}

function move(place) {
  if (!place || !element(place)) return;
  at = place;
  d3.select(graph).selectAll("button").attr("tabindex", (other) => (other === at ? 0 : -1));
  element(at).focus();
}

const beside = (place, step) => {
  const drawn = visible().filter((other) => other.depth === place.depth);
  return drawn[drawn.indexOf(place) + step];
};
const KEYS = {
  ArrowRight: (place) => move(beside(place, 1)),
  ArrowLeft: (place) => move(beside(place, -1)),
  ArrowUp: (place) => move(place.parent),
  ArrowDown: (place) => move(place.children?.find(element)),
  Home: () => move(tree),
  Escape: () => focus.parent && zoom(focus.parent),
};

graph.addEventListener("keydown", (event) => {
  const place = d3.select(event.target).datum();
  if (!KEYS[event.key] || !place || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  KEYS[event.key](place);
});
graph.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const place = button && d3.select(button).datum();
  if (place) zoom(place === focus && focus.parent ? focus.parent : place);
});
for (const kind of ["pointerover", "focusin"]) {
  graph.addEventListener(kind, (event) => {
    const button = event.target.closest("button");
    if (button) describe(d3.select(button).datum());
  });
}
graph.addEventListener("pointerleave", () => describe(at));
byId("out").addEventListener("click", () => focus.parent && zoom(focus.parent));
