// The actions of the open image: copy its link, download it, delete it.
import { ask, authorization, Problem } from "../api.js";
import { find, make } from "../dom.js";
import { savedName } from "../format.js";
import { form, showNote } from "./form.js";
import { picture } from "./picture.js";
import { API, isolatedName, objectURL } from "./shared.js";
import { toast } from "./toasts.js";
import { wall } from "./wall.js";

const UNDO_TIME = 8; // seconds
const DOWNLOAD_TIME = 60; // seconds that the browser has to read an object URL

find("#copy", HTMLButtonElement).addEventListener("click", async () => {
  const link = new URL(`?image=${picture.id}`, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    toast("Link copied");
  } catch {
    const input = make("input", { value: link, readonly: true });
    showNote("", "", make("label", { text: "Copy this link" }, input)); // the browser gives no access to the clipboard
    input.select();
  }
});

const download = find("#download", HTMLButtonElement);

download.addEventListener("click", async () => {
  if (!picture.image) return;
  const { id } = picture.image;
  const filename = savedName(picture.image);
  const url = `${API}/${id}/content`;
  download.disabled = true;
  try {
    const href = await objectURL(url);
    make("a", { href, download: filename }).click();
    setTimeout(URL.revokeObjectURL, DOWNLOAD_TIME * 1000, href);
  } catch (error) {
    const { status, message } = Problem.from(error);
    const reason =
      !status && (await redirects(url))
        ? "The object store does not allow this page. Add it to the store's CORS rules."
        : message;
    toast(`The image was not downloaded. ${reason}`, 10);
  }
  download.disabled = false;
});

/**
 * Return whether the service redirects a URL. A browser tells a page nothing else of a redirect to another host.
 * @param {string} url
 */
async function redirects(url) {
  const response = await fetch(url, { headers: authorization(), redirect: "manual" }).catch(() => null);
  return response?.type === "opaqueredirect";
}

/**
 * The DELETE requests to send when the time to undo is over, or when the user leaves the page. By image ID.
 * @type {Map<string, { method: "DELETE", headers: Record<string, string> }>}
 */
const pending = new Map();

find("#delete", HTMLButtonElement).addEventListener("click", async () => {
  const { id, image, entityTag } = picture;
  if (!id || !image) return;
  const query = wall.query;
  /** @type {{ method: "DELETE", headers: Record<string, string> }} */
  const request = { method: "DELETE", headers: entityTag ? { "If-Match": entityTag } : {} };
  pending.set(id, request);
  wall.deleted.add(id);
  form.clear(); // so that the user is not asked about unsaved changes
  await picture.leave();
  const index = wall.remove(id);
  if (index >= 0) wall.focus(Math.min(index, wall.images.length - 1));
  if (document.activeElement === document.body) find("#search input", HTMLInputElement).focus(); // no image is left
  const restore = () => {
    wall.deleted.delete(id);
    if (wall.query !== query) wall.reload();
    else if (index >= 0) wall.insert(image, Math.min(index, wall.images.length));
  };
  const undo = await toast(`Deleted ${isolatedName(image)}`, UNDO_TIME, "Undo");
  if (!pending.delete(id)) return;
  if (undo) {
    restore();
    if (wall.indexOf(id) >= 0) wall.focus(wall.indexOf(id));
    return;
  }
  try {
    await ask(`${API}/${id}`, request);
  } catch (error) {
    const { status, message } = Problem.from(error);
    if (status === 404) return;
    restore();
    const reason = status === 412 ? "Another user changed it." : message;
    toast(`${isolatedName(image)} was not deleted. ${reason}`, 8);
  }
});

addEventListener("pagehide", () => {
  for (const [id, request] of pending) {
    fetch(`${API}/${id}`, { ...request, headers: { ...request.headers, ...authorization() }, keepalive: true });
  }
  pending.clear();
});
