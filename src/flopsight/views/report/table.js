// A table that can be sorted, and, of a tree, opened, closed and searched. One for modules, one for operators.

const TEXTS = new Map([["class", "class"], ["input", "input"], ["output", "output"], ["bound", "waits for"]]);

class Listing {
  // source: a table of the data. rows: nodes with `index`, and `children` of a tree. columns: which to show.
  constructor(table, source, rows, { tree = false, title, columns, chosen = null }) {
    Object.assign(this, { table, source, rows, tree, title, columns, chosen });
    this.open = new Set();
    this.sort = null; // {column, down}
    this.found = null; // the rows that a search leaves, and those around them
    this.at = rows[0] ?? null;
    this.lines = new Map();
    if (tree) this.listen();
  }

  // The rows to show now, in order.
  shown() {
    const found = [];
    const add = (rows) => {
      for (const row of this.sorted(rows)) {
        if (this.found && !this.found.has(row)) continue;
        found.push(row);
        if (row.children?.length && this.isOpen(row)) add(row.children);
      }
    };
    add(this.rows);
    return found;
  }

  isOpen(row) {
    return this.found ? row.children.some((child) => this.found.has(child)) : this.open.has(row);
  }

  sorted(rows) {
    if (!this.sort) return rows;
    const { column, down } = this.sort;
    const name = column === "share" ? state.quantity : column;
    const values = this.source.text[name] ?? figures(this.source, name)?.values;
    if (!values) return rows;
    return [...rows].sort((a, b) => (down ? -1 : 1) * compared(values[a.index], values[b.index]));
  }

  draw() {
    const columns = this.columns();
    this.head(columns);
    const shown = this.shown();
    if (!shown.includes(this.at)) this.at = shown[0] ?? null;
    const had = this.table.contains(document.activeElement) && document.activeElement.closest("tbody");
    const body = this.table.tBodies[0] ?? this.table.createTBody();
    body.replaceChildren(...shown.map((row) => this.line(row, columns)));
    if (!shown.length) {
      const cell = body.insertRow().appendChild(made("td", "empty", "Nothing is called that."));
      cell.colSpan = columns.length;
    }
    if (had) this.lines.get(this.at)?.focus({ preventScroll: true });
  }

  head(columns) {
    const names = columns.join("\n");
    const row = this.table.tHead?.rows[0] ?? this.table.createTHead().insertRow();
    if (this.names !== names) {
      this.names = names;
      row.replaceChildren(...columns.map((column) => this.heading(column)));
    }
    [...row.cells].forEach((cell, place) => {
      const sorted = this.sort?.column === columns[place] ? (this.sort.down ? "descending" : "ascending") : "none";
      cell.setAttribute("aria-sort", sorted);
      if (columns[place] === "share") cell.firstChild.textContent = `% of ${quantities.get(state.quantity).title}`;
    });
  }

  heading(column) {
    const isNumber = quantities.has(column);
    const cell = made("th", isNumber ? "number" : "");
    cell.scope = "col";
    const button = cell.appendChild(made("button", "", TEXTS.get(column) ?? quantities.get(column)?.title ?? this.title()));
    button.type = "button";
    button.addEventListener("click", () => this.turn(column));
    return cell;
  }

  // Largest first (texts: by letter), then the other way, then the model's own order.
  turn(column) {
    const first = quantities.has(column) || column === "share";
    if (this.sort?.column !== column) this.sort = { column, down: first };
    else this.sort = this.sort.down === first ? { column, down: !first } : null;
    this.draw();
  }

  line(row, columns) {
    if (!this.lines.has(row)) this.lines.set(row, made("tr"));
    const line = this.lines.get(row);
    line.className = this.tree && !row.depth ? "root" : "";
    line.replaceChildren(...columns.map((column) => this.cell(row, column)));
    if (this.tree) {
      line.setAttribute("aria-level", row.depth + 1);
      if (row.children.length) line.setAttribute("aria-expanded", this.isOpen(row));
      line.tabIndex = row === this.at ? 0 : -1;
      line.row = row;
    }
    return line;
  }

