// Rights of the tab's token. The style sheet hides what changes images until the token is known to allow it.
import { ask } from "../api.js";

/** @returns {boolean} whether the token may change images */
export const mayWrite = () => document.body.classList.contains("writes");

async function readScope() {
  let scope = "";
  try {
    ({ scope } = await (await ask("v1/token")).json());
  } catch {
    // the service answers each change with what it does not allow
  }
  document.body.classList.toggle("writes", scope !== "read");
}

addEventListener("token", readScope);
readScope();
