// Keeps the page live: shows each change as the post's store has it, and says so when it cannot.
"use strict";

const byId = (id) => document.getElementById(id);
const live = byId("live");
const words = byId("words").dataset;

// Two beats of the server may be late; after that nobody may believe this page.
const SILENCE_MS = 6000;
// A hand that was already on its way when the page moved would press another shop's button.
const SETTLE_MS = 500;
// As long as nobody has answered, or this page stands still, the room is told again.
const RING_AGAIN_MS = 15000;
const TROUBLE_AGAIN_MS = 30000;
// Who is about to close an incident has to see that its shop has pressed again.
const READ_MS = 1500;
// A button that is held so long is no click: its release was lost, or it is a menu.
const HELD_MS = 2000;
// A broken line that nobody ended looks open for ever: then it is opened anew.
const LISTEN_AGAIN_MS = 10000;
// An answer of the console that takes longer will not come.
const SEND_MS = 8000;

// One of these clocks stands still while the machine sleeps, the other may be set: what is told by
// both is never younger than it is.
const moment = (age_ms = 0) => ({ wall: Date.now() - age_ms, steady: performance.now() - age_ms });
const ago = (then) => Math.max(Date.now() - then.wall, performance.now() - then.steady);

let fresh = moment(Number(live.dataset.ageMs)); // when this page last showed how things stand
let heard_at = moment(); // when the console last said anything
let shown = null; // the number of what is shown
let over = false;
let stalled = false; // the console answers, and the store behind it does not

// --- showing

// What the server sent for each part, to leave alone what has not changed: a button that is being
// pressed, a list that is being read, a closing that is open.
const sent = new Map();
let waiting_update = null;
let pressed_at = null; // since when a button is held down, by performance.now()
let moved = -SETTLE_MS; // when something last changed its place, by performance.now()
const pressed_again = new Map(); // article id -> when its shop did, by performance.now()

function parts(root) {
  return [...root.children].filter((child) => child.id);
}

function show(told) {
  if (pressed_at !== null) {
    waiting_update = told;
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = told.html;
  const news = [];
  const grave = graves();
  const before = new Map(articles().map((article) => [article.id, article.getBoundingClientRect().top]));
  reconcile(live, template.content, news);
  for (const article of articles()) {
    const top = before.get(article.id);
    if (top === undefined || Math.abs(article.getBoundingClientRect().top - top) > 4) moved = performance.now();
  }
  shown = told.number;
  stands = told;
  badges();
  if (news.length) {
    ring(CALL);
    announce(news.map((article) => `${words.news} ${article.querySelector("h2").textContent}, ${article.querySelector(".address").textContent}.`));
  } else if (graves() > grave) {
    ring(TROUBLE);
    announce([...live.querySelectorAll("#grave strong")].map((title) => `${title.textContent}.`));
  }
}

function graves() {
  return live.querySelectorAll("#grave li").length;
}

// For who does not see the page: the same words again are news again.
function announce(texts) {
  byId("news").replaceChildren(...texts.map((text) => {
    const line = document.createElement("p");
    line.textContent = text;
    return line;
  }));
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
  news.push(article);
}

function replace(old, part, news) {
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const opened = [...old.querySelectorAll("details[open]")].map((details) => details.id);
  // The button that took the place of the one that was just pressed must not be pressed by it too.
  if (part.dataset.state !== old.dataset.state) moved = performance.now();
  if (Number(part.dataset.presses) > Number(old.dataset.presses)) {
    pressed_again.set(part.id, performance.now());
    arrive(part, news);
  }
  old.replaceWith(part);
  for (const id of opened) byId(id)?.setAttribute("open", "");
  if (focused) (byId(focused) ?? part.querySelector("button, summary"))?.focus();
}

for (const part of parts(live)) {
  sent.set(part.id, part.outerHTML);
  for (const inner of parts(part)) sent.set(inner.id, inner.outerHTML);
}

live.addEventListener("pointerdown", (event) => {
  // Any other button opens a menu, which may swallow its release.
  if (event.button === 0) pressed_at = performance.now();
});
for (const kind of ["pointerup", "pointercancel"]) {
  // After the click that this may be the end of.
  window.addEventListener(kind, () => setTimeout(let_go, 0));
}

function let_go() {
  pressed_at = null;
  const told = waiting_update;
  waiting_update = null;
  if (told !== null) show(told);
}

// A line of the header that comes or goes moves all that stands below it.
new ResizeObserver(() => { moved = performance.now(); }).observe(document.querySelector("header"));

// --- time

let server_ahead_ms = 0; // this machine's clock may be wrong

function told_duration(duration_ms) {
  const s = Math.max(0, Math.round(duration_ms / 1000));
  if (s < 60) return `${s}\u00a0s`;
  if (s < 3600) return `${Math.floor(s / 60)}\u00a0min ${String(s % 60).padStart(2, "0")}\u00a0s`;
  return `${Math.floor(s / 3600)}\u00a0h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}\u00a0min`;
}

function tick() {
  if (pressed_at !== null && performance.now() - pressed_at > HELD_MS) let_go();
  for (const time of live.querySelectorAll("time.since")) {
    time.textContent = told_duration(Date.now() + server_ahead_ms - Date.parse(time.dateTime));
  }
  const age_ms = ago(fresh);
  const text = over ? words.over
    : age_ms > SILENCE_MS ? `${stalled ? words.stale : words.lost} ${told_duration(age_ms)}.` : "";
  const is_still = text !== "";
  const lost = byId("lost");
  // What changes each second is not for a screen reader: it hears that the page stands still once.
  const seen = lost.querySelector("span");
  if (seen.textContent !== text) seen.textContent = text;
  if (lost.hidden === is_still) announce(is_still ? [over ? words.over : words.still] : [words.live]);
  lost.hidden = !is_still;
  lost.querySelector("a").hidden = !over;
  live.classList.toggle("old", is_still);
  const link = byId("link");
  const state = is_still ? words.still : words.live;
  link.classList.toggle("live", !is_still);
  if (link.textContent !== state) link.textContent = state;
  document.title = (is_still ? `⚠ ${words.still} – `
    : stands.waiting ? `⚠ ${stands.waiting} ${words.waiting} – `
    : stands.open ? `(${stands.open}) ` : "") + "VigiBip";
  ring_again(is_still);
  if (!over && ago(heard_at) > SILENCE_MS && ago(listened_at) > LISTEN_AGAIN_MS) listen();
}

let stands = { open: Number(live.dataset.open), waiting: Number(live.dataset.waiting), faults: Number(live.dataset.faults) };

function badges() {
  byId("waiting").hidden = !stands.waiting;
  byId("waiting").textContent = `${stands.waiting} ${words.waiting}`;
  // The one that has waited longest stands last.
  const unanswered = live.querySelectorAll('article[data-state="open"]');
  byId("waiting").href = unanswered.length ? `#${unanswered[unanswered.length - 1].id}` : "#opened";
  byId("broken").hidden = !stands.faults;
  byId("broken").textContent = `${stands.faults} ${words.faults}`;
  byId("broken").href = byId("grave") ? "#grave" : "#faults";
}

function tell(text) {
  byId("told").textContent = text;
  byId("told").hidden = text === "";
}

// --- sound

const sound = byId("sound");
let audio = null;
// Whoever never chose hears it: a screen that nobody looks at has to call.
let wanted = localStorage.getItem("sound") !== "off";
const CALL = { tones: [[0, 880], [0.25, 660], [0.5, 880], [0.75, 660]], again_ms: RING_AGAIN_MS };
const TROUBLE = { tones: [[0, 330], [0.3, 247]], again_ms: TROUBLE_AGAIN_MS };
const rung = new Map(); // kind -> when it last sounded, by performance.now()

function ring(kind) {
  if (!wanted || audio === null || audio.state !== "running") return;
  rung.set(kind, performance.now());
  for (const [at, pitch] of kind.tones) {
    const tone = audio.createOscillator();
    const level = audio.createGain();
    tone.frequency.value = pitch;
    level.gain.value = 0.2;
    tone.connect(level).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.2);
  }
}

