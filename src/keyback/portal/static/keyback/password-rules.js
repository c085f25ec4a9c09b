// The rules that can be judged while typing. The same as keyback.passwords.complexity and .rules; the directory has the last word.
const SYMBOLS = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/";

function classOf(character) {
  if (character >= "0" && character <= "9") return "digit";
  if (SYMBOLS.includes(character)) return "symbol";
  if (character.length > 1) return null; // Windows looks at each half of a surrogate pair, and neither is a letter
  if (/\p{Lu}/u.test(character)) return "upper";
  if (/\p{Ll}/u.test(character)) return "lower";
  return /[\p{Lt}\p{Lm}\p{Lo}]/u.test(character) ? "caseless" : null;
}

function fold(text) {
  return [...text].map((c) => (c.toUpperCase().length === c.length ? c.toUpperCase() : c)).join("");
}

function longestRun(steps, fits) {
  let longest = steps.length ? 1 : 0;
  let run = 1;
  for (let i = 1; i < steps.length; i++) {
    run = fits(steps, i) ? run + 1 : 1;
    longest = Math.max(longest, run);
  }
  return longest;
}

const longestRepeat = (password) => longestRun([...password], (all, i) => all[i] === all[i - 1]);

/** Of letters or digits that follow each other, up or down. */
function longestSequence(password) {
  const points = [...password.toLowerCase()].map((c) => (/[\p{L}\p{N}]/u.test(c) ? c.codePointAt(0) : NaN));
  return Math.max(...[1, -1].map((step) => longestRun(points, (all, i) => all[i] - all[i - 1] === step)));
}

const has = (kind) => (password) => [...password].some((c) => classOf(c) === kind);

const checks = {
  min_length: (password, rules) => password.length >= rules.min_units && [...password].length >= rules.min_length,
  max_length: (password, rules) =>
    password !== "" &&
    (!rules.max_length || [...password].length <= rules.max_length) &&
    (!rules.max_units || password.length <= rules.max_units),
  upper: has("upper"),
  lower: has("lower"),
  digit: has("digit"),
  symbol: has("symbol"),
  same_in_a_row: (password, rules) => password !== "" && longestRepeat(password) <= rules.same_in_a_row,
  sequence: (password, rules) => password !== "" && longestSequence(password) <= rules.sequence,
  classes: (password) => new Set([...password].map(classOf).filter(Boolean)).size >= 3,
  names: (password, rules) => {
    const folded = fold(password);
    const account = rules.account_name.length >= 3 ? [rules.account_name] : [];
    return password !== "" && ![...account, ...rules.name_tokens].some((name) => folded.includes(fold(name)));
  },
};

/** Ticks the rules of the page as `field` meets them. Returns a function that says whether all are met. */
export function watch(field, form) {
  const rules = JSON.parse(document.getElementById("rules").textContent);
  const items = [...form.querySelectorAll("[data-rule]")];
  const judge = () => {
    let all = true;
    for (const item of items) {
      const met = checks[item.dataset.rule](field.value, rules);
      item.classList.toggle("met", met);
      item.querySelector(".verdict").textContent = met ? `(${form.dataset.met})` : `(${form.dataset.notMet})`;
      all &&= met;
    }
    return all;
  };
  field.addEventListener("input", judge);
  judge();
  return judge;
}
