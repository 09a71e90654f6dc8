// The operator's page: what stands where, what wants somebody, and one chart. Every text that
// comes from elsewhere goes in as text, never as markup.

import { Chart, SHAPES, describe } from "./chart.js";
import { Cancelled, Events, all, get, keepKey, post, whenKeyNeeded } from "./net.js";
import { age, both, clock, language, moment, number, switchLanguage, t, withUnit } from "./words.js";

const API = "/api/v1";
const ORDER = ["red", "orange", "yellow", "blue"];
const RANK = { red: 4, orange: 3, yellow: 2, blue: 1, normal: 0 };
const SPANS = { hour: [3600, 10], six: [21600, 60], day: [86400, 240] };
const ALARMS_MAX = 500;
const STALL_MS = 15000;

const $ = (id) => document.getElementById(id);
const state = {
  facilities: [], kinds: [], alarms: new Map(), came: new Map(), more: false, channels: [], inbox: [], quantities: [], profiles: [],
  facility: null, channel: null, charted: null, span: "hour", city: null, revision: null,
  now: null, advancedAt: 0, heardAt: 0, lostSince: null, connected: false, checks: [], failed: new Map(),
};
const chart = new Chart($("chart"));

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== false));
  return node;
}

// Puts new nodes in place only where something changed, and keeps the keyboard where it was.
const shown = new WeakMap();
function fill(parent, signature, make) {
  const text = JSON.stringify([language, signature]);
  if (shown.get(parent) === text) return;
  shown.set(parent, text);
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  parent.replaceChildren(...make());
  if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

function toast(text, bad = false) {
  const node = h("p", { class: bad ? "toast bad" : "toast" }, text);
  $("toasts").append(node);
  setTimeout(() => node.remove(), bad ? 10000 : 5000);
}

function detailOf(error) {
  if (error instanceof TypeError || error.name === "TimeoutError") return t("unreachable");
  return { 401: t("keyRead"), 403: t("forbidden") }[error.status] ?? error.message;
}

const chosen = () => state.channels.find((c) => c.id === state.channel);

// ---- what is known of the connection

const present = () => (state.now === null ? Date.now() : state.now + (performance.now() - state.advancedAt));
const stalled = () => state.connected && state.now !== null && performance.now() - state.advancedAt > (chosen() ? STALL_MS : 3 * STALL_MS);

function heard(document_) {
  state.heardAt = Date.now();
  state.connected = true;
  state.lostSince = null;
  const now = Date.parse(document_.now);
  if (!Number.isNaN(now) && now !== state.now) {
    state.now = now;
    state.advancedAt = performance.now();
  }
  if (document_.revision !== undefined && document_.revision !== state.revision) {
    state.revision = document_.revision;
    refreshCatalogue();
  }
}

function lost() {
  if (state.lostSince === null) state.lostSince = state.heardAt || Date.now();
  state.connected = false;
  showConnection();
}

function showConnection() {
  const pill = $("connection"), banner = $("banner");
  const waiting = !state.connected && !state.heardAt && Date.now() - (state.lostSince ?? Date.now()) < 4000;
  const bad = (!state.connected && !waiting) || stalled();
  const word = waiting ? "connecting" : !state.connected ? "lost" : stalled() ? "stalled" : "live";
  pill.className = `pill ${waiting ? "waiting" : bad ? "lost" : "live"}`;
  const time = moment(word === "stalled" ? state.now : (state.lostSince ?? Date.now()));
  pill.textContent = bad ? `${t(word)} ${time}` : t(word);
  const ill = state.checks.filter((check) => !check.ok).map((check) => `${check.name} ${check.detail}`.trim());
  let text = "";
  if (bad) text = t(word === "stalled" ? "stalledBanner" : "lostBanner", { time });
  else if (ill.length) text = t("notReady", { detail: ill.join(language === "zh" ? "；" : "; ") });
  else if (state.failed.size) text = t("partial", { detail: [...new Set(state.failed.values())].join(" ") });
  banner.hidden = !text;
  if (banner.textContent !== text) banner.textContent = text;
  banner.classList.toggle("mild", !bad);
  // What could not be refreshed is as stale as what is cut off.
  document.body.classList.toggle("stale", bad || (state.failed.size > 0 && !waiting));
  $("clock").textContent = state.connected && !bad ? moment(present()) : "";
}

// ---- the facilities

const graded = (facility) => (facility.fresh_channels === 0 && facility.grade === "normal" ? "none" : facility.grade);
const sum = (facility) => [...ORDER, "normal"].reduce((n, grade) => n + facility.open_alarms[grade], 0);

function tile(facility) {
  const grade = graded(facility), open = sum(facility);
  const few = facility.fresh_channels < facility.channels;
  const fresh = facility.fresh_channels === 0 ? t("noFresh")
    : few ? t("freshOf", { n: facility.fresh_channels, of: facility.channels }) : t("allFresh");
  const faults = facility.open_faults ? ` · ${t("openFaults", { n: facility.open_faults })}` : "";
  return h("button", {
    type: "button", class: `tile ${grade}`, "data-key": facility.id, title: both(facility.name),
    "aria-pressed": String(facility.id === state.facility), onclick: () => choose(facility.id, null),
  },
  h("span", { class: "name" }, both(facility.name)),
  h("span", { class: "state" },
    h("span", {}, `${SHAPES[grade]} ${t(grade)}`), h("span", {}, open ? t("openAlarms", { n: open }) : "")),
  h("span", { class: few ? "fresh old" : "fresh" }, fresh + faults), ...badges(facility));
}

const profileName = (id) => both(state.profiles.find((p) => p.id === id)?.name) || id;
const profileMark = (id) => h("span", { class: "mark profile", title: t("profileWhat") }, profileName(id));
function badges(facility) {
  return [facility.profile !== "normal" && profileMark(facility.profile),
    facility.in_commissioning > 0 && h("span", { class: "mark late" }, t("commissioningOf", { n: facility.in_commissioning }))];
}

function showProfiles() {
  const active = state.profiles.filter((p) => p.in_force.length);
  $("profiles").hidden = !active.length;
  $("profiles").title = t("profileWhat");
  $("profiles").textContent = active.map((p) => t("profilesNow", { name: both(p.name), n: p.in_force.length })).join(" · ");
}

function showFacilities() {
  fill($("kinds"), [state.facilities, state.kinds, state.facility, state.profiles], () => {
    const ids = [...new Set([...state.kinds.map((k) => k.id), ...state.facilities.map((f) => f.kind)])];
    return ids.map((id) => {
      const members = state.facilities.filter((f) => f.kind === id);
      const kind = state.kinds.find((k) => k.id === id);
      if (!members.length) return "";
      return h("div", { class: "kind" }, h("h3", {}, kind ? both(kind.name) : id),
        h("div", { class: "tiles" }, ...members.map(tile)));
    });
  });
}

function showCounts() {
  const counts = Object.fromEntries(ORDER.map((g) => [g, state.facilities.reduce((n, f) => n + f.open_alarms[g], 0)]));
  const faults = state.facilities.reduce((n, f) => n + f.open_faults, 0);
  fill($("counts"), [counts, faults], () => [
    ...ORDER.map((g) => h("li", { class: counts[g] ? `${g} some` : g },
      h("span", {}, `${SHAPES[g]} ${t(g)}`), h("b", {}, String(counts[g])))),
    h("li", { class: faults ? "fault some" : "fault" }, h("span", {}, `✚ ${t("faults")}`), h("b", {}, String(faults))),
  ]);
}

// ---- the alarms

const urgency = (a) => (a.active && !a.acknowledged ? 0 : a.active ? 2 : a.acknowledged ? 3 : 1);
const before = (a, b) => urgency(a) - urgency(b) || RANK[b.active ? b.grade : b.peak_grade] - RANK[a.active ? a.grade : a.peak_grade]
  || Number(a.instrument) - Number(b.instrument) || (a.active_since < b.active_since ? 1 : -1);

function alarmNode(alarm) {
  const grade = alarm.active ? alarm.grade : alarm.peak_grade;
  const mark = (text, kind = "", title = null) => h("span", { class: `mark ${kind}`, title }, text);
  const button = (verb) => h("button", {
    type: "button", "data-key": `${verb} ${alarm.id}`, onclick: (event) => act(verb, alarm, event.currentTarget),
  }, t(verb));
  const seen = alarm.acknowledged
    ? mark(alarm.acknowledged_by ? t("acknowledgedBy", { who: alarm.acknowledged_by }) : t("acknowledged"))
    : mark(t("unacknowledged"), "wants");
  return h("li", { class: `alarm ${grade}${alarm.active ? "" : " over"}${alarm.acknowledged ? " seen" : ""}` },
    h("span", { class: "grade" }, `${SHAPES[grade]} ${t(grade)}`, h("small", {}, alarm.active ? t(`level_${grade}`) : t("returned"))),
    h("button", { type: "button", class: "text", "data-key": `show ${alarm.id}`, onclick: () => choose(alarm.facility, alarm.channel) }, both(alarm.text)),
    h("span", { class: "times" }, t("since", { time: moment(alarm.active_since, present()) }),
      alarm.cleared_at ? ` · ${t("clearedAt", { time: moment(alarm.cleared_at, present()) })}` : "",
      alarm.active ? h("span", { class: "age", "data-since": alarm.active_since }) : ""),
    h("span", { class: "marks" }, seen,
      alarm.instrument && mark(t("instrument"), "fault"),
      alarm.active && alarm.peak_grade !== alarm.grade && mark(t("peak", { grade: t(alarm.peak_grade) })),
      alarm.delayed && mark(t("delayed"), "late", t("delayedWhat")),
      alarm.latching && alarm.awaiting_reset && !alarm.active && mark(t("awaitingReset"), "wants")),
    h("span", { class: "buttons" }, !alarm.acknowledged && button("acknowledge"),
      alarm.latching && alarm.awaiting_reset && !alarm.active && button("reset")));
}

function showAlarms() {
  const list = [...state.alarms.values()].sort(before);
  const unseen = list.filter((alarm) => !alarm.acknowledged).length;
  fill($("alarm-list"), list, () => list.map(alarmNode));
  const more = state.more ? ` · ${t("more", { n: ALARMS_MAX })}` : "";
  $("alarms-count").textContent = list.length ? t("summary", { n: unseen, of: list.length }) + more : "";
  $("alarms-none").hidden = list.length > 0 || state.failed.has("alarms");
  $("alarms-none").textContent = t("none_open");
  document.title = (unseen ? `(${unseen}) ` : "") + t("title");
  showAges();
}

function showAges() {
  if (document.body.classList.contains("stale")) return; // nobody knows whether it still lasts
  for (const node of document.querySelectorAll(".age")) {
    node.textContent = ` · ${t("lasting", { age: age(present() - Date.parse(node.dataset.since)) })}`;
  }
}

async function act(verb, alarm, button) {
  button.disabled = true;
  try {
    take(await post(`${API}/alarms/${encodeURIComponent(alarm.id)}/${verb}`));
    soon();
  } catch (error) {
    if (!(error instanceof Cancelled)) toast(t("failed", { detail: detailOf(error) }), true);
  } finally {
    button.disabled = false;
  }
}

function take(alarm) {
  state.came.set(alarm.id, alarm);
  put(alarm);
  showAlarms();
}

function put(alarm) {
  if (alarm.ended) state.alarms.delete(alarm.id);
  else state.alarms.set(alarm.id, alarm);
}

// ---- the chart

// Only the channels of the facility in view are known here: a city has very many.
function choose(facility, channel) {
  if (facility !== state.facility) state.channels = [];
  state.facility = facility;
  state.channel = channel;
  chart.show(null);
  state.charted = null;
  settleChannel();
  showFacilities();
  refresh("channels");
}

function settleChannel() {
  const members = state.channels;
  const worst = members.reduce((best, c) => ((RANK[c.latest?.grade] ?? 0) > (RANK[best?.latest?.grade] ?? 0) ? c : best), members[0]);
  if (members.length && !chosen()) state.channel = worst.id;
  events.watch(chosen() ? [state.channel] : []);
  showPickers();
  showNewest();
  if (chosen() && state.charted !== state.channel) refresh("trend");
}

function options(select, entries, chosen) {
  fill(select, [entries, chosen], () => entries.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

function showPickers() {
  options($("pick-facility"), state.facilities.map((f) => [f.id, both(f.name)]), state.facility);
  options($("pick-channel"), state.channels.map((c) => [c.id, both(c.name)]), state.channel);
  fill($("spans"), state.span, () => Object.keys(SPANS).map((span) => h("button", {
    type: "button", "data-key": span, "aria-pressed": String(span === state.span),
    onclick: () => { state.span = span; showPickers(); refresh("trend"); },
  }, t(span))));
}

function showNewest() {
  const channel = chosen();
  const newest = channel?.latest;
  fill($("newest"), [channel?.id, channel?.profile, channel?.commissioning, newest, state.profiles], () => {
    if (!channel) return [];
    const marks = [channel.commissioning && h("span", { class: "mark late" }, t("commissioning")),
      channel.profile_limits[channel.profile] && profileMark(channel.profile)].filter(Boolean);
    if (!newest) return [t("never"), " ", ...marks];
    const notes = [moment(newest.time, present()), `${SHAPES[newest.grade]} ${t(newest.grade)}`];
    if (newest.quality !== 1) notes.push(t("notGood", { word: t(`q${newest.quality}`) }));
    if (newest.fresh === false) notes.push(t("stale"));
    return [t("newest"), h("b", { class: newest.fresh === false ? "old" : "" }, withUnit(newest.value, channel.symbol)),
      notes.join(" · "), ` · ${t("band")} `, ...marks];
  });
}

async function loadTrend() {
  const channel = chosen();
  if (!channel) return;
  const span = state.span, [length_s, bucket_s] = SPANS[span];
  const end = present(), start = end - length_s * 1000;
  const query = new URLSearchParams({
    start: new Date(start).toISOString(), end: new Date(end + 1000).toISOString(), bucket: `${bucket_s}s`,
  });
  const found = await get(`${API}/channels/${channel.id.split("/").map(encodeURIComponent).join("/")}/readings?${query}`);
  if (channel.id !== state.channel || span !== state.span) return;
  const points = found.items.filter((b) => b.mean !== null).map((b) => ({ ...b, time: Date.parse(b.start) + bucket_s * 500 }));
  const data = {
    start, end, points, limits: channel.limits, symbol: channel.symbol, note: points.length ? "" : t("noReadings"),
    gap_ms: 3000 * Math.max(bucket_s, channel.sample_interval_s),
  };
  chart.show(data);
  state.charted = channel.id;
  $("chart").setAttribute("aria-label", describe(data, both(channel.name)));
}

// ---- the inbox

function showInbox() {
  const button = $("inbox-open");
  button.textContent = `${t("inbox")} ${state.inbox.length}`;
  button.classList.toggle("some", state.inbox.length > 0);
  fill($("inbox-list"), state.inbox, () => (state.inbox.length ? state.inbox.map((entry) => h("li", {},
    h("div", {}, h("strong", {}, entry.name), ` · ${entry.gateway}`, h("br"),
      h("small", { class: "quiet" }, t("inboxEntry", { n: entry.count, value: number(entry.last_value), time: moment(entry.last_time, present()) }))),
    h("button", { type: "button", onclick: () => startAdoption(entry) }, t("adopt")))) : [h("li", { class: "quiet" }, t("inboxNone"))]));
}

let adopting = null;
async function startAdoption(entry) {
  adopting = entry;
  try {
    if (!state.quantities.length) state.quantities = await all(`${API}/quantities`);
  } catch (error) {
    toast(t("failed", { detail: detailOf(error) }), true);
    return;
  }
  options($("adopt-facility"), state.facilities.map((f) => [f.id, both(f.name)]), state.facility);
  options($("adopt-quantity"), state.quantities.map((q) => [q.id, `${both(q.name)} ${both(q.symbol)}`]), null);
  $("adopt-what").textContent = t("adoptWhat", entry);
  $("adopt-id").value = entry.name.toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^-+|-+$/g, "");
  $("adopt-zh").value = $("adopt-en").value = entry.name;
  $("adopt-interval").value = "";
  $("adopt-error").textContent = "";
  $("adopt-form").hidden = false;
  $("adopt-facility").focus();
}

async function adopt(event) {
  event.preventDefault();
  const path = `${encodeURIComponent(adopting.gateway)}/${encodeURIComponent(adopting.name)}`;
  const interval = $("adopt-interval").value;
  try {
    const channel = await post(`${API}/unregistered/${path}/adopt`, {
      facility: $("adopt-facility").value, quantity: $("adopt-quantity").value, channel: $("adopt-id").value,
      name: { zh: $("adopt-zh").value, en: $("adopt-en").value }, sample_interval_s: interval ? Number(interval) : null,
    });
    toast(t("adopted", { id: channel.id }));
    $("adopt-form").hidden = true;
    refresh("inbox");
    refreshCatalogue();
  } catch (error) {
    $("adopt-error").textContent = error instanceof Cancelled ? "" : t("failed", { detail: detailOf(error) });
  }
}

// ---- the key

function askForKey(why) {
  const dialog = $("key-dialog");
  $("key-why").textContent = t(why);
  $("key-input").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const key = dialog.returnValue === "given" ? $("key-input").value.trim() : null;
      dialog.returnValue = "";
      $("key-input").value = "";
      if (key) keepKey(key);
      resolve(key || null);
    }, { once: true });
  });
}

