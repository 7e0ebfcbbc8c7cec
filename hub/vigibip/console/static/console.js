// Keeps the page live: shows each change as the post's store has it, and says so when it cannot.
"use strict";

const byId = (id) => document.getElementById(id);
const live = byId("live");
const words = byId("words").dataset;

// Two beats of the server may be late; after that nobody may believe this page.
const SILENCE_MS = 6000;
// A hand that was already on its way when the page moved would press another shop's button.
const SETTLE_MS = 500;
// As long as nobody has answered, the room is told again.
const RING_AGAIN_MS = 15000;

let fresh = Date.now(); // when this page last showed how things stand
let over = false;
let stalled = false; // the console answers, and the store behind it does not

// --- showing

// What the server sent for each part, to leave alone what has not changed: a button that is being
// pressed, a list that is being read, a closing that is open.
const sent = new Map();
let waiting_update = null;
let pressing = false;
let moved = 0;

function parts(root) {
  return [...root.children].filter((child) => child.id);
}

function show(html) {
  if (pressing) {
    waiting_update = html;
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = html;
  const news = { arrived: false };
  const before = new Map(articles().map((article) => [article.id, article.getBoundingClientRect().top]));
  reconcile(live, template.content, news);
  for (const article of articles()) {
    const top = before.get(article.id);
    if (top === undefined || Math.abs(article.getBoundingClientRect().top - top) > 4) moved = Date.now();
  }
  if (news.arrived) ring();
  tick();
}

function articles() {
  return [...live.querySelectorAll("article.incident")];
}

function reconcile(here, there, news) {
  const wanted = parts(there);
  const ids = new Set(wanted.map((part) => part.id));
  for (const part of parts(here)) {
    if (!ids.has(part.id)) {
      sent.delete(part.id);
      part.remove();
    }
  }
  let last = null;
  for (const part of wanted) {
    const html = part.outerHTML;
    const known = byId(part.id);
    let shown = known;
    if (known === null) {
      shown = part;
      if (part.matches("article.incident")) arrive(part, news);
      else for (const inner of part.querySelectorAll("article.incident")) arrive(inner, news);
    } else if (part.id === "opened") {
      reconcile(known, part, news);
    } else if (sent.get(part.id) !== html) {
      shown = part;
      replace(known, part, news);
    }
    sent.set(part.id, html);
    // Only what is out of its place is moved: moving takes the focus away.
    const place = last === null ? parts(here)[0] ?? null : last.nextElementSibling;
    if (place !== shown) here.insertBefore(shown, last === null ? here.firstElementChild : last.nextSibling);
    last = shown;
  }
}

function arrive(article, news) {
  article.classList.add("new");
  news.arrived = true;
}

function replace(old, part, news) {
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const opened = [...old.querySelectorAll("details[open]")].map((details) => details.id);
  // The button that took the place of the one that was just pressed must not be pressed by it too.
  if (part.dataset.state !== old.dataset.state) moved = Date.now();
  if (Number(part.dataset.presses) > Number(old.dataset.presses)) arrive(part, news);
  old.replaceWith(part);
  for (const id of opened) byId(id)?.setAttribute("open", "");
  if (focused) (byId(focused) ?? part.querySelector("button, summary"))?.focus();
}

for (const part of parts(live)) {
  sent.set(part.id, part.outerHTML);
  for (const inner of parts(part)) sent.set(inner.id, inner.outerHTML);
}

live.addEventListener("pointerdown", () => { pressing = true; });
for (const kind of ["pointerup", "pointercancel"]) {
  window.addEventListener(kind, () => {
    // After the click that this may be the end of.
    setTimeout(() => {
      pressing = false;
      const html = waiting_update;
      waiting_update = null;
      if (html !== null) show(html);
    }, 0);
  });
}

// --- time

let server_ahead_ms = 0; // this machine's clock may be wrong

function heard(now) {
  server_ahead_ms = Date.parse(now) - Date.now();
}

function told_duration(duration_ms) {
  const s = Math.max(0, Math.round(duration_ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
}

function tick() {
  const now = Date.now();
  for (const time of live.querySelectorAll("time.since")) {
    time.textContent = told_duration(now + server_ahead_ms - Date.parse(time.dateTime));
  }
  const stale = now - fresh > SILENCE_MS;
  const lost = byId("lost");
  const text = over ? words.over
    : stale ? `${stalled ? words.stale : words.lost} ${told_duration(now - fresh)}.` : "";
  // Only when it changes: a screen reader says it each time.
  if (lost.firstElementChild.textContent !== text) lost.firstElementChild.textContent = text;
  lost.hidden = text === "";
  lost.querySelector("a").hidden = !over;
  live.classList.toggle("old", text !== "");
  const link = byId("link");
  link.classList.toggle("live", text === "");
  if (link.textContent !== (text === "" ? words.live : "")) link.textContent = text === "" ? words.live : "";
}

function badges(waiting, faults) {
  byId("waiting").hidden = !waiting;
  byId("waiting").textContent = `${waiting} ${words.waiting}`;
  byId("broken").hidden = !faults;
  byId("broken").textContent = `${faults} ${words.faults}`;
  byId("broken").href = byId("grave") ? "#grave" : "#faults";
}

function tell(text) {
  byId("told").textContent = text;
  byId("told").hidden = text === "";
}

// --- sound

const sound = byId("sound");
let audio = null;
let wanted = localStorage.getItem("sound") === "on";
let rung = 0;

function ring() {
  rung = Date.now();
  if (!wanted || audio === null || audio.state !== "running") return;
  for (const [at, pitch] of [[0, 880], [0.25, 660], [0.5, 880], [0.75, 660]]) {
    const tone = audio.createOscillator();
    const level = audio.createGain();
    tone.frequency.value = pitch;
    level.gain.value = 0.2;
    tone.connect(level).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.2);
  }
}

function ring_again() {
  const unanswered = live.querySelector('article[data-state="open"]') !== null;
  if (unanswered && Date.now() - rung > RING_AGAIN_MS) ring();
}

function show_sound() {
  const asleep = wanted && audio?.state !== "running";
  sound.hidden = false;
  sound.classList.toggle("asleep", asleep);
  sound.setAttribute("aria-pressed", String(wanted));
  sound.textContent = asleep ? words.soundAsleep : wanted ? words.soundOn : words.soundOff;
}

function wake_sound() {
  // A browser lets a page sound only once its reader has touched it.
  if (!wanted) return;
  if (audio === null) {
    audio = new AudioContext();
    audio.addEventListener("statechange", show_sound);
  }
  if (audio.state !== "running") audio.resume();
}

sound.addEventListener("click", () => {
  wanted = !wanted || audio?.state !== "running";
  localStorage.setItem("sound", wanted ? "on" : "off");
  wake_sound();
  if (wanted) audio.resume().then(ring);
  show_sound();
});
for (const kind of ["pointerdown", "keydown"]) {
  window.addEventListener(kind, (event) => { if (!sound.contains(event.target)) wake_sound(); });
}
show_sound();

// --- acting

let by_pointer = false;
live.addEventListener("click", (event) => { by_pointer = event.detail > 0; }, true);

live.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  if (by_pointer && Date.now() - moved < SETTLE_MS) {
    tell(words.moved);
    return;
  }
  tell("");
  const part = form.closest("[id]");
  part.classList.add("busy");
  const outcome = await send(form, event.submitter);
  part.classList.remove("busy");
  if (outcome === "over") {
    over = true;
    tick();
  } else {
    const text = { "": "", overtaken: words.overtaken, pressed: words.pressed, not_stored: words.notStored, old: words.old };
    tell(text[outcome] ?? words.unsent);
  }
});

