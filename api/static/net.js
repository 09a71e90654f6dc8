// Requests, the key, and the event stream. Events come over fetch, so that a key can go with them.

const KEPT = "lifeline.key";
const SILENCE_MS = 20000;
const TIMEOUT_MS = 15000;

export const keyOf = () => { try { return sessionStorage.getItem(KEPT); } catch { return null; } };
export const keepKey = (key) => { try { sessionStorage.setItem(KEPT, key); } catch { /* asked again */ } };
export const dropKey = () => { try { sessionStorage.removeItem(KEPT); } catch { /* none kept */ } };

export class Refusal extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

export class Cancelled extends Error {}

// Reads go without the key until the service asks for one; who declines is left in peace for a while.
let keyForReads = false;
let declinedUntil = 0;
const DECLINED_MS = 60000;
let asking = null;
let askKey = async () => null;
export const whenKeyNeeded = (ask) => { askKey = ask; };

// One dialog at a time, however many requests wait for it.
async function newKey(why) {
  asking ??= askKey(why).finally(() => { asking = null; });
  const key = await asking;
  if (key === null) declinedUntil = Date.now() + DECLINED_MS;
  return key;
}

async function refusalOf(answer) {
  try {
    const problem = await answer.json();
    const places = (problem.errors ?? []).map((e) => `${e.place}: ${e.problem}`);
    return new Refusal(answer.status, [problem.detail, ...places].join(" "));
  } catch {
    return new Refusal(answer.status, `HTTP ${answer.status}`);
  }
}

async function request(path, { write = false, ...options } = {}) {
  const headers = new Headers(options.headers);
  const used = write || keyForReads ? keyOf() : null;
  if (used) headers.set("Authorization", `Bearer ${used}`);
  const limit = options.signal ?? AbortSignal.timeout(TIMEOUT_MS);
  const answer = await fetch(path, { ...options, headers, signal: limit, cache: "no-store" });
  if (answer.status !== 401) return answer;
  if (!write) {
    keyForReads = true;
    if (Date.now() < declinedUntil) return answer;
  }
  // Another request may have got a new key meanwhile.
  if (used !== null && used === keyOf()) dropKey();
  const key = keyOf() ?? (await newKey(used ? "keyWrong" : write ? "keyWrite" : "keyRead"));
  if (key === null && write) throw new Cancelled();
  if (key === null) return answer;
  return request(path, { ...options, write });
}

export async function get(path) {
  const answer = await request(path);
  if (!answer.ok && answer.status !== 503) throw await refusalOf(answer);
  if (answer.status === 503 && !path.startsWith("/health")) throw await refusalOf(answer);
  return answer.json();
}

export async function all(path, most = 20) {
  const items = [];
  let cursor = null;
  for (let part = 0; part < most; part += 1) {
    const glue = path.includes("?") ? "&" : "?";
    const next = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await get(`${path}${glue}limit=1000${next}`);
    items.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  return items;
}

export async function post(path, body = {}) {
  const answer = await request(path, {
    method: "POST", write: true, body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  if (!answer.ok) throw await refusalOf(answer);
  return answer.json();
}

export class Events {
  #after = null; #channels = []; #stop = null; #onEvent; #onLost;

  constructor(onEvent, onLost) {
    this.#onEvent = onEvent;
    this.#onLost = onLost;
    this.#run();
  }

  // Listening to other channels means another stream; it goes on where this one ends.
  watch(channels) {
    if (channels.join() === this.#channels.join()) return;
    this.#channels = channels;
    this.#stop?.abort("other channels");
  }

  async #run() {
    for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
      const stop = (this.#stop = new AbortController());
      try {
        await this.#listen(stop, () => { wait = 500; });
      } catch { /* told below */ }
      if (stop.signal.reason === "other channels") { wait = 250; continue; }
      this.#onLost();
      await new Promise((resume) => setTimeout(resume, wait));
    }
  }

  async #listen(stop, heard) {
    const query = new URLSearchParams(this.#channels.map((id) => ["latest", id]));
    const headers = this.#after === null ? {} : { "Last-Event-ID": this.#after };
    let silence;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort("silence"), SILENCE_MS);
    };
    alive();
    try {
      const answer = await request(`/api/v1/events?${query}`, { headers, signal: stop.signal });
      if (!answer.ok) throw await refusalOf(answer);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        alive();
        heard();
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        parts.forEach((part) => this.#take(part));
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #take(part) {
    const fields = {};
    for (const line of part.split("\n")) {
      const place = line.indexOf(":");
      if (place > 0) fields[line.slice(0, place)] = line.slice(place + 1).trimStart();
    }
    if (fields.data === undefined) return;
    if (fields.id !== undefined) this.#after = fields.id;
    this.#onEvent(fields.event, JSON.parse(fields.data));
  }
}
