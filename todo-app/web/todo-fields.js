/** Reads and writes the fields of a todo in a form: the form for a new todo, and the editor. */

import { fill, part } from "./shared/page.js";

const TAG_LENGTH = 50;
const TAGS = 20;

/** Adds the fields other than the title to *form*. */
export function addFields(form) {
  part(form, "fields").replaceWith(fill("todo-fields"));
  const { tags } = form.elements;
  tags.addEventListener("input", () => tags.setCustomValidity(complaint(tagList(tags.value))));
}

/** Sets the fields of *form* to those of *todo*. @param {import("./api.js").Todo} todo */
export function writeFields(form, todo) {
  const { title, notes, due, priority, tags } = form.elements;
  title.value = todo.title;
  notes.value = todo.notes;
  due.value = todo.due ? isoDay(dueDay(todo.due)) : "";
  priority.value = todo.priority;
  tags.value = todo.tags.join(", ");
}

/** @returns {{title: string, notes: string, due: string | null, priority: string, tags: string[]}} */
export function readFields(form) {
  const { title, notes, due, priority, tags } = form.elements;
  return {
    title: title.value.trim(),
    notes: notes.value,
    due: due.value || null,
    priority: priority.value,
    tags: tagList(tags.value),
  };
}

/** Returns the local day of a `due`, which is a date, or a date and time. @returns {Date} */
export function dueDay(due) {
  const moment = new Date(due.length === "2026-01-31".length ? `${due}T00:00` : due);
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
}

function isoDay(day) {
  const two = (number) => String(number).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

function tagList(text) {
  return [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];
}

/** Returns what is wrong with *tags* as a sentence, or an empty text. */
function complaint(tags) {
  if (tags.length > TAGS) return `Use at most ${TAGS} tags.`;
  if (tags.some((tag) => tag.length > TAG_LENGTH)) return `A tag can have at most ${TAG_LENGTH} characters.`;
  return "";
}
