// Reads a JSON list of requests from standard input, and writes what AWS's signer makes of each.

import { readFileSync } from "node:fs";
import { getSignedCookies, getSignedUrl } from "@aws-sdk/cloudfront-signer";

const requests = JSON.parse(readFileSync(0, "utf8"));
const answers = requests.map(({ cookies, ...request }) => (cookies ? getSignedCookies(request) : getSignedUrl(request)));
process.stdout.write(JSON.stringify(answers));
