// The help: how to search, the list of keys, and links to the other pages.
import { find } from "../dom.js";

const dialog = find("#help", HTMLDialogElement);

/** Show the help, or close it. */
export function toggleHelp() {
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

find("#help-button", HTMLButtonElement).addEventListener("click", toggleHelp);
find("#close-help", HTMLButtonElement).addEventListener("click", toggleHelp);
