// Reads a JSON list of [amount, currency] from standard input, and writes what a page shows for each.

import { readFileSync } from "node:fs";
import { money } from "../../web/money.js";

const prices = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(prices.map((price) => money(...price))));
