/** A page whose test calls it with tables of rows: what the client in a browser makes of them, and how long that takes. */
import { connect, type Row } from "@cryptable/client";

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

Object.assign(globalThis, {
  async predictRows(url: string, tables: Record<string, Row[]>) {
    const found: Record<string, unknown> = {};
    const times: Record<string, number[]> = {};
    for (const [name, rows] of Object.entries(tables)) {
      // Keys with an end, which every model but the first finds and unseals.
      const model = await connect(url, { model: name, account: "rows", keyDays: 30 });
      const answers = await model.predictAll(rows);
      for (const { report } of answers) {
        for (const { name: phase, ms } of report.phases) (times[phase] ??= []).push(ms);
      }
      found[name] = answers.map(({ value, scores, probabilities, contributions }) => ({
        value: typeof value === "bigint" ? Number(value) : value,
        scores,
        probabilities,
        contributions,
      }));
    }
    return { found, medians: Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, median(ms)])) };
  },
});
