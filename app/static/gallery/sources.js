// Sources of uploads: the file dialog, files and folders that are dropped on the page, and the clipboard.
import { find } from "../dom.js";
import { mayWrite } from "./rights.js";
import { toast } from "./toasts.js";
import { uploads } from "./uploads.js";

const choose = find("#choose", HTMLButtonElement);
const input = find("#files", HTMLInputElement);
const tray = find("#tray", HTMLElement);
const dropZone = find("#drop", HTMLElement);

choose.addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  upload([...(input.files ?? [])]);
  input.value = "";
});
find("#close-tray", HTMLButtonElement).addEventListener("click", () => {
  tray.hidden = true;
  choose.focus();
});

/** @param {DragEvent} event */
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

/** @param {File[]} files */
function upload(files) {
  if (mayWrite()) uploads.add(files);
  else if (files.length) toast("Your token does not allow you to upload images.");
}

addEventListener("dragenter", (event) => carriesFiles(event) && mayWrite() && dropZone.showPopover());
addEventListener("dragleave", (event) => event.relatedTarget || dropZone.hidePopover());
addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
addEventListener("drop", async (event) => {
  dropZone.hidePopover();
  if (!carriesFiles(event) || !event.dataTransfer) return;
  event.preventDefault();
  // The browser empties dataTransfer when the listener returns or waits, so it is read before.
  const files = [...event.dataTransfer.files];
  const entries = [...event.dataTransfer.items]
    .map((item) => item.webkitGetAsEntry?.())
    .filter((entry) => entry != null);
  const found = entries.length ? (await Promise.all(entries.map(filesWithin))).flat() : files;
  if (!found.length) toast("The drop contains no files, so nothing is uploaded.");
  upload(found);
});
addEventListener("paste", (event) => upload([...(event.clipboardData?.files ?? [])]));

/**
 * Return a file, or all files of a folder and of its folders, by name. Leave out hidden ones.
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesWithin(entry) {
  if (entry.name.startsWith(".")) return [];
  // Chromium does not define the interfaces' names, so instanceof cannot tell them.
  if (entry.isFile) return fileOf(/** @type {FileSystemFileEntry} */ (entry));
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {File[]} */
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const batch = await new Promise((done) => reader.readEntries(done, () => done([]))); // Chromium: 100 at a time
    if (!batch.length) break;
    for (const inner of batch) found.push(...(await filesWithin(inner)));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Return the file, or nothing and a message if it cannot be read.
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File[]>}
 */
async function fileOf(entry) {
  try {
    return [await new Promise((done, fail) => entry.file(done, fail))];
  } catch {
    toast(`The file ${entry.name} cannot be read.`);
    return [];
  }
}
