import { solve } from "./vendor/altcha-solver.js";

onmessage = async (event) => {
  try {
    postMessage(await solve(event.data));
  } catch {
    postMessage(null);
  }
};
