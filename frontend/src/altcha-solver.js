// Solves the proof of work that the portal's page carries, with WebCrypto's PBKDF2. Its derivations run off the main
// thread already, so no worker is needed and the page stays usable meanwhile.
import { deriveKey } from "altcha-lib/algorithms/web/pbkdf2";
import { solveChallenge } from "../node_modules/altcha-lib/dist/esm/v2/pow.js";

/**
 * @param {{parameters: object, signature: string}} challenge as the portal's page holds it
 * @param {{signal?: AbortSignal, timeout?: number}} [options] timeout in milliseconds
 * @returns {Promise<string|null>} the value of the form field (base64 of JSON), or null when time ran out or it was aborted
 */
export async function solve(challenge, { signal, timeout = 90_000 } = {}) {
  const solution = await solveChallenge({ challenge, controller: signal && { signal }, deriveKey, timeout });
  return solution && btoa(JSON.stringify({ challenge, solution }));
}
