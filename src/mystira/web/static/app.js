// Theme, double clicks, reading aloud, keys, moments and focus: every page works without them.
(() => {
  const root = document.documentElement;
  const kept = localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
  const one = (selector) => document.querySelector(selector);
  const seen = (element) => element.getClientRects().length > 0;

  const switchTheme = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  };

  // Reading aloud: only voices that live on this machine, so that no story text leaves it.
  const voice = "speechSynthesis" in window ? window.speechSynthesis : null;
  const hush = () => {
    voice?.cancel();
    const button = one("[data-read-aloud]");
    if (button) { button.setAttribute("aria-pressed", "false"); button.querySelector("span").textContent = "Read aloud"; }
  };
  const readAloud = (button) => {
    if (button.getAttribute("aria-pressed") === "true") return hush();
    const words = [...document.querySelectorAll("[data-aloud]")].filter(seen).map((part) => part.innerText.trim());
    const said = new SpeechSynthesisUtterance(words.join("\n"));
    said.lang = "en-GB";
    said.rate = .95;
    const own = voice.getVoices().find((one) => one.localService && one.lang.startsWith("en"));
    if (own) said.voice = own;
    said.onend = hush;
    voice.cancel();
    voice.speak(said);
    button.setAttribute("aria-pressed", "true");
    button.querySelector("span").textContent = "Stop reading";
  };

  // What comes back is a moment of its own: the scene waits until the child goes on.
  const arrive = (isNew) => {
    const scene = one(".scene");
    if (!scene) return;
    hush();
    const button = one("[data-read-aloud]");
    if (button && voice) button.hidden = false;
    const moments = one("[data-moments]");
    if (moments) { scene.classList.add("in-moment"); one("[data-onward]").hidden = false; }
    (moments ? moments.querySelector("h2") : one("[data-focus]")).focus({ preventScroll: true });
    if (!isNew) return;
    window.scrollTo({ top: 0 });
    one("[data-announcer]").textContent = [...document.querySelectorAll("[data-announce]")].map((part) => part.innerText).join(" ");
  };
  const goOn = (button) => {
    button.hidden = true;
    one(".scene").classList.remove("in-moment");
    const heading = one("[data-focus]");
    heading.focus({ preventScroll: true });
    one(".now").scrollIntoView({ block: "start" });
  };

  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    if (on("[data-theme-switch]")) switchTheme();
    if (on("[data-read-aloud]")) readAloud(on("[data-read-aloud]"));
    if (on("[data-onward]")) goOn(on("[data-onward]"));
  });

  // Keys 1 to 9 choose while the scene has the focus; elsewhere they stay what they are.
  document.addEventListener("keydown", (event) => {
    if (!/^[1-9]$/.test(event.key) || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (!one("#scene")?.contains(document.activeElement)) return;
    const buttons = [...document.querySelectorAll("[data-onward], .choices button")].filter(seen);
    const button = buttons[Number(event.key) - 1];
    if (button) { event.preventDefault(); button.click(); }
  });

  // Nobody can be who somebody else is: who is asked to move gets the character that became free.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-seats]");
    if (form) swapCharacters(form, event.target);
  });
  const swapCharacters = (form, changed) => {
    const places = [...form.querySelectorAll(".place")];
    const plays = (place) => { const box = place.querySelector("[name=players]"); return box ? box.checked : !!place.querySelector("input").value.trim(); };
    const chosen = (place) => place.querySelector("[type=radio]:checked");
    const mine = changed.closest(".place");
    if (!mine) return;
    const taken = new Set(places.filter((place) => place !== mine && plays(place)).map((place) => chosen(place)?.value));
    const wanted = chosen(mine)?.value;
    if (!wanted || !taken.has(wanted) || !plays(mine)) return;
    const everybody = [...mine.querySelectorAll("[type=radio]")].map((radio) => radio.value);
    const free = everybody.find((value) => value && !taken.has(value)) ?? "";
    const moving = changed.type === "radio" ? places.find((place) => place !== mine && plays(place) && chosen(place)?.value === wanted) : mine;
    moving.querySelector(`[type=radio][value="${free}"]`).checked = true;
  };

  // A second click on the same button must not send a second form; the server would refuse it anyway.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });

  // A lost answer: the same button sends the same move, and the server answers it again without moving twice.
  const trouble = (text) => {
    const place = one("[data-trouble]");
    if (place) { place.hidden = !text; place.textContent = text; }
  };
  document.addEventListener("htmx:error", () => { asking = false; lost = true; trouble(one("[data-trouble]")?.dataset[navigator.onLine ? "lost" : "offline"] ?? ""); });
  document.addEventListener("htmx:before:request", () => { asking = true; trouble(""); });
  document.addEventListener("htmx:after:swap", (event) => {
    asking = lost = false;
    const swapped = event.detail?.ctx?.target;
    if (!swapped || swapped.id === "scene") arrive(true);
    follow();
  });

  // The same game on another device: when it moves there, this page moves as well. What this page asked for itself
  // arrives as the answer, so an event waits a little before it counts as somebody else's move.
  let asking = false;
  let lost = false;
  let source = null;
  let told = null;
  const catchUp = () => {
    const scene = one(".scene[data-at]");
    if (!scene || !told || asking || told.session_id !== scene.dataset.session) return;
    if (scene.dataset.at === `${told.moves} ${told.state}` || told.moves < parseInt(scene.dataset.at)) return;
    asking = true;
    // What moved after an answer got lost was this page's own move.
    htmx.ajax("GET", `/play/${scene.dataset.session}${lost ? "" : "?moved=1"}`, "#scene");
  };
  const follow = () => {
    const address = one(".scene[data-events]")?.dataset.events;
    if (address && source?.url.endsWith(address)) return;
    source?.close();
    source = address ? new EventSource(address) : null;
    source?.addEventListener("standing", (event) => { told = JSON.parse(event.data); setTimeout(catchUp, 400); });
  };
  arrive(false);
  follow();

  // Offline, what was seen is shown again and says so; a choice waits until the connection is back.
  const tellOffline = () => { one("[data-offline-note]").hidden = navigator.onLine; };
  for (const change of ["online", "offline"]) window.addEventListener(change, tellOffline);
  tellOffline();
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
})();
