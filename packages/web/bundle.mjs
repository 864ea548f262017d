/**
 * Bundles and minifies an entry point of a page with the client, as a page author would.
 *
 *     node bundle.mjs ENTRY OUT     write it, and print its bytes, also gzipped
 *
 * `config.js` beside the bundle is left to the browser.
 */
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const [entry, out] = process.argv.slice(2);
await build({
  entryPoints: [entry],
  outfile: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  external: ["./config.js"],
  alias: { "@cryptable/client": fileURLToPath(new URL("src/index.ts", import.meta.url)) },
  nodePaths: [fileURLToPath(new URL("node_modules", import.meta.url))],
});
const data = readFileSync(out);
console.log(`${data.length} bytes, ${gzipSync(data, { level: 9 }).length} gzipped`);
