// Seals what was typed for each agent and sends the boxes. No password is in a request: its fields have no name, and the
// form is never submitted. The page comes from keyback.portal.writeback.pages.
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from "./vendor/hpke.js";

const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const textOf = (bytes) => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

/** JSON of a stated length, so that the box's length says nothing about the passwords. Non-ASCII is escaped, as the agent's
 * own writer does, so that twice 256 UTF-16 units always fit. */
function plaintext(passwords, length) {
  const json = JSON.stringify(passwords).replace(
    /[\u0080-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return new TextEncoder().encode(json.padEnd(length, " "));
}

/** One box for each agent. `passwords`: {new}, {current}, or {current, new} in one plaintext. */
export async function seal(passwords, page) {
  const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const content = plaintext(passwords, page.plaintext_bytes);
  const boxes = {};
  for (const target of page.targets) {
    const recipientPublicKey = await suite.kem.deserializePublicKey(bytesOf(target.public).buffer);
    const sender = await suite.createSenderContext({ recipientPublicKey, info: bytesOf(target.info).buffer });
    const sealed = new Uint8Array(await sender.seal(content.slice().buffer));
    const box = new Uint8Array(sender.enc.byteLength + sealed.length);
    box.set(new Uint8Array(sender.enc));
    box.set(sealed, sender.enc.byteLength);
    boxes[target.agent] = textOf(box);
  }
  return boxes;
}

/** Posts the boxes and goes where the answer says. Throws with `told` (a sentence) and `next` where it was refused. */
export async function send(boxes, page, csrfToken) {
  const response = await fetch(page.submit, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken },
    body: JSON.stringify({ step: page.step, request_id: page.request_id, boxes }),
  });
  const answer = await response.json();
  if (response.ok) return location.replace(answer.next);
  // Also when another tab has finished meanwhile: its success must not look like this one's.
  throw Object.assign(new Error(answer.error), { told: answer.message, next: answer.next });
}
