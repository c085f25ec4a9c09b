// Asks every two seconds whether # was pressed in the call, and goes on once it was.
const form = document.getElementById("press-form");

async function look() {
  try {
    const response = await fetch(form.dataset.state, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.ok && !(await response.json()).waiting) return form.submit();
  } catch {
    // No network for a moment: the next look may succeed, and the button is there.
  }
  setTimeout(look, 2_000);
}
setTimeout(look, 2_000);
