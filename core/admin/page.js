// The dashboard: asks /state once, then goes by the stream of /events, which has a summary and a
// row of each backend each second. What lb says becomes text (textContent), never HTML.

import { KEPT, Table, drawLine, duration, newLine, number, percent, weightText } from "./page_table.js";

const $ = (id) => document.getElementById(id);
const pause = (s) => new Promise((done) => setTimeout(done, 1000 * s));
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

function make(tag, text, kind) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

// --- the token: kept for this tab, and asked for when lb wants it ---

const TOKEN = "lb token";
let token = null, asking = null;
try { token = sessionStorage.getItem(TOKEN); } catch { /* this browser keeps nothing */ }

class Cancelled extends Error {}

function askToken(why) {
  asking ??= new Promise((done, fail) => {
    const dialog = $("ask");
    put($("ask_why"), why);
    $("token").value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      asking = null;
      if (dialog.returnValue !== "given") return fail(new Cancelled("lb wants a token"));
      token = $("token").value.trim();
      $("token").value = "";
      try { sessionStorage.setItem(TOKEN, token); } catch { /* it is kept until a reload, then */ }
      done();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

$("ask_form").addEventListener("submit", (event) => {
  event.preventDefault();
  $("ask").close("given");
});
$("ask_no").addEventListener("click", () => $("ask").close());

// --- requests ---

async function send(path, options = {}) {
  for (;;) {
    const used = token, headers = { ...options.headers };
    if (used) headers.Authorization = `Bearer ${used}`;
    const answer = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error", ...options, headers });
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    if (answer.status !== 401) throw new Error(said.error || `lb answers ${answer.status}`);
    if (token === used)
      await askToken(used ? "lb does not know that token." : "Over the network lb answers only who has its token.");
  }
}

const get = async (path, options) => (await send(path, options)).json();

async function change(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await send(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

const backendPath = (name) => `backends/${encodeURIComponent(name)}`;

// --- what lb has said ---

const table = new Table();
const backends = new Map();
const rings = { rate: new Float32Array(KEPT), errors: new Float32Array(KEPT), p99: new Float32Array(KEPT) };
const PERCENTILES_OVER = 5; // seconds
const EVENTS_SHOWN = 100;
let state = {}, list = [], past = [], events = [];
let tick = 0, isFresh = false; // isFresh: the last summary is one second after the one before

function noteBackend(b) {
  const known = backends.get(b.name);
  if (!known) list = null; // to be made anew
  const tags = Object.entries(b.tags || {}).flat();
  backends.set(b.name, Object.assign(known || { rate: 0, share: 0, history: new Float32Array(KEPT) }, {
    name: b.name, state: b.state, since_s: b.since_s, why: b.state === "up" ? "" : b.why, in_flight: b.in_flight,
    pending: b.pending, requests: b.requests, failures: b.failures, ewma_ms: b.ewma_ms, error_rate: b.error_rate,
    weight: b.weight.now, weight_script: b.weight.script, set_by: b.weight.set_by,
    words: [b.name, b.address, b.resolved || "", ...tags].join(" ").toLowerCase(), tick, at_s: state.uptime_s,
  }));
}

let reading = null;
function readState() {
  reading ??= takeState().finally(() => { reading = null; });
  return reading;
}

async function takeState() {
  state = await get("state");
  past = [{ ...state }];
  tick++;
  state.backends.forEach(noteBackend);
  dropOld(tick);
  put($("script"), state.script);
  document.title = `lb ${state.script}`;
  drawSoon();
}

function dropOld(before) {
  for (const [name, b] of backends)
    if (b.tick < before) {
      backends.delete(name);
      list = null;
    }
}

function onSummary(now) {
  const last = past[past.length - 1];
  if (now.edition !== state.edition || now.uptime_s < last.uptime_s) readState().catch(() => {});
  isFresh = now.uptime_s - last.uptime_s > 0.5;
  dropOld(tick);
  tick++;
  Object.assign(state, now, { why: now.why });
  if (!isFresh) return;
  const seconds = now.uptime_s - last.uptime_s, at = table.ring;
  table.ring = (at + 1) % KEPT;
  past = [...past.slice(-PERCENTILES_OVER), now];
  rings.rate[at] = Math.max(0, now.requests - last.requests) / seconds;
  rings.errors[at] = Math.max(0, now.answers["5xx"] - last.answers["5xx"]) / seconds;
  rings.p99[at] = percentile(0.99) || 0;
}

// In ms, from the histogram of the last seconds; within a bucket all are taken to be spread evenly.
function percentile(part) {
  const now = past[past.length - 1].durations, then = past[0].durations;
  const counts = now.map(([, n], i) => Math.max(0, n - then[i][1]));
  let rest = part * counts.reduce((a, b) => a + b), low = 0;
  if (rest === 0) return null;
  for (let i = 0; i < counts.length; i++) {
    const bound = now[i][0];
    if (rest <= counts[i]) return bound === null ? low : low + ((bound - low) * rest) / counts[i];
    rest -= counts[i];
    low = bound;
  }
  return low;
}

function onRows({ columns, rows }) {
  for (const row of rows) {
    const b = backends.get(row[0]);
    if (!b) {
      readState().catch(() => {});
      continue;
    }
    const before = b.requests;
    columns.forEach((column, i) => { b[column] = row[i]; });
    b.tick = tick;
    if (!isFresh) continue;
    b.rate = Math.max(0, b.requests - before) / Math.max(0.5, state.uptime_s - b.at_s);
    b.at_s = state.uptime_s;
    b.history[(table.ring + KEPT - 1) % KEPT] = b.rate;
  }
  drawSoon();
}

// --- the stream ---

const SILENT_S = 5; // a summary comes each second

async function readEvents(onFirst) {
  const stop = new AbortController();
  let timer = null;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error(`lb was silent for ${SILENT_S} s`)), 1000 * SILENT_S);
  };
  wait();
  try {
    const answer = await send(`events?last=${EVENTS_SHOWN}&backends=1`, { signal: stop.signal });
    const reader = answer.body.getReader(), decoder = new TextDecoder();
    events = [];
    onFirst();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("lb has ended the connection");
      wait();
      const whole = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = whole.pop();
      whole.forEach(onEvent);
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

function onEvent(text) {
  const [, kind, data] = /^event: (\w+)\ndata: (.*)$/s.exec(text) || [];
  if (kind === "summary") onSummary(JSON.parse(data));
  if (kind === "backends") onRows(JSON.parse(data));
  if (kind === "log") events = [JSON.parse(data), ...events.slice(0, EVENTS_SHOWN - 1)];
  drawSoon();
}

function sayLink(text) {
  put($("link"), text || "live");
  $("link").classList.toggle("off", Boolean(text));
  document.body.classList.toggle("off", Boolean(text));
}

async function follow() {
  for (let seconds = 1; ; seconds = Math.min(2 * seconds, 16)) {
    try {
      await readState();
      await readEvents(() => {
        seconds = 0.5;
        sayLink("");
      });
    } catch (error) {
      if (error instanceof Cancelled) {
        sayLink("not connected: lb wants a token");
        $("again").hidden = false;
        return;
      }
      const why = error instanceof TypeError ? "lb cannot be reached" : error.message;
      sayLink(`not connected: ${why}; trying again in ${Math.round(2 * seconds)} s`);
    }
    await pause(2 * seconds);
  }
}

// --- drawing: at most once a frame, and not in a tab that nobody sees ---

let willDraw = false;
function drawSoon() {
  if (willDraw) return;
  willDraw = true;
  requestAnimationFrame(() => {
    willDraw = false;
    draw();
  });
}

const ms = (n) => (n === null ? "-" : n < 1 ? "< 1" : number(n));
const sumOf = (what) => list.reduce((sum, b) => sum + b[what], 0);
const latest = (ring) => rings[ring][(table.ring + KEPT - 1) % KEPT];
const trouble = () => (state.parked ? "parked" : state.policy_errors ? `${number(state.policy_errors)} errors` : "ok");
const isTrouble = () => state.parked || state.policy_errors > past[0].policy_errors;

const TILES = [
  ["requests/s", () => number(latest("rate")), "rate"],
  ["5xx/s", () => number(latest("errors")), "errors", () => latest("errors") > 0],
  ["p99 ms", () => ms(percentile(0.99)), "p99"],
  ["p50 ms", () => ms(percentile(0.5))],
  ["in flight", () => number(sumOf("in_flight"))],
  ["clients", () => number(state.clients)],
  ["waiting", () => number(state.waiting)],
  ["script", trouble, null, isTrouble],
  ["panic", () => (state.panic ? "yes" : "no"), null, () => state.panic],
].map(([label, value, ring, isBad]) => {
  const tile = make("div", "", "tile"), shown = make("b", ""), history = ring && newLine();
  tile.append(make("span", label), shown, ...(history ? [history] : []));
  $("tiles").append(tile);
  return () => {
    put(shown, value());
    tile.classList.toggle("bad", Boolean(isBad && isBad()));
    if (history) drawLine(history, rings[ring], table.ring);
  };
});

function draw() {
  if (!state.workers) return;
  if (!list) list = [...backends.values()];
  const all = sumOf("rate");
  for (const b of list) b.share = all > 0 ? b.rate / all : 0;
  const shown = table.update(list);
  TILES.forEach((tile) => tile());
  drawHead(shown);
  drawEvents();
  drawOne();
  askFailures();
}

function drawHead(shown) {
  const counts = {}, { edition, uptime_s, workers, version } = state;
  for (const b of list) counts[b.state] = (counts[b.state] || 0) + 1;
  const states = Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(", ");
  put($("ready"), state.ready ? "READY" : `NOT READY: ${(state.why || []).join(", ")}`);
  $("ready").classList.toggle("no", !state.ready);
  const running = workers.length === 1 ? "1 worker" : `${workers.length} workers`;
  put($("about"), `edition ${edition}, ${duration(uptime_s)}, ${running}, lb ${version}`);
  put($("count"), `${states}${shown < list.length ? `; ${shown} of ${list.length} shown` : ""}`);
}

let newest = null;
function drawEvents() {
  if (events[0] === newest) return;
  newest = events[0];
  $("events").replaceChildren(...events.map((event) => line(event.time, event.message, event.level)));
}

function line(time, text, kind) {
  const li = make("li", "", kind), when = make("time", new Date(time).toLocaleTimeString("en-GB"));
  when.dateTime = when.title = time;
  li.append(when, text);
  return li;
}

// --- requests that went wrong: asked for every few seconds, as the stream has none ---

const FAILURES = { shown: 30, every: 5 };
let failuresAt = -FAILURES.every;

async function askFailures() {
  if (tick < failuresAt + FAILURES.every) return;
  failuresAt = tick;
  const { decisions } = await get(`decisions?wrong=1&last=${FAILURES.shown}`).catch(() => ({}));
  if (decisions) fill($("failures"), decisions.map((d) => d.time + d.id), (i) => [failure(decisions[i])]);
}

function failure({ time, method, path, status, tries = [], why, id }) {
  const steps = tries.map(({ backend, error, outcome, status: of, times }) =>
    `${backend} ${error || (of ? `answered ${of}` : outcome)}${times > 1 ? `, ${times} times` : ""}`);
  const text = [`${method} ${path}: ${status}`, steps.join(" → "), why, id].filter(Boolean).join("; ");
  return line(time, text, status >= 500 ? "error" : "");
}

// --- one backend ---

// One of two, or the first one only sometimes; what has the focus leaves it to the other.
function swap(one, other, isOne, otherStays) {
  const focus = document.activeElement;
  $(one).hidden = !isOne;
  $(other).hidden = Boolean(isOne && !otherStays);
  if (focus === $(one) && !isOne) $(other).focus();
  if (focus === $(other) && $(other).hidden) $(one).focus();
}

let detail = null, isAsking = false, drains = null; // drains: the name of one that was told to, here

function drawOne() {
  const b = backends.get(table.opened);
  if (!table.opened) return;
  put($("name"), table.opened);
  put($("state"), b ? b.state : "gone");
  $("state").className = `state ${b ? b.state : ""}`;
  swap("undrain", "drain", b && b.state === "draining");
  swap("back", "weight", b && b.set_by === "admin", true);
  if (b && drains === b.name) put($("left"), b.in_flight > 0 ? `${b.in_flight} in flight` : "0 in flight: it is empty");
  if (b && detail && detail.name === b.name) drawFacts(b);
  askDetail();
}

async function askDetail() {
  const name = table.opened;
  if (isAsking || (detail && detail.tick === tick && detail.name === name)) return;
  isAsking = true;
  try {
    detail = { ...(await get(backendPath(name))), name, tick };
  } catch {
    detail = { name, tick };
  }
  isAsking = false;
  drawSoon();
}

function drawFacts(b) {
  const tags = Object.entries(detail.tags || {}).map(([name, value]) => `${name} = ${value}`).join(", ");
  const facts = [
    ["address", detail.address], ["resolved", detail.resolved !== detail.address && detail.resolved],
    ["source", detail.source], ["tags", tags],
    ["state", `${b.state} for ${duration(b.since_s)}`], ["why", b.why || detail.why],
    ["ejected for", detail.ejected_for_s && `${Math.ceil(detail.ejected_for_s)} s more`],
    ["weight", detail.weight && `${weightText(b)}, effective ${number(detail.weight.effective)}`],
    ["", b.set_by === "admin" && `* set by a person; the script says ${b.weight_script}`],
    ["in flight", `${b.in_flight}${detail.max_in_flight ? ` of ${detail.max_in_flight}` : ""}, ${b.pending} unanswered`],
    ["requests", `${number(b.requests)}, ${number(b.rate)}/s, ${percent(b.share)} of all`],
    ["failures", `${number(b.failures)}, ${detail.consecutive_failures || 0} in a row`],
    ["errors", percent(b.error_rate || 0)], ["ewma", `${number(b.ewma_ms || 0)} ms`], ["last error", detail.last_error],
  ].filter(([, value]) => value);
  fill($("facts"), facts.map((fact) => fact.join("\n")), (i) => [make("dt", facts[i][0]), make("dd", facts[i][1])]);
  const changes = detail.changes || [];
  fill($("changes"), changes.map((c) => c.time + c.to), (i) => {
    const { time, from, to, by, why } = changes[i];
    return [line(time, `${from} → ${to} by ${by}${why ? `: ${why}` : ""}`)];
  });
}

// Another content only if it says something else: who reads or copies it is not disturbed.
function fill(element, texts, makeOne) {
  const says = texts.join("\n\n");
  if (element.says === says) return;
  element.says = says;
  element.replaceChildren(...texts.flatMap((_, i) => makeOne(i)));
}

table.onOpen = (name) => {
  const b = backends.get(name);
  for (const id of ["why", "left", "said", "wrong"]) $(id).tagName === "INPUT" ? ($(id).value = "") : put($(id), "");
  drains = null;
  $("weight").value = b ? b.weight : "";
  $("one").hidden = false;
  document.querySelector("main").classList.add("open");
  drawOne();
  $("name").focus();
};

function closeOne() {
  table.opened = null;
  $("one").hidden = true;
  document.querySelector("main").classList.remove("open");
  table.draw();
  table.focus();
}

table.onClose = closeOne;
$("close").addEventListener("click", closeOne);
$("one").addEventListener("keydown", (event) => { if (event.key === "Escape") closeOne(); });

// --- actions ---

function wholeNumber(id, what) {
  const n = $(id).valueAsNumber;
  if (!Number.isInteger(n) || n < Number($(id).min) || n > Number($(id).max))
    throw new Error(`${what} is a whole number from ${$(id).min} to ${$(id).max}`);
  return n;
}

const BODIES = {
  weight: () => ({ weight: wholeNumber("weight", "a weight") }),
  back: () => ({ weight: null }),
  eject: () => ({ seconds: wholeNumber("seconds", "that") }),
};

async function act(what) {
  const name = table.opened, path = `${backendPath(name)}/${what === "back" ? "weight" : what}`;
  put($("said"), "");
  put($("wrong"), "");
  try {
    const why = $("why").value.trim(), body = { ...BODIES[what]?.(), ...(why && { why }) };
    const answer = await change(path, body);
    if (table.opened !== name) return;
    drains = what === "drain" ? name : null;
    put($("left"), drains ? `${answer.in_flight} in flight` : "");
    put($("said"), what === "check" ? `${name} is checked` : `${name}: ${answer.state}, weight ${answer.weight}`);
    put($("wrong"), answer.warning || "");
    $("why").value = "";
  } catch (error) {
    put($("wrong"), error instanceof TypeError ? "lb cannot be reached: nothing is known of it" : error.message);
  }
}

$("actions").addEventListener("submit", (event) => event.preventDefault());
$("actions").addEventListener("click", (event) => {
  if (event.target.dataset.act) act(event.target.dataset.act);
});
$("filter").addEventListener("input", () => {
  table.words = $("filter").value;
  drawSoon();
});

$("again").addEventListener("click", () => {
  $("again").hidden = true;
  follow();
});

follow();