// ---- keeping up

const loads = {
  facilities: async () => { state.facilities = await all(`${API}/facilities`); showFacilities(); showCounts(); },
  alarms: async () => {
    state.came = new Map(); // from here on: the list may be of a moment before
    const page = await get(`${API}/alarms?state=open&limit=${ALARMS_MAX}`);
    state.alarms = new Map(page.items.map((alarm) => [alarm.id, alarm]));
    state.came.forEach(put);
    state.more = page.next !== null;
    showAlarms();
  },
  profiles: async () => { state.profiles = (await get(`${API}/profiles`)).items; showProfiles(); showFacilities(); showNewest(); },
  kinds: async () => { state.kinds = await all(`${API}/kinds`); showFacilities(); },
  channels: async () => {
    const facility = state.facility;
    if (facility === null) return;
    const found = await all(`${API}/channels?fault=false&facility=${encodeURIComponent(facility)}`);
    if (facility !== state.facility) return;
    state.channels = found;
    settleChannel();
  },
  city: async () => { state.city = await get(`${API}/catalogue`); showTexts(); },
  inbox: async () => { state.inbox = await all(`${API}/unregistered`, 1); showInbox(); },
  trend: loadTrend,
  ready: async () => { state.checks = (await get("/health/ready")).checks ?? []; },
};

