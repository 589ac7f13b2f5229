// Prints the links per second of CPU time that AWS's signer signs: node signer.mjs NODE_FOLDER PRIVATE_KEY SECONDS
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, file, seconds] = process.argv.slice(2);
const { getSignedUrl } = createRequire(`${folder}/`)("@aws-sdk/cloudfront-signer");
const privateKey = readFileSync(file, "utf8");
const dateLessThan = new Date(2_000_000_000_000).toISOString();
const sign = (number) =>
  getSignedUrl({
    url: `https://d111111abcdef8.cloudfront.net/videos/${number}/video.mp4`,
    keyPairId: "KEXAMPLE",
    dateLessThan,
    privateKey,
  });
const cpu = () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6;

for (let number = 0; number < 200; number++) sign(number); // until the code is compiled
const started = cpu();
let links = 0;
while (cpu() - started < Number(seconds)) {
  sign(links);
  links++;
}
console.log(links / (cpu() - started));
