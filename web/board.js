/** What the pages that show live data share. */

/** @returns {HTMLElement} */
export const byId = (id) => document.getElementById(id);

/**
 * Makes the children of *parent* show *items* in order. The element of an item that was there before is kept, with its
 * focus and selection.
 * @template Item
 * @param {HTMLElement} parent
 * @param {Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => HTMLElement} make
 * @param {(element: HTMLElement, item: Item) => void} [update] called for new and kept elements
 */
export function reconcile(parent, items, keyOf, make, update = () => {}) {
  const known = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = known.get(key) ?? make(item);
    known.delete(key);
    element.dataset.key = key;
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
    update(element, item);
  }
  for (const element of known.values()) element.remove();
}