// One load of a kind at a time; who asks meanwhile waits for one more after it.
const running = new Map();
function refresh(name) {
  const run = running.get(name);
  if (run) {
    run.again = true;
    return run.done;
  }
  const mine = { again: false };
  running.set(name, mine);
  mine.done = load(name, mine).finally(() => running.delete(name));
  return mine.done;
}

async function load(name, run) {
  do {
    run.again = false;
    try {
      await loads[name]();
      state.failed.delete(name);
    } catch (error) {
      state.failed.set(name, detailOf(error));
    }
    showConnection();
  } while (run.again);
}

async function refreshCatalogue() {
  await Promise.all(["city", "kinds", "profiles", "facilities", "alarms", "inbox"].map(refresh));
  if (!state.facilities.some((f) => f.id === state.facility) && state.facilities.length) {
    const worst = [...state.alarms.values()].sort(before)[0];
    choose(worst?.facility ?? state.facilities[0].id, worst?.channel ?? null);
  } else refresh("channels");
}

// Many transitions in one moment make one refresh.
let planned = null;
function soon() {
  planned ??= setTimeout(() => { planned = null; refresh("alarms"); refresh("facilities"); }, 1000);
}

function onEvent(kind, document_) {
  if (kind === "hello") ["alarms", "facilities", "ready", "channels", "inbox", "profiles", "trend"].forEach(refresh);
  if (kind === "transition") { take(document_.alarm); soon(); state.heardAt = Date.now(); } else heard(document_);
  if (kind === "latest") {
    for (const channel of state.channels) {
      if (document_.channels[channel.id]) channel.latest = document_.channels[channel.id];
    }
    showNewest();
  }
  showConnection();
}

