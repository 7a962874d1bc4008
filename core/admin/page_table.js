// The table of backends. Only the rows in view are in the document: a few elements, which show
// other backends when the table is scrolled or sorted. So the table itself has the focus, and says
// which row is meant (aria-activedescendant).

const ROW = 30; // px, as in page.css
const AHEAD = 2; // rows drawn above and below those in view
export const KEPT = 60; // seconds of requests/s of each backend

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

export const number = (n) => (n >= 10 || n === 0 ? whole : fine).format(n);
export const percent = (part) => `${part >= 0.0995 ? whole.format(100 * part) : fine.format(100 * part)} %`;

export function duration(s) {
  if (s < 120) return `${Math.floor(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

export const weightText = (b) => (b.set_by === "admin" ? `${b.weight} (${b.weight_script})*` : `${b.weight}`);

// Its class and its head; what is shown; what is sorted by; and whether the largest comes first.
const COLUMNS = [
  ["name", "backend", (b) => b.name, (b) => b.order],
  ["state", "state", (b) => b.state, (b) => b.state],
  ["since number", "for", (b) => duration(b.since_s), (b) => b.since_s],
  ["rate number", "req/s", (b) => number(b.rate), (b) => b.rate, true],
  ["share number", "share", (b) => percent(b.share), (b) => b.share, true],
  ["flight number", "in flight", (b) => (b.pending ? `${b.in_flight} / ${b.pending}` : `${b.in_flight}`),
    (b) => b.in_flight, true],
  ["ewma number", "ewma ms", (b) => (b.ewma_ms > 0 ? number(b.ewma_ms) : "-"), (b) => b.ewma_ms, true],
  ["errors number", "errors", (b) => percent(b.error_rate || 0), (b) => b.error_rate || 0, true],
  ["weight number", "weight", weightText, (b) => b.weight, true],
  ["last", "last 60 s", (b) => b.why, (b) => b.why],
];
const LAST = COLUMNS.length - 1;
const STATE = 1;

// Dear, so names are compared only when there are others: `order` of a backend is its place.
const byName = new Intl.Collator("en", { numeric: true }).compare;

export const newLine = () => document.getElementById("line").content.firstElementChild.cloneNode(true);

// A line of the last values, as high as the largest of them. `at`: the place of the oldest in the
// ring. It is stretched to its room, whose size nobody has to know.
export function drawLine(svg, ring, at) {
  const top = Math.max(...ring) || 1;
  let points = "";
  for (let i = 0; i < KEPT; i++) points += `${i},${(19 - (18 * ring[(at + i) % KEPT]) / top).toFixed(1)} `;
  svg.firstElementChild.setAttribute("points", points);
}

export class Table {
  #view = document.getElementById("view");
  #table = document.getElementById("table");
  #rows = document.getElementById("rows");
  #space = ["before", "after"].map((id) => document.getElementById(id).rows[0].cells[0]);
  #heads = [];
  #pool = [];
  all = [];
  #list = []; // those that the filter leaves, sorted
  #column = 0;
  #down = false;
  #words = "";
  #here = null; // the name of the row that the keys have reached
  onOpen = () => {};
  onClose = () => {};
  opened = null; // the name of the backend that is open
  ring = 0; // the place of the oldest value in each backend's history

  constructor() {
    this.#makeHeads();
    this.#view.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.#view);
    this.#table.addEventListener("keydown", (event) => this.#onKey(event));
    this.#rows.addEventListener("click", (event) => {
      const row = this.#pool.find((one) => one.tr === event.target.closest("tr"));
      if (row) this.open(row.name);
    });
  }

  focus() {
    this.#table.focus({ preventScroll: true });
  }

  #makeHeads() {
    COLUMNS.forEach(([kind, text], i) => {
      const th = document.createElement("th"), button = document.createElement("button");
      th.className = kind;
      th.scope = "col";
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => this.#sortBy(i));
      th.append(button);
      this.#heads.push(th);
    });
    document.getElementById("columns").append(...this.#heads);
    this.#heads[0].ariaSort = "ascending";
  }

  #sortBy(i) {
    this.#down = i === this.#column ? !this.#down : COLUMNS[i][4] === true;
    this.#column = i;
    this.#heads.forEach((th, n) => {
      th.ariaSort = n === i ? (this.#down ? "descending" : "ascending") : null;
    });
    this.update(this.all);
  }

  set words(text) {
    this.#words = text.trim().toLowerCase();
    this.#view.scrollTop = 0;
    this.update(this.all);
  }

  // All backends, another list if there are others; draws those in view. Gives how many the filter
  // leaves.
  update(all) {
    if (all !== this.all) [...all].sort((a, b) => byName(a.name, b.name)).forEach((b, i) => { b.order = i; });
    this.all = all;
    const words = this.#words, of = COLUMNS[this.#column][3], sign = this.#down ? -1 : 1;
    this.#list = words
      ? all.filter((b) => b.words.includes(words) || b.state.includes(words) || b.why.toLowerCase().includes(words))
      : all.slice();
    this.#list.sort((a, b) => {
      const one = of(a), other = of(b);
      return one === other ? a.order - b.order : one < other ? -sign : sign;
    });
    this.#table.ariaRowCount = this.#list.length + 1;
    this.draw();
    return this.#list.length;
  }

  draw() {
    const first = Math.max(0, Math.floor(this.#view.scrollTop / ROW) - AHEAD);
    const count = Math.ceil(this.#view.clientHeight / ROW) + 2 * AHEAD;
    const last = Math.min(this.#list.length, first + count);
    while (this.#pool.length < last - first) this.#pool.push(this.#makeRow(this.#pool.length));
    let here = null;
    this.#pool.forEach((row, i) => {
      const backend = this.#list[first + i];
      row.tr.hidden = first + i >= last;
      if (row.tr.hidden) return;
      this.#drawRow(row, backend, first + i);
      if (backend.state === "up") this.#drawHistory(row, backend);
      if (backend.name === this.#here) here = row.tr.id;
    });
    if (here) this.#table.setAttribute("aria-activedescendant", here);
    else this.#table.removeAttribute("aria-activedescendant");
    this.#space[0].style.height = `${Math.min(first, this.#list.length) * ROW}px`;
    this.#space[1].style.height = `${Math.max(0, this.#list.length - last) * ROW}px`;
  }

  #makeRow(n) {
    const tr = document.createElement("tr");
    tr.id = `row${n}`;
    const cells = COLUMNS.map(([kind], i) => {
      const td = document.createElement("td");
      td.className = kind;
      if (i !== LAST) td.append("");
      return td;
    });
    tr.append(...cells);
    this.#rows.append(tr);
    return { tr, cells, line: newLine(), shown: [], name: null };
  }

  #drawRow(row, backend, index) {
    const isHere = backend.name === this.#here, isOpen = backend.name === this.opened;
    row.name = backend.name;
    row.tr.ariaRowIndex = index + 2;
    row.tr.ariaSelected = isOpen;
    row.tr.classList.toggle("here", isHere);
    COLUMNS.forEach(([kind, , text], i) => {
      const now = text(backend);
      if (i === LAST && backend.state === "up") return;
      if (row.shown[i] === now) return;
      row.shown[i] = now;
      if (i === LAST) row.cells[i].textContent = now;
      else row.cells[i].firstChild.data = now;
      if (i === STATE) row.cells[i].className = `${kind} ${now}`;
      if (i === 0 || i === LAST) row.cells[i].title = now;
    });
  }

  #drawHistory(row, backend) {
    if (row.line.parentNode !== row.cells[LAST]) {
      row.cells[LAST].replaceChildren(row.line);
      row.cells[LAST].title = "";
      row.shown[LAST] = null;
    }
    drawLine(row.line, backend.history, this.ring);
  }

  open(name) {
    this.#here = name;
    this.opened = name;
    this.draw();
    this.onOpen(name);
  }

  #onKey(event) {
    const page = Math.max(1, Math.floor(this.#view.clientHeight / ROW) - 2), end = this.#list.length - 1;
    const at = this.#list.findIndex((b) => b.name === this.#here);
    const to = { ArrowDown: at + 1, ArrowUp: Math.max(at - 1, 0), PageDown: at + page, PageUp: at - page,
      Home: 0, End: end }[event.key];
    if (event.target !== this.#table) return;
    if (to !== undefined && end >= 0) {
      this.#go(Math.max(0, Math.min(end, to)));
    } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
      this.open(this.#here);
    } else if (event.key === "Escape") {
      this.onClose();
    } else {
      return;
    }
    event.preventDefault();
  }

  #go(index) {
    const head = this.#heads[0].offsetHeight, top = index * ROW, room = this.#view.clientHeight - head - ROW;
    this.#here = this.#list[index].name;
    this.#view.scrollTop = Math.max(top - room, Math.min(top, this.#view.scrollTop));
    this.draw();
  }
}
