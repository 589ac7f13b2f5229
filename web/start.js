/** Starts a page that has accounts. */

import { loadConfig } from "./aws.js";
import { loadDocument } from "./http.js";
import { offerRetry } from "./page.js";

/**
 * Loads the configuration and the shared templates, then calls *run*. Shows what failed and offers another try.
 * @param {(config: import("./aws.js").Config) => void} run
 */
export function start(run) {
  const main = document.getElementById("main");
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the hash names the view
    main.focus();
  });
  Promise.all([loadConfig(), loadDocument(new URL("templates.html", import.meta.url))]).then(
    ([config, templates]) => {
      document.body.append(...templates.body.children);
      run(config);
    },
    (problem) => {
      const failure = document.createElement("div");
      failure.className = "starting";
      offerRetry(failure, problem, () => location.reload());
      main.replaceChildren(failure);
    },
  );
}
