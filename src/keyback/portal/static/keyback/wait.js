// Asks how far it is, soon at first and then less often, and goes on when there is something to see.
const status = document.getElementById("wait-status");
const began = performance.now();
let pause = 150;

async function look() {
  let answer = null;
  try {
    const response = await fetch(status.dataset.state, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.ok) answer = await response.json();
  } catch {
    answer = null;
  }
  if (answer && !answer.waiting) return location.replace(answer.next);
  if (!answer) status.textContent = status.dataset.offline;
  else if (performance.now() - began > 15_000) status.textContent = status.dataset.long;
  else status.textContent = "";
  pause = Math.min(pause * 1.4, 4_000);
  setTimeout(look, pause);
}
setTimeout(look, pause);