function showTexts() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  $("language").textContent = t("language");
  if (both(state.city?.name)) $("city").textContent = `${both(state.city.name)} · ${t("title")}`;
  showFacilities();
  showProfiles();
  showCounts();
  showAlarms();
  showPickers();
  showNewest();
  showInbox();
  showConnection();
  chart.draw();
}

whenKeyNeeded(askForKey);
const events = new Events(onEvent, lost);
$("language").addEventListener("click", () => { switchLanguage(); showTexts(); });
$("inbox-open").addEventListener("click", () => { $("adopt-form").hidden = true; $("inbox-dialog").showModal(); });
$("adopt-form").addEventListener("submit", adopt);
$("key-form").addEventListener("submit", (event) => { event.preventDefault(); $("key-dialog").close("given"); });
for (const button of document.querySelectorAll("dialog .cancel")) {
  button.addEventListener("click", () => button.closest("dialog").close(""));
}
$("pick-facility").addEventListener("change", (event) => choose(event.target.value, null));
$("pick-channel").addEventListener("change", (event) => choose(state.facility, event.target.value));
showTexts();
setInterval(showConnection, 1000);
setInterval(showAges, 10000);
for (const [name, every_s] of [["facilities", 10], ["ready", 15], ["trend", 15], ["inbox", 30], ["profiles", 15], ["alarms", 60], ["channels", 60]]) {
  setInterval(() => refresh(name), every_s * 1000);
}
