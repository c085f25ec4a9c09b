// A form with passwords that are sealed before they leave: the current one (#current-password), a new one twice
// (#new-password, #new-password-again), or both; which of them, the page decides. Messages are data-… of the form.
import { watch } from "./password-rules.js";
import { seal, send } from "./sealing.js";

const form = document.getElementById("choose");
const current = document.getElementById("current-password");
const fresh = document.getElementById("new-password");
const again = document.getElementById("new-password-again");
const button = form.querySelector("button[type=submit]");
const status = document.getElementById("choose-status");
const page = JSON.parse(document.getElementById("sealing").textContent);
const inputs = [current, fresh, again].filter(Boolean);
const allMet = fresh ? watch(fresh, form) : () => true;
let sending = false;

/** The same summary as the server's: at the top, with the focus, linked to the field. */
function complain(field, text, next = `#${field.id}`) {
  document.getElementById("error-summary")?.remove();
  const summary = document.getElementById("error-template").content.firstElementChild.cloneNode(true);
  const link = summary.querySelector("a");
  link.textContent = text;
  link.href = next;
  document.querySelector(".sheet").prepend(summary);
  for (const input of inputs) {
    input.toggleAttribute("aria-invalid", false);
    input.closest(".field").classList.toggle("wrong", input === field);
  }
  field.setAttribute("aria-invalid", "true");
  status.textContent = "";
  summary.focus();
}

function problem() {
  if (current?.value === "") return [current, form.dataset.emptyCurrent];
  if (current && current.value.length > page.longest) return [current, form.dataset.long];
  if (!fresh) return null;
  if (fresh.value === "") return [fresh, form.dataset.empty];
  if (fresh.value.length > page.longest) return [fresh, form.dataset.long];
  if (!allMet()) return [fresh, form.dataset.unmet];
  if (fresh.value !== again.value) return [again, form.dataset.unequal];
  return null;
}

const typed = () => ({ ...(current && { current: current.value }), ...(fresh && { new: fresh.value }) });

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  const wrong = problem();
  if (wrong) return complain(...wrong);
  let boxes;
  document.getElementById("error-summary")?.remove();
  sending = true;
  button.setAttribute("aria-disabled", "true");
  status.textContent = form.dataset.sending;
  try {
    boxes = await seal(typed(), page);
  } catch {
    complain(inputs[0], form.dataset.unsealed);
  }
  try {
    if (boxes) await send(boxes, page, form.elements.csrfmiddlewaretoken.value);
  } catch (error) {
    complain(inputs[0], error.told ?? form.dataset.failed, error.next);
  }
  sending = false;
  button.removeAttribute("aria-disabled");
});

form.hidden = false;
