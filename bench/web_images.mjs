// Writes the picture in a file in each format that sharp can write for the web: node web_images.mjs NODE_FOLDER PICTURE INTO
import { createRequire } from "node:module";

const [folder, picture, into] = process.argv.slice(2);
const sharp = createRequire(`${folder}/`)("sharp");
const opaque = () => sharp(picture).flatten({ background: "#fff" });
const transparent = () => sharp(picture);

const files = {
  "baseline.jpg": opaque().jpeg({ quality: 90 }),
  "progressive.jpg": opaque().jpeg({ quality: 90, progressive: true }),
  "4:4:4.jpg": opaque().jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  "mozjpeg.jpg": opaque().jpeg({ quality: 80, mozjpeg: true }),
  "grey.jpg": opaque().greyscale().jpeg(),
  "cmyk.jpg": opaque().toColourspace("cmyk").jpeg({ quality: 95 }),
  "p3.jpg": opaque().withIccProfile("p3").jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  "orientation 6.jpg": opaque().withMetadata({ orientation: 6 }).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  "true colour.png": opaque().png(),
  "alpha.png": transparent().png(),
  "interlaced.png": transparent().png({ progressive: true }),
  "palette.png": opaque().png({ palette: true }),
  "palette and alpha.png": transparent().png({ palette: true }),
  "4 colours.png": opaque().png({ palette: true, colours: 4 }),
  "16 bits.png": transparent().toColourspace("rgb16").png(),
  "16 bits of grey.png": opaque().toColourspace("grey16").png(),
  "grey and alpha.png": transparent().greyscale().png(),
  "p3.png": transparent().withIccProfile("p3").png(),
  "orientation 5.png": opaque().withMetadata({ orientation: 5 }).png(),
  "lossy.webp": opaque().webp({ quality: 90 }),
  "lossy with alpha.webp": transparent().webp({ quality: 90 }),
  "lossless.webp": transparent().webp({ lossless: true }),
  "near lossless.webp": transparent().webp({ nearLossless: true }),
  "smart subsampling.webp": opaque().webp({ smartSubsample: true }),
  "p3.webp": opaque().withIccProfile("p3").webp({ lossless: true }),
  "orientation 8.webp": opaque().withMetadata({ orientation: 8 }).webp({ lossless: true }),
  "plain.gif": opaque().gif(),
  "transparent.gif": transparent().gif(),
  "8 bits.avif": opaque().avif({ quality: 90 }),
  "8 bits with alpha.avif": transparent().avif({ quality: 90 }),
  "4:2:0.avif": opaque().avif({ quality: 90, chromaSubsampling: "4:2:0" }),
  "lossless.avif": opaque().avif({ lossless: true }),
  "p3.avif": opaque().withIccProfile("p3").avif({ quality: 95 }),
};

for (const [name, image] of Object.entries(files)) await image.toFile(`${into}/${name}`);
