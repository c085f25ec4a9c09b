// What every page does a little better with JavaScript: times are shown in the person's own zone, what helps when nothing
// arrives appears after a while, and passwords can be shown.
for (const element of document.querySelectorAll("time.moment")) {
  const moment = new Date(element.dateTime);
  const words = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "full", timeStyle: "short" });
  if (!Number.isNaN(moment.getTime())) element.textContent = words.format(moment);
}

for (const element of document.querySelectorAll("[data-reveal-after]")) {
  element.hidden = true;
  setTimeout(() => (element.hidden = false), Number(element.dataset.revealAfter) * 1000);
}

for (const button of document.querySelectorAll("button.reveal")) {
  const fields = button.dataset.reveals.split(" ").map((id) => document.getElementById(id));
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = fields[0].type === "password";
    button.textContent = shown ? button.dataset.hide : button.dataset.show;
    for (const field of fields) field.type = shown ? "text" : "password";
  });
  // A shown password must not reach the browser's store of form texts.
  button.form?.addEventListener("submit", () => fields.forEach((field) => (field.type = "password")));
}

// The user ID is remembered in this tab only, for the details that somebody copies to tell them to the helpdesk.
const typed = document.getElementById("user_id");
typed?.form?.addEventListener("submit", () => sessionStorage.setItem("user-id", typed.value));

const copy = document.getElementById("copy-details");
if (copy) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const lines = [
      [copy.dataset.page, document.querySelector("h1").textContent.trim()],
      [copy.dataset.address, location.origin + location.pathname],
      [copy.dataset.code, document.getElementById("support-code").textContent],
      [copy.dataset.time, new Date().toString()],
      [copy.dataset.user, typed?.value || sessionStorage.getItem("user-id") || "–"],
    ];
    const said = document.getElementById("copy-said");
    try {
      await navigator.clipboard.writeText(lines.map((line) => line.join(": ")).join("\n"));
      said.textContent = copy.textContent = copy.dataset.done;
    } catch {
      said.textContent = copy.textContent = copy.dataset.failed;
    }
  });
}

// At a sign-in screen: whoever goes away without a word leaves nothing behind.
const { over, overAfter } = document.body.dataset;
if (over) {
  const leave = () => {
    sessionStorage.clear();
    window.close(); // where the window was opened for this alone
    location.replace(over);
  };
  let timer = setTimeout(leave, Number(overAfter) * 1000);
  const stay = () => {
    clearTimeout(timer);
    timer = setTimeout(leave, Number(overAfter) * 1000);
  };
  for (const sign of ["keydown", "pointerdown"]) document.addEventListener(sign, stay);
  document.getElementById("screen-over")?.addEventListener("click", () => sessionStorage.clear());
}
