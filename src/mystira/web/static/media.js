// Uploads one file at a time with progress, chosen or dropped; without this the form sends them all at once.
(() => {
  const form = document.querySelector("[data-upload]");
  const list = document.querySelector("[data-outcomes]");
  if (!form || !list) return;
  const drop = form.querySelector("[data-drop]");
  const input = form.querySelector("input[type=file]");
  form.querySelector("[data-drop-hint]").hidden = false;

  const row = (name) => {
    const made = document.createElement("li");
    made.className = "outcome";
    const label = document.createElement("span");
    label.className = "name";
    label.textContent = `${name} `;
    const bar = document.createElement("progress");
    bar.max = 1; bar.value = 0;
    bar.setAttribute("aria-label", `How much of ${name} has been sent`);
    const said = document.createElement("span");
    made.append(label, bar, said);
    list.append(made);
    return { made, bar, said };
  };
  const send = (file) => new Promise((done) => {
    const { made, bar, said } = row(file.name);
    const body = new FormData();
    body.append("why", form.elements.why.value);
    if (form.elements.replace.checked) body.append("replace", "true");
    body.append("files", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("X-Progress", "1");
    request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
    request.upload.addEventListener("load", () => { bar.removeAttribute("value"); said.textContent = " Looking at it…"; });
    // Each file of a ZIP is told as soon as it is done.
    let told = 0;
    const tell = () => {
      const end = request.responseText.lastIndexOf("</li>") + 5;
      if (request.status !== 200 || end < 5 || end <= told) return;
      made.insertAdjacentHTML("beforebegin", request.responseText.slice(told, end));
      told = end;
    };
    request.addEventListener("progress", tell);
    request.addEventListener("loadend", () => {
      tell();
      if (request.status === 200) made.remove();
      else { bar.remove(); said.textContent = request.status ? ` Not taken: the server answered ${request.status}. Sign in again or send fewer files, then try once more.` : " Not taken: the connection was lost. Try once more."; }
      done();
    });
    request.send(body);
  });
  const sendAll = async (files) => {
    for (const file of files) await send(file);
  };
  form.addEventListener("submit", (event) => {
    if (!input.files.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const files = [...input.files];
    input.value = "";
    sendAll(files);
  }, true);
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); sendAll([...event.dataTransfer.files]); });
})();
