/**
 * Predicts rows of models with the built client: node predict.mjs CLIENT URL < {"MODEL": [rows]}, answers as JSON.
 *
 * Numbers are written by their shortest digits, which tell a double from every other.
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [client, url] = process.argv.slice(2);
const { connect, listModels } = await import(pathToFileURL(client));

const rows = JSON.parse(readFileSync(0, "utf8"));
const out = {
  models: (await listModels(url)).map(({ name }) => name),
  answers: {},
  together: {},
  sent: {},
  refusals: {},
};
const said = ({ value, scores, probabilities, contributions, report }) => ({
  value,
  scores,
  probabilities,
  contributions,
  bytes: report.query.length,
});
for (const [name, table] of Object.entries(rows)) {
  for (const rowsTogether of [false, true]) {
    const model = await connect(url, { model: name, rowsTogether });
    const answers = await model.predictAll(table);
    const reports = new Set(answers.map(({ report }) => report));
    const bytes = [...reports].reduce((sum, { query, answer }) => sum + query.length + answer.length, 0);
    (rowsTogether ? out.together : out.answers)[name] = answers.map(said);
    (out.sent[name] ??= []).push([reports.size, bytes]);
  }
}
for (const [what, attempt] of Object.entries({
  scheme: () => connect(url, { model: "tables" }),
  model: () => connect(url, { model: "nothing" }),
  row: async () => (await connect(url, { model: "classes" })).predict([1, 2, 3]),
})) {
  const { name, message, advice } = await attempt().then(String, (error) => error);
  out.refusals[what] = { name, message, advice };
}
const model = await connect(url, { model: "classes" });
const digest = Buffer.from(model.evaluationKeysDigest).toString("hex");
await model.forgetKeys();
const again = await connect(url, { model: "classes" });
out.keysDiffer = digest !== Buffer.from(again.evaluationKeysDigest).toString("hex");
await again.forgetKeys();
const plain = (_, value) => (typeof value === "bigint" ? Number(value) : value);
process.stdout.write(JSON.stringify(out, plain));
