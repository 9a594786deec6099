// Theme, double-click guard, reading aloud and focus: small helpers; every page works without them.
(() => {
  const root = document.documentElement;
  const kept = localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
  document.addEventListener("click", (event) => {
    const theme = event.target.closest("[data-theme-switch]");
    if (theme) {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
    }
    const aloud = event.target.closest("[data-read-aloud]");
    if (aloud && "speechSynthesis" in window) {
      const text = document.querySelector("[data-prose]");
      if (speechSynthesis.speaking) speechSynthesis.cancel();
      else if (text) speechSynthesis.speak(new SpeechSynthesisUtterance(text.innerText));
    }
  });
  // A second click on the same button must not send a second form; the server would refuse it anyway.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });
  document.addEventListener("htmx:after:swap", () => {
    if ("speechSynthesis" in window) speechSynthesis.cancel();
    const heading = document.querySelector("[data-focus]");
    if (heading) { heading.focus({ preventScroll: true }); window.scrollTo({ top: 0 }); }
  });
})();
