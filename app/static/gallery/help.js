// The list of keys, with links to the other pages.
import { find } from "../dom.js";

const dialog = find("#help", HTMLDialogElement);

/** Show the list, or close it. */
export function toggleHelp() {
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

find("#help-button", HTMLButtonElement).addEventListener("click", toggleHelp);
find("#close-help", HTMLButtonElement).addEventListener("click", toggleHelp);
