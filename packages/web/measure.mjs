/**
 * Measures the client in this Node: keys, a row, an answer, and the size of what a page loads.
 *
 *     npm run build && node measure.mjs [--fast]
 *
 * Medians and the least, in milliseconds, beside the bars that medians of a machine at rest are held against.
 */
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { evaluationKeys } from "./dist/levelled/evaluation_keys.js";
import { UNIVERSAL } from "./dist/levelled/keyset.js";
import { randomBytes } from "./dist/levelled/random.js";
import { decryptAnswer, encryptRow } from "./dist/levelled/row.js";
import { SecretKey } from "./dist/levelled/secret.js";
import { readClientSpec } from "./dist/model/client_spec.js";

const fast = process.argv.includes("--fast");
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

async function timed(times, work) {
  const took = [];
  for (let i = 0; i < (fast ? 3 : times); i++) {
    const begin = performance.now();
    await work();
    took.push(performance.now() - begin);
  }
  took.sort((a, b) => a - b);
  return [took[Math.floor(took.length / 2)], took[0]];
}

const { parameters } = readClientSpec(readFileSync(path("../../protos/vectors/accept/client_spec.levelled.bin")));
const key = SecretKey.generate();
const bits = Array.from({ length: parameters.inputs }, (_, i) => i % 2);
const polynomials = randomBytes(parameters.answerBytes);
const ofAnother = { masks: { case: undefined }, bodies: new Uint8Array(), wordBits: 0 };
const answer = { polynomials, ...ofAnother, rows: 0, rowsPerAnswer: 0 };
const bundle = await build({
  entryPoints: [path("src/index.ts")],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const rows = [
  ["a secret key", await timed(31, () => SecretKey.generate()), "ms", ""],
  [
    `evaluation keys, ${UNIVERSAL.evaluationKeysBytes} bytes`,
    await timed(31, () => evaluationKeys(key, UNIVERSAL)),
    "ms",
    250,
  ],
  ["a row of one polynomial encrypted", await timed(301, () => encryptRow(parameters, key, bits)), "ms", 5],
  ["an answer decrypted", await timed(301, () => decryptAnswer(parameters, key, answer)), "ms", 2],
  [
    "the client, minified and gzipped",
    [gzipSync(bundle.outputFiles[0].contents, { level: 9 }).length / 1000],
    "kB",
    35,
  ],
];
console.log(`Node ${process.versions.node}, ${cpus()[0]?.model ?? "unknown processor"}\n`);
console.log("| what | median | least | bar |\n|---|---|---|---|");
for (const [what, [middle, least], unit, bar] of rows) {
  const figures = [middle, least].map((value) => (value === undefined ? "" : `${value.toFixed(2)} ${unit}`));
  console.log(`| ${[what, ...figures, bar && `${bar} ${unit}`].join(" | ")} |`);
}