async function send(form, submitter) {
  const fields = new URLSearchParams(new FormData(form));
  if (submitter?.name) fields.set(submitter.name, submitter.value);
  try {
    const answer = await fetch(form.getAttribute("action"), {
      method: "POST",
      body: fields,
      headers: { accept: "application/json" },
    });
    return (await answer.json()).told;
  } catch {
    return "unsent";
  }
}

// --- listening

function listen() {
  const stream = new EventSource("/live");
  stream.addEventListener("incidents", (event) => {
    const told = JSON.parse(event.data);
    heard(told.now);
    fresh = Date.now();
    stalled = false;
    document.title = (told.open ? `(${told.open}) ` : "") + "VigiBip";
    show(told.html);
    badges(told.waiting, told.faults);
  });
  stream.addEventListener("beat", (event) => {
    const told = JSON.parse(event.data);
    heard(told.now);
    stalled = told.age_s * 1000 > SILENCE_MS;
    fresh = Math.max(fresh, Date.now() - told.age_s * 1000);
  });
  stream.addEventListener("over", () => {
    over = true;
    stream.close();
    tick();
  });
  stream.addEventListener("error", () => {
    // The browser tries again by itself unless the server said no.
    if (stream.readyState !== EventSource.CLOSED) return;
    fetch("/live", { method: "HEAD" }).catch(() => null).then((answer) => {
      if (answer !== null && answer.status === 401) {
        over = true;
        tick();
      } else {
        setTimeout(listen, 1000);
      }
    });
  });
}

heard(live.dataset.now);
badges(Number(live.dataset.waiting), Number(live.dataset.faults));
listen();
setInterval(() => { tick(); ring_again(); }, 500);
tick();
