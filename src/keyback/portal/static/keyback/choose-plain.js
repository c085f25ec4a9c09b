import { watch } from "./password-rules.js";

watch(document.getElementById("new-password"), document.getElementById("choose-plain"));
