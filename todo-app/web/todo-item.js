/** One todo in the list. The user can tick it, edit it in place and delete it. */

import { ask, fill, notify, onSubmit, part, warn } from "./shared/page.js";
import { addFields, dueDay, readFields, writeFields } from "./todo-fields.js";

const DAY = 24 * 3600_000;
const NAMES = { title: "Title", notes: "Notes", due: "Due", priority: "Priority", tags: "Tags", done: "Done" };

export class TodoItem {
  #api;
  #onTicked;
  #onGone;
  #ticking = Promise.resolve();
  #clicks = 0;

  /**
   * @param {import("./api.js").Todo} todo
   * @param {import("./api.js").Api} api
   * @param {{onTicked: (item: TodoItem) => void, onGone: (item: TodoItem) => void}} list
   */
  constructor(todo, api, { onTicked, onGone }) {
    this.#api = api;
    this.#onTicked = onTicked;
    this.#onGone = onGone;
    this.element = fill("todo-item");
    part(this.element, "done").addEventListener("change", ({ target }) => this.tick(target.checked));
    part(this.element, "edit").addEventListener("click", () => this.#edit());
    part(this.element, "remove").addEventListener("click", () => this.#remove());
    this.#show(todo);
  }

  focus() {
    part(this.element, "done").focus();
  }

  /** Shows the tick at once, and reverts it if it cannot be saved. Saves only the last of several quick clicks. */
  tick(done) {
    const click = ++this.#clicks;
    this.#mark(done);
    this.#ticking = this.#ticking.then(() => click === this.#clicks && this.#keepTick(done, click));
  }

  async #keepTick(done, click) {
    try {
      this.todo = await this.#api.change(this.todo.id, { done });
      if (click !== this.#clicks) return;
      this.#show(this.todo);
      this.#onTicked(this);
    } catch (problem) {
      if (click === this.#clicks) this.#mark(this.todo.done);
      await this.#failed(problem);
    }
  }

  #show(todo) {
    this.todo = todo;
    const { element } = this;
    part(element, "title").textContent = todo.title;
    part(element, "notes").textContent = todo.notes;
    part(element, "facts").replaceChildren(...facts(todo));
    part(element, "edit").ariaLabel = `Edit ${todo.title}`;
    part(element, "remove").ariaLabel = `Delete ${todo.title}`;
    this.#mark(todo.done);
  }

  #mark(done) {
    part(this.element, "done").checked = done;
    this.element.classList.toggle("is-done", done);
  }

  async #remove() {
    if (!(await ask(`Delete “${this.todo.title}”?`, "Delete"))) return;
    await this.#ticking; // a tick in progress makes the version to delete
    try {
      await this.#api.remove(this.todo.id, this.todo.version);
    } catch (problem) {
      if (problem.status !== 404) return this.#failed(problem);
    }
    this.#onGone(this);
    notify("Deleted.");
  }

  /** Shows *problem*. Removes the todo if it no longer exists, or reloads it if it has changed. */
  async #failed(problem) {
    warn(problem);
    if (problem.status === 404) this.#onGone(this);
    if (problem.status === 412) await this.#reload().catch(warn);
  }

  async #reload() {
    this.#show(await this.#api.get(this.todo.id));
  }

  #edit() {
    const before = this.todo;
    const form = fill("todo-editor");
    form.ariaLabel = `Edit ${before.title}`;
    addFields(form);
    writeFields(form, before);
    const asShown = readFields(form);

    const close = () => {
      form.remove();
      part(this.element, "shown").hidden = false;
      part(this.element, "edit").focus();
    };

    onSubmit(form, async () => {
      const changes = difference(asShown, readFields(form));
      await this.#ticking; // a tick in progress makes the version to change
      try {
        if (Object.keys(changes).length) {
          this.#show(await this.#api.change(this.todo.id, changes, this.todo.version));
        }
        close();
      } catch (problem) {
        if (problem.status !== 412) throw problem;
        await this.#reload();
        // The stored todo already has these changes: an earlier answer was lost.
        if (!Object.keys(difference(this.todo, changes)).length) return close();
        part(form, "error").replaceChildren(...conflict(before, this.todo));
      }
    });
    part(form, "cancel").addEventListener("click", close);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      if (event.key === "Enter" && event.target.matches("textarea") && (event.ctrlKey || event.metaKey)) {
        form.requestSubmit();
      }
    });

    part(this.element, "shown").hidden = true;
    this.element.append(form);
    form.elements.title.focus();
  }
}

/** Returns the fields of *after* that differ from *before*. */
function difference(before, after) {
  return Object.fromEntries(
    Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])),
  );
}

/** Returns elements that show how the todo changed during the edit, and what the user can do. */
function conflict(before, now) {
  const { version, updated_at, ...changes } = difference(before, now);
  const news = document.createElement("dl");
  for (const [name, value] of Object.entries(changes)) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = NAMES[name];
    text.textContent = inWords(value);
    news.append(term, text);
  }
  return [
    paragraph("This todo was changed somewhere else in the meantime. The new values:"),
    news,
    paragraph("Save again to overwrite them with your changes, or cancel to keep them."),
  ];
}

function inWords(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return [value].flat().join(", ") || "nothing";
}

function paragraph(text) {
  const element = document.createElement("p");
  element.textContent = text;
  return element;
}

function facts({ due, priority, tags, done }) {
  const found = [];
  if (due) found.push(dueFact(due, done));
  if (priority === "high") found.push(fact("High priority", "high"));
  if (priority === "low") found.push(fact("Low priority", "low"));
  return [...found, ...tags.map((tag) => fact(tag, "tag"))];
}

function dueFact(due, done) {
  const day = dueDay(due);
  const days = Math.round((day - dueDay(new Date().toISOString())) / DAY);
  const text = days < 0 && !done ? `Overdue, ${dayInWords(day, days)}` : `Due ${dayInWords(day, days)}`;
  return fact(text, days < 0 && !done ? "overdue" : "due");
}

function dayInWords(day, days) {
  if (Math.abs(days) <= 1) return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(days, "day");
  const year = day.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return day.toLocaleDateString("en-GB", { day: "numeric", month: "short", year });
}

function fact(text, kind) {
  const element = document.createElement("li");
  element.className = kind;
  element.textContent = text;
  return element;
}
