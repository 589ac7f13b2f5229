/** The list of todos: newest first, filtered, page by page; and the form for a new one. */

import { fill, hush, offerAgain, onSubmit, part, tell } from "./shared/page.js";
import { addFields, readFields } from "./todo-fields.js";
import { TodoItem } from "./todo-item.js";

const DONE = { all: undefined, open: false, done: true };
const EMPTY = {
  all: "Nothing here yet. What is the first thing to be done?",
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
      hush(); // an undo belongs to the list that was shown
      this.#load();
    });
    this.#part("more").addEventListener("click", () => this.#load({ more: true }));
    this.#prepareAdder();
  }

  /** Called each time the view comes up; an editor left open keeps its text. */
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
      // One that was added while we waited is there already.
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
      offerAgain(this.#part("failure"), problem, () => this.#load({ more }));
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
    tell(`${done ? "Done" : "Open again"}: “${title}”.`, { verb: "Undo", run: () => this.#putBack(item, !done) });
  }

  #putBack(item, done) {
    if (DONE[this.#filter] === done) this.#insert(item);
    item.tick(done);
  }

  /** Takes *item* out of the list and leaves the focus beside where it was. */
  #drop(item) {
    const index = this.#items.indexOf(item);
    if (index < 0) return;
    const hadFocus = item.element.contains(document.activeElement) || document.activeElement === document.body;
    this.#items.splice(index, 1);
    item.element.remove();
    this.#settle();
    if (hadFocus) (this.#items[index] ?? this.#items[index - 1] ?? this.#part("adder").elements.title).focus();
  }

  /** Puts *item* where it belongs: ids sort by time. */
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
    // One key for one text: sent again after a failure, it cannot be added twice.
    let key = crypto.randomUUID();
    form.addEventListener("input", () => (key = crypto.randomUUID()));
    // A browser cannot point at a wrong field that is folded away.
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
    tell(`Added “${todo.title}”.`);
  }
}
