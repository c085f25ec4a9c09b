// Proves with a little work that no robot fills in the form. Begins when the page loads, in a worker, while the person types.
const form = document.getElementById("identify");
const field = document.getElementById("work");
const status = document.getElementById("work-status");
const challenge = JSON.parse(document.getElementById("work-challenge").textContent);

const say = (what) => {
  status.textContent = status.dataset[what];
  status.className = `status ${what}`;
};

let submitted = false;
const finish = (payload) => {
  field.value = payload ?? "";
  say(payload ? "done" : "failed");
  // Without a solution the form is sent all the same: the server then offers characters to type.
  if (submitted) form.submit();
};
const over = new Promise((resolve) => {
  try {
    const worker = new Worker(new URL("human-worker.js", import.meta.url), { type: "module" });
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = () => resolve(null);
    worker.postMessage(challenge);
  } catch {
    resolve(null);
  }
});
say("working");
let settled = false;
over.then((payload) => {
  settled = true;
  finish(payload);
});

form.addEventListener("submit", (event) => {
  if (settled) return;
  event.preventDefault();
  submitted = true;
  form.querySelector("button[type=submit]").setAttribute("aria-disabled", "true");
});
