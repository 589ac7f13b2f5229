/** The files in the user's own folder. */

import { fileName, inWords } from "./files.js";
import { describe } from "./shared/http.js";
import { ask, fill, notify, offerRetry, part, warn } from "./shared/page.js";

export class FilesView {
  #folder;
  #names = new Set();
  #uploading = Promise.resolve();
  #loads = 0;

  /** @param {import("./files.js").Folder} folder */
  constructor(folder) {
    this.#folder = folder;
    this.element = fill("files-view");
    const choose = this.#part("choose");
    choose.addEventListener("change", () => {
      this.#uploadAll([...choose.files]);
      choose.value = "";
    });
    this.#acceptDrops();
  }

  /** Called each time the view is shown. */
  async enter() {
    await this.#load();
    const { max_size: limit } = await this.#folder.place().catch(() => ({}));
    if (limit) this.#part("limit").textContent = `Up to ${inWords(limit)} each.`;
  }

  #part(name) {
    return part(this.element, name);
  }

  async #load() {
    const load = ++this.#loads;
    this.#part("failure").replaceChildren();
    if (!this.#names.size) this.#part("waiting").textContent = "Loading…";
    try {
      const files = await this.#folder.list();
      if (load === this.#loads) this.#show(files);
    } catch (problem) {
      if (load !== this.#loads) return;
      this.#show([]);
      this.#part("empty").hidden = true;
      offerRetry(this.#part("failure"), problem, () => this.#load());
    }
  }

  #show(files) {
    this.#names = new Set(files.map((file) => file.name));
    this.#part("waiting").textContent = "";
    this.#part("empty").hidden = files.length > 0;
    this.#part("list").replaceChildren(...files.map((file) => this.#row(file)));
  }

  /** @param {import("./files.js").StoredFile} file */
  #row({ name, size, modified }) {
    const row = fill("file-item");
    part(row, "name").textContent = name;
    const day = modified.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    part(row, "about").textContent = `${inWords(size)} · ${day}`;
    part(row, "download").ariaLabel = `Download ${name}`;
    part(row, "remove").ariaLabel = `Delete ${name}`;
    part(row, "download").addEventListener("click", () => this.#download(name));
    part(row, "remove").addEventListener("click", () => this.#remove(name));
    return row;
  }

  async #download(name) {
    try {
      save(await this.#folder.download(name), name);
      notify(`Downloaded “${name}”.`);
    } catch (problem) {
      warn(problem);
      if (problem.status === 404) await this.#load();
    }
  }

  async #remove(name) {
    if (!(await ask(`Delete “${name}”?`, "Delete"))) return;
    try {
      await this.#folder.remove(name);
      await this.#load();
      this.#part("choose").focus();
      notify(`Deleted “${name}”.`);
    } catch (problem) {
      warn(problem);
    }
  }

  /** Uploads one file after another, so that each gets the full bandwidth. */
  #uploadAll(files) {
    for (const file of files) {
      const { row, upload } = this.#prepareUpload(file);
      this.#part("uploads").append(row);
      this.#uploading = this.#uploading.then(upload);
    }
  }

  #prepareUpload(file) {
    const name = fileName(file);
    const row = fill("upload-item");
    const progress = part(row, "progress");
    const { signal, abort } = cancelledBy(part(row, "cancel"));
    part(row, "name").textContent = name;
    progress.ariaLabel = `Uploading ${name}`;
    part(row, "cancel").ariaLabel = `Cancel the upload of ${name}`;
    const upload = async () => {
      try {
        signal.throwIfAborted();
        if (this.#names.has(name) && !(await ask(`Replace the “${name}” in your folder?`, "Replace"))) abort();
        await this.#folder.upload(file, { signal, onProgress: (share) => (progress.value = share) });
        row.remove();
        await this.#load();
        notify(`Uploaded “${name}”.`);
      } catch (problem) {
        if (signal.aborted) row.remove();
        else showFailure(row, problem);
      }
    };
    return { row, upload };
  }

  #acceptDrops() {
    const drop = this.#part("drop");
    const over = (event) => {
      event.preventDefault();
      drop.classList.toggle("over", event.type === "dragover");
    };
    // The whole view accepts drops: a file dropped beside the target would replace the page.
    this.element.addEventListener("dragover", over);
    this.element.addEventListener("dragleave", over);
    this.element.addEventListener("drop", (event) => {
      over(event);
      const entries = [...event.dataTransfer.items].filter((item) => item.kind === "file");
      const files = entries.filter((item) => !item.webkitGetAsEntry()?.isDirectory).map((item) => item.getAsFile());
      if (files.length < entries.length) notify("You can upload files, but not folders.");
      this.#uploadAll(files);
    });
  }
}

/** Returns a signal that a click on *button* aborts, and the function that aborts it. */
function cancelledBy(button) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  button.addEventListener("click", abort);
  return { signal: controller.signal, abort };
}

/** Shows *problem* in the row of its upload until the user closes it. Other uploads continue. */
function showFailure(row, problem) {
  const text = document.createElement("p");
  text.className = "error";
  text.role = "alert";
  part(row, "progress").replaceWith(text);
  text.textContent = describe(problem);
  const close = part(row, "cancel");
  close.textContent = "Close";
  close.ariaLabel = null;
  close.addEventListener("click", () => row.remove());
}

/** Makes the browser save *blob* as a file. */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Revoked later, because the browser may still be reading it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