function ring_again(is_still) {
  const kind = is_still ? TROUBLE
    : live.querySelector('article[data-state="open"]') !== null ? CALL : null;
  if (kind !== null && performance.now() - (rung.get(kind) ?? -Infinity) > kind.again_ms) ring(kind);
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
  if (wanted) audio.resume().then(() => ring(CALL));
  show_sound();
});
for (const kind of ["pointerdown", "keydown"]) {
  window.addEventListener(kind, (event) => { if (!sound.contains(event.target)) wake_sound(); });
}
// Who has come here by a click is heard already.
wake_sound();
show_sound();

// --- acting

let by_pointer = false;
live.addEventListener("click", (event) => { by_pointer = event.detail > 0; }, true);

live.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const part = form.closest("[id]");
  if (part.classList.contains("busy")) return;
  if (by_pointer && performance.now() - moved < SETTLE_MS) {
    tell(words.moved);
    return;
  }
  const again = pressed_again.get(part.closest("article")?.id) ?? -Infinity;
  if (form.getAttribute("action").endsWith("/close") && performance.now() - again < READ_MS) {
    tell(words.pressed);
    return;
  }
  tell("");
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
      signal: AbortSignal.timeout(SEND_MS),
    });
    return (await answer.json()).told;
  } catch {
    return "unsent";
  }
}

// --- listening

let stream = null;
let listened_at = moment();

function heard(told) {
  heard_at = moment();
  server_ahead_ms = Date.parse(told.now) - Date.now();
}

function listen() {
  stream?.close();
  listened_at = moment();
  const mine = stream = new EventSource("/live");
  for (const kind of ["incidents", "beat"]) {
    mine.addEventListener(kind, (event) => {
      const told = JSON.parse(event.data);
      heard(told);
      stalled = told.age_s * 1000 > SILENCE_MS;
      if (kind === "incidents") show(told);
      renew(told.number, told.age_s * 1000);
      // Also where the browser slows this page's own timers down, in a tab that nobody looks at.
      tick();
    });
  }
  mine.addEventListener("over", () => {
    over = true;
    mine.close();
    tick();
  });
  mine.addEventListener("error", () => {
    // The browser tries again by itself unless the server said no.
    if (mine !== stream || mine.readyState !== EventSource.CLOSED) return;
    fetch("/live", { method: "HEAD", signal: AbortSignal.timeout(SEND_MS) }).catch(() => null).then((answer) => {
      if (mine !== stream) return;
      if (answer !== null && answer.status === 401) {
        over = true;
        tick();
      } else {
        setTimeout(() => { if (mine === stream) listen(); }, 1000);
      }
    });
  });
}

// The page is as young as the console's look into the store, once it shows what was seen there.
function renew(number, age_ms) {
  if (number === shown && age_ms < ago(fresh)) fresh = moment(age_ms);
}

heard(live.dataset);
badges();
listen();
setInterval(tick, 500);
tick();
// From here on this page tells by itself when it stands still.
byId("late").hidden = true;
