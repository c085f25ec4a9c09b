// Seals the new password for each agent and sends the boxes. The password itself is in no request: its fields have no name,
// and the form is never submitted.
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from "./vendor/hpke.js";
import { watch } from "./password-rules.js";

const form = document.getElementById("choose");
const first = document.getElementById("new-password");
const again = document.getElementById("new-password-again");
const button = form.querySelector("button[type=submit]");
const status = document.getElementById("choose-status");
const page = JSON.parse(document.getElementById("sealing").textContent);
const allMet = watch(first, form);
let sending = false;

const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const textOf = (bytes) => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

/** JSON of a stated length, so that the box's length says nothing about the password. Non-ASCII is escaped, as the agent's
 * own writer does, so that 256 UTF-16 units always fit. */
function plaintext(password) {
  const json = JSON.stringify({ new: password }).replace(
    /[\u0080-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return new TextEncoder().encode(json.padEnd(page.plaintext_bytes, " "));
}

async function seal(password) {
  const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const boxes = {};
  for (const target of page.targets) {
    const recipientPublicKey = await suite.kem.deserializePublicKey(bytesOf(target.public).buffer);
    const sender = await suite.createSenderContext({ recipientPublicKey, info: bytesOf(target.info).buffer });
    const sealed = new Uint8Array(await sender.seal(plaintext(password).buffer));
    const box = new Uint8Array(sender.enc.byteLength + sealed.length);
    box.set(new Uint8Array(sender.enc));
    box.set(sealed, sender.enc.byteLength);
    boxes[target.agent] = textOf(box);
  }
  return boxes;
}

/** The same summary as the server's: at the top, with the focus, linked to the field. */
function complain(field, text, next = `#${field.id}`) {
  document.getElementById("error-summary")?.remove();
  const summary = document.getElementById("error-template").content.firstElementChild.cloneNode(true);
  const link = summary.querySelector("a");
  link.textContent = text;
  link.href = next;
  document.querySelector(".sheet").prepend(summary);
  for (const input of [first, again]) {
    input.toggleAttribute("aria-invalid", false);
    input.closest(".field").classList.toggle("wrong", input === field);
  }
  field.setAttribute("aria-invalid", "true");
  status.textContent = "";
  summary.focus();
}

function problemOf(password) {
  if (password === "") return [first, form.dataset.empty];
  if (password.length > page.longest) return [first, form.dataset.long];
  if (!allMet()) return [first, form.dataset.unmet];
  if (password !== again.value) return [again, form.dataset.unequal];
  return null;
}

async function send(boxes) {
  const response = await fetch(page.submit, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
    },
    body: JSON.stringify({ step: page.step, request_id: page.request_id, boxes }),
  });
  const answer = await response.json();
  if (response.ok) return location.replace(answer.next);
  // Also when another tab has finished meanwhile: its success must not look like this one's.
  throw Object.assign(new Error(answer.error), { told: answer.message, next: answer.next });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  const problem = problemOf(first.value);
  if (problem) return complain(...problem);
  let boxes;
  document.getElementById("error-summary")?.remove();
  sending = true;
  button.setAttribute("aria-disabled", "true");
  status.textContent = form.dataset.sending;
  try {
    boxes = await seal(first.value);
  } catch {
    complain(first, form.dataset.unsealed);
  }
  try {
    if (boxes) await send(boxes);
  } catch (error) {
    complain(first, error.told ?? form.dataset.failed, error.next);
  }
  sending = false;
  button.removeAttribute("aria-disabled");
});

form.hidden = false;
