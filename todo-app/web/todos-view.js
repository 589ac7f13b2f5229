/** The list of todos, newest first, with a filter and pages; and the form for a new todo. */

import { dismiss, fill, notify, offerRetry, onSubmit, part } from "./shared/page.js";
import { addFields, readFields } from "./todo-fields.js";
import { TodoItem } from "./todo-item.js";

const DONE = { all: undefined, open: false, done: true };
const EMPTY = {
  all: "Nothing here yet. Add your first todo.",
  open: "Nothing left to do. Well done!",
  done: "Nothing is done yet.",
};

export class TodosView {
  #api;
  #items = [];
  #cursor = null;
  #loading = new AbortController();

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.#api = api;
    this.element = fill("todos-view");
    this.#part("filter").addEventListener("change", () => {
      dismiss(); // the notice may offer an undo that belongs to the old list
      this.#load();
    });
    this.#part("more").addEventListener("click", () => this.#load({ more: true }));
    this.#prepareAdder();
  }

  /** Called each time the view is shown. Does not reload while an editor is open, to keep its text. */
  enter() {
    if (!this.#part("list").querySelector("form")) this.#load();
  }

  get #filter() {
    return this.element.querySelector("[name=filter]:checked").value;
  }

  #part(name) {
    return part(this.element, name);
  }

  async #load({ more = false } = {}) {
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    this.#wait(more);
    try {
      const query = { done: DONE[this.#filter], cursor: more ? this.#cursor : null, signal };
      const { items, cursor } = await this.#api.list(query);
      if (signal.aborted) return;
      // A todo that was added during the request is in the list already.
      const known = new Set(this.#items.map(({ todo }) => todo.id));
      const loaded = items.filter(({ id }) => !known.has(id)).map((todo) => this.#item(todo));
      this.#items.push(...loaded);
      this.#cursor = cursor;
      this.#part("list").append(...loaded.map((item) => item.element));
      this.#settle();
      if (more) loaded[0]?.focus();
    } catch (problem) {
      if (signal.aborted) return;
      this.#settle();
      this.#part("empty").hidden = true;
      offerRetry(this.#part("failure"), problem, () => this.#load({ more }));
    }
  }

  #wait(more) {
    if (!more) {
      this.#items = [];
      this.#cursor = null;
      this.#part("list").replaceChildren();
    }
    this.#part("failure").replaceChildren();
    this.#part("empty").hidden = true;
    this.#part("more").hidden = true;
    this.#part("waiting").textContent = "Loading…";
  }

  #settle() {
    this.#part("waiting").textContent = "";
    this.#part("more").hidden = this.#cursor === null;
    this.#part("empty").textContent = EMPTY[this.#filter];
    this.#part("empty").hidden = this.#items.length > 0 || this.#cursor !== null;
  }

  #item(todo) {
    return new TodoItem(todo, this.#api, {
      onTicked: (item) => this.#ticked(item),
      onGone: (item) => this.#drop(item),
    });
  }

  #ticked(item) {
    const { title, done } = item.todo;
    const wanted = DONE[this.#filter];
    if (wanted === undefined || wanted === done || !this.#items.includes(item)) return;
    this.#drop(item);
    notify(`${done ? "Done" : "Reopened"}: “${title}”.`, { verb: "Undo", run: () => this.#putBack(item, !done) });
  }

  #putBack(item, done) {
    if (DONE[this.#filter] === done) this.#insert(item);
    item.tick(done);
  }

  /** Removes *item* from the list, and moves the focus to its neighbour. */
  #drop(item) {
    const index = this.#items.indexOf(item);
    if (index < 0) return;
    const hadFocus = item.element.contains(document.activeElement) || document.activeElement === document.body;
    this.#items.splice(index, 1);
    item.element.remove();
    this.#settle();
    if (hadFocus) (this.#items[index] ?? this.#items[index - 1] ?? this.#part("adder").elements.title).focus();
  }

  /** Inserts *item* in order of time, which is the order of the ids. */
  #insert(item) {
    const found = this.#items.findIndex(({ todo }) => todo.id < item.todo.id);
    const index = found < 0 ? this.#items.length : found;
    this.#part("list").insertBefore(item.element, this.#items[index]?.element ?? null);
    this.#items.splice(index, 0, item);
    this.#settle();
  }

  #prepareAdder() {
    const form = this.#part("adder");
    addFields(form);
    // The key changes only with the text, so a second try after a failure cannot add the todo twice.
    let key = crypto.randomUUID();
    form.addEventListener("input", () => (key = crypto.randomUUID()));
    // A browser cannot show the error of a field in closed details, so this opens them.
    form.addEventListener("invalid", ({ target }) => (this.#part("details").open ||= target.name !== "title"), true);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("textarea") && (event.ctrlKey || event.metaKey)) {
        form.requestSubmit();
      }
    });
    onSubmit(form, async () => {
      const todo = await this.#api.add(readFields(form), key);
      form.reset();
      key = crypto.randomUUID();
      this.#part("details").open = false;
      form.elements.title.focus();
      this.#added(todo);
    });
  }

  #added(todo) {
    if (this.#filter === "done") {
      this.element.querySelector("[name=filter][value=all]").checked = true;
      this.#load();
    } else {
      this.#insert(this.#item(todo));
    }
    notify(`Added “${todo.title}”.`);
  }
}
