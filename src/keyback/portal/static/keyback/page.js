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