  cell(row, column) {
    if (column === "name") return this.name(row);
    if (TEXTS.has(column)) {
      return made("td", column === "class" || column === "bound" ? "class" : "shape", this.source.text[column][row.index]);
    }
    if (column === "share") return this.share(row);
    const found = figures(this.source, column);
    const cell = made("td", "number", found ? found.texts[row.index] : "-");
    if (found) cell.title = exactly(found.values[row.index], found.texts[row.index], quantities.get(column).unit);
    return cell;
  }

  name(row) {
    const cell = made("th", row.own ? "name own" : "name");
    cell.scope = "row";
    if (this.tree) {
      cell.style.paddingLeft = `${0.5 + row.depth * 1.15}rem`;
      const twist = cell.appendChild(made("span", "twist", row.children.length ? (this.isOpen(row) ? "▾" : "▸") : ""));
      twist.setAttribute("aria-hidden", "true");
      cell.title = row.path;
    }
    cell.append(...this.marked(this.source.text.name[row.index]));
    return cell;
  }

  // The text, with what is searched for marked.
  marked(text) {
    const from = this.query ? text.toLowerCase().indexOf(this.query) : -1;
    if (from < 0) return [text];
    const to = from + this.query.length;
    return [text.slice(0, from), made("mark", "", text.slice(from, to)), text.slice(to)];
  }

  share(row) {
    const cell = made("td", "share");
    const found = figures(this.source, state.quantity);
    const whole = total().value;
    const part = found ? found.values[row.index] : 0;
    cell.append(made("span", "percent", found ? share(part, whole, found.texts[row.index]) : "-"));
    const track = cell.appendChild(made("span", "track"));
    track.style.setProperty("--part", `${Number(whole) ? Math.min(100, (100 * Number(part)) / Number(whole)) : 0}%`);
    return cell;
  }

  // --- of a tree ---

  listen() {
    this.table.addEventListener("click", (event) => {
      const row = event.target.closest("tbody tr")?.row;
      if (!row) return;
      if (event.target.closest(".twist") || event.target.closest(".name")) this.toggle(row);
      this.focus(row);
    });
    this.table.addEventListener("keydown", (event) => {
      const row = event.target.closest("tbody tr")?.row;
      if (!row || event.ctrlKey || event.altKey || event.metaKey || !this.key(row, event.key)) return;
      event.preventDefault();
    });
  }

  key(row, key) {
    const shown = this.shown();
    const place = shown.indexOf(row);
    const has = row.children.length > 0;
    const steps = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: shown.length - 1 };
    if (key in steps) this.focus(shown[steps[key]]);
    else if (key === "ArrowRight") has && !this.isOpen(row) ? this.toggle(row) : this.focus(shown[place + (has ? 1 : 0)]);
    else if (key === "ArrowLeft") has && this.isOpen(row) ? this.toggle(row) : this.focus(row.parent);
    else if (key === " ") this.toggle(row);
    else if (key === "Enter") this.chosen?.(row);
    else return false;
    return true;
  }

  focus(row) {
    if (!row || !this.lines.get(row)?.isConnected) return;
    if (this.at) this.lines.get(this.at).tabIndex = -1;
    this.at = row;
    this.lines.get(row).tabIndex = 0;
    this.lines.get(row).focus();
  }

  toggle(row) {
    if (!row.children.length || this.found) return;
    if (!this.open.delete(row)) this.open.add(row);
    this.draw();
  }

  openTo(depth) {
    this.open = new Set(nodes.filter((node) => node.children.length && node.depth < depth));
    this.draw();
  }

  // Leave the rows with the text in their path or class, and those around them; without a text, all.
  search(text) {
    this.query = text.trim().toLowerCase();
    const matches = this.query
      ? nodes.filter((node) => `${node.path}\n${node.name}\n${node.kind}`.toLowerCase().includes(this.query)) : [];
    this.found = this.query ? new Set() : null;
    for (const node of matches) for (let around = node; around; around = around.parent) this.found.add(around);
    this.draw();
    return matches;
  }
}
