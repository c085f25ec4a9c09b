// Passkeys: asks the browser to make or use one, and posts its answer. Bytes travel as base64url, as in WebAuthn's JSON.
const form = document.getElementById("passkey-form");
const button = document.getElementById("use-passkey");
const status = document.getElementById("passkey-status");
const options = JSON.parse(document.getElementById("passkey-options").textContent);

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const named = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

async function ask() {
  const common = { ...options, challenge: bytes(options.challenge) };
  if (form.dataset.ceremony === "get") {
    return navigator.credentials.get({ publicKey: { ...common, allowCredentials: named(options.allowCredentials) } });
  }
  const user = { ...options.user, id: bytes(options.user.id) };
  const excludeCredentials = named(options.excludeCredentials);
  return navigator.credentials.create({ publicKey: { ...common, user, excludeCredentials } });
}

function plain(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

if (window.PublicKeyCredential) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.setAttribute("aria-disabled", "true");
    try {
      form.elements.answer.value = plain(await ask());
      form.submit();
    } catch {
      status.textContent = status.dataset.cancelled;
      button.removeAttribute("aria-disabled");
    }
  });
} else {
  status.textContent = status.dataset.missing;
}
