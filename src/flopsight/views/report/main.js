// The controls, and the parts of the page that follow them.

const DEFAULT = ["name", "class", "input", "output", "params"];
const narrow = window.matchMedia("(max-width: 40rem)").matches;
const chosenColumns = new Set(data.start.columns ?? (narrow ? ["name"] : [...DEFAULT, "calls"]));
const offered = ["class", "input", "output", ...(modules.text.bound ? ["bound"] : []), ...quantities.keys()];

// The name first, what was chosen in the order that is offered, and what is counted with its share in any case.
function moduleColumns() {
  const chosen = offered.filter((column) => chosenColumns.has(column) && column !== state.quantity);
  const isText = (column) => TEXTS.has(column) || column === "params";
  return ["name", ...chosen.filter(isText), state.quantity, "share", ...chosen.filter((column) => !isText(column))];
}

const listing = new Listing(byId("module-table"), modules, tops, {
  tree: true, title: () => "module", columns: moduleColumns, chosen: (row) => {
    zoom(places.get(row));
    element(at)?.focus();
  },
});
const listings = new Map(["family", "operator", "dtype"].map((by) => {
  const rows = data[by].text.name.map((name, index) => ({ index, name }));
  const columns = () => ["name", ...(figures(data[by], state.quantity) ? [state.quantity, "share"] : []),
    ...["exact", "read", "written", "operators"].filter((column) => column !== state.quantity)];
  const operators = new Listing(byId("operator-table"), data[by], rows, { title: () => by, columns });
  operators.sort = { column: "share", down: true };
  return [by, operators];
}));
const grouping = () => document.querySelector("input[name=by]:checked").value;

function drawTotals() {
  const quantity = quantities.get(state.quantity);
  const whole = total();
  byId("total").textContent = whole.text;
  byId("total-title").textContent = quantity.title + (state.phase === "all" || !quantity.of_calls ? "" : `, ${state.phase}`);
  const digits = exactly(whole.value, whole.text, quantity.unit);
  byId("total-exact").textContent = digits;
  byId("total-exact").parentElement.hidden = [whole.text, `${whole.text} ${quantity.unit}`].includes(digits);
  byId("meaning").textContent = quantity.meaning;
}

function drawOperators() {
  const shown = listings.get(grouping());
  shown.names = null; // another listing may have drawn the head
  shown.draw();
}

function drawPhases() {
  const bars = byId("phase-bars");
  if (!bars) return;
  const found = figures(data.phase, state.quantity, "all");
  bars.hidden = !found;
  if (!found) return;
  const whole = total(state.quantity, "all").value;
  bars.replaceChildren(...data.phases.map((phase, index) => {
    const bar = made("span", "", `${phase} ${share(found.values[index], whole)}`);
    bar.style.setProperty("--part", Number(whole) ? Number(found.values[index]) / Number(whole) : 1);
    bar.title = `${phase}: ${exactly(found.values[index], found.texts[index], quantities.get(state.quantity).title)}`;
    return bar;
  }));
}

function drawAll() {
  drawTotals();
  if (nodes.length) {
    measure();
    draw(true);
    listing.draw();
  }
  drawOperators();
  drawPhases();
}

function columnChoices() {
  const field = byId("columns").querySelector("fieldset");
  for (const column of offered) {
    const label = field.appendChild(made("label"));
    const input = label.appendChild(made("input"));
    input.type = "checkbox";
    input.value = column;
    input.checked = chosenColumns.has(column);
    label.append(TEXTS.get(column) ?? quantities.get(column).title);
    input.addEventListener("change", () => {
      input.checked ? chosenColumns.add(column) : chosenColumns.delete(column);
      listing.draw();
    });
  }
  byId("columns").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    byId("columns").open = false;
    byId("columns").querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    if (!byId("columns").contains(event.target)) byId("columns").open = false;
  });
}

function find() {
  const matches = new Set(listing.search(byId("find").value));
  for (const node of nodes) node.match = matches.has(node);
  draw(false);
  byId("found").textContent = listing.query ? `${matches.size} of ${nodes.length} rows` : "";
}

byId("quantity").value = state.quantity;
byId("quantity").addEventListener("change", (event) => {
  state.quantity = event.target.value;
  drawAll();
});
byId("phases")?.addEventListener("change", (event) => {
  state.phase = event.target.value;
  drawAll();
});
byId("grouping").addEventListener("change", drawOperators);
byId("find").addEventListener("input", find);
byId("find").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.target.value = "";
    find();
  }
});
byId("expand").addEventListener("click", () => listing.openTo(Infinity));
byId("collapse").addEventListener("click", () => listing.openTo(0));

for (const id of ["controls", "hero", "operators-section"]) byId(id).hidden = false;
if (nodes.length) {
  for (const id of ["graph-section", "modules-section"]) byId(id).hidden = false;
  legend();
  columnChoices();
  listing.openTo(data.start.depth);
}
drawAll();
if (data.memory) drawChart(data.memory);
performance.mark("drawn");
