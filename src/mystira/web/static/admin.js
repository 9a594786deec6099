// Theme, live parts and double clicks: every page of the administration works without them.
(() => {
  const root = document.documentElement;
  const kept = localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });

  // On a phone the places are a line to scroll: it begins where one is.
  const here = document.querySelector(".places [aria-current]");
  const places = here?.closest(".places");
  if (places) places.scrollLeft = here.offsetLeft - (places.clientWidth - here.offsetWidth) / 2;

  // A chosen file is read into the field that is sent; without scripts its text can be pasted there.
  document.addEventListener("change", async (event) => {
    const input = event.target;
    if (input.dataset?.into && input.files?.[0]) document.getElementById(input.dataset.into).value = await input.files[0].text();
  });

  // A live part is replaced whole; what somebody has opened, where they are and how far they scrolled stays.
  const replace = (place, html) => {
    const open = [...place.querySelectorAll("details[open][id]")].map((one) => one.id);
    const at = [...place.querySelectorAll(".scroller[id]")].map((one) => [one.id, one.scrollLeft, one.scrollTop]);
    const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
    place.innerHTML = html;
    place.dispatchEvent(new Event("replaced", { bubbles: true }));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, left, top] of at) document.getElementById(id)?.scrollTo(left, top);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    if (place.querySelector("[data-over]")) { place.dataset.over = "1"; }
  };
  const say = (place, text, away) => {
    const told = document.querySelector("[data-live-state]");
    if (!told) return;
    if (told.textContent !== text) told.textContent = text;
    told.classList.toggle("away", away);
  };
  const connect = (place) => {
    const source = new EventSource(place.dataset.live);
    source.addEventListener("message", (event) => {
      replace(place, event.data);
      if (place.dataset.over) { source.close(); say(place, "", false); } else say(place, "Live: this changes by itself.", false);
    });
    source.addEventListener("away", (event) => say(place, event.data, true));
    source.addEventListener("error", () => {
      say(place, "Not connected. Trying again; until then this shows how things were.", true);
      // The browser comes back by itself after a lost connection, but not after a refusal.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => connect(place), 3000);
    });
  };
  document.querySelectorAll("[data-live]").forEach(connect);

  // While a store is away, its health is asked for; a page that was only looked at is loaded again when it is back.
  const away = document.querySelector("[data-away]");
  const isBack = async () => {
    const told = await fetch("/health", { cache: "no-store" }).then((answer) => answer.json()).catch(() => null);
    return told && away.dataset.away.split(" ").every((name) => !name || told.parts[name] === "ok");
  };
  const wait = async () => {
    if (!(await isBack())) { setTimeout(wait, 2000); return; }
    if (!("wasSent" in away.dataset)) { location.reload(); return; }
    document.querySelector("[data-away-state]").textContent = "It answers again. Go back: what you wrote is still there. Then send it once more.";
  };
  if (away) setTimeout(wait, 2000);
})();
