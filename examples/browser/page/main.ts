/** The page: a form of measurements, what became of them on this device and there, and the answer. */
import {
  connect,
  CryptableError,
  IndexedDbKeyStore,
  UnusedFeature,
  type Answer,
  type RemoteModel,
} from "@cryptable/client";
import config from "./config.js";

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const form = element<HTMLFormElement>("form");
const go = element<HTMLButtonElement>("go");
const status = element("status");
const sample = element<HTMLSelectElement>("sample");
const LARGEST = 6;

/** A patient's measurements, in the order of the features. */
const inputs = config.features.map(({ name, low, high, shown }, i) => {
  const number = document.createElement("input");
  Object.assign(number, { id: `f${i}`, type: "number", step: "any", required: true, min: "0" });
  const label = document.createElement("label");
  label.htmlFor = number.id;
  label.textContent = name;
  const field = document.createElement("div");
  field.className = "field";
  field.append(label, number);
  if (shown) {
    const range = document.createElement("input");
    // Any step: with another one, Firefox finds the form invalid and says nothing.
    Object.assign(range, {
      type: "range",
      min: String(low),
      max: String(high),
      step: "any",
      ariaLabel: `${name}, slider`,
    });
    range.addEventListener("input", () => (number.value = String(Number(Number(range.value).toPrecision(5)))));
    number.addEventListener("input", () => (range.value = number.value));
    field.append(range);
  }
  element(shown ? "main-fields" : "rest-fields").append(field);
  return number;
});
config.patients.forEach(({ malignant }, i) =>
  sample.append(new Option(`patient ${i + 1}, diagnosed ${malignant ? "malignant" : "benign"}`, String(i))),
);
sample.addEventListener("change", fill);
fill();
element("origin").textContent = location.origin;
element("server").textContent = config.server;

function fill(): void {
  config.patients[Number(sample.value)]!.values.forEach((value, i) => {
    inputs[i]!.value = String(value);
    inputs[i]!.dispatchEvent(new Event("input"));
  });
}

function table(id: string, rows: string[][]): void {
  const made = rows.map((cells) => {
    const row = document.createElement("tr");
    cells.forEach((text, i) => {
      const cell = document.createElement(i ? "td" : "th");
      if (!i) (cell as HTMLTableCellElement).scope = "row";
      if (i === cells.length - 1) cell.className = "n";
      cell.textContent = text;
      row.append(cell);
    });
    return row;
  });
  element<HTMLTableElement>(id).tBodies[0]!.replaceChildren(...made);
}

const bytes = (count: number) => count.toLocaleString("en");
const hex = (data: Uint8Array) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0"));

function dump(data: Uint8Array, lines: number): string {
  const shown = Array.from({ length: lines }, (_, i) => {
    const part = hex(data.subarray(16 * i, 16 * i + 16)).join(" ");
    return `${(16 * i).toString(16).padStart(4, "0")}  ${part}`;
  });
  return `${shown.join("\n")}\n… ${bytes(data.length)} bytes in all`;
}

/** The model, once it was reached; what it took, and what was sent before the first question. */
interface Connected {
  model: RemoteModel;
  ms: number;
  sent: number;
}

let connected: Promise<Connected> | undefined;

function reached(): Promise<Connected> {
  connected ??= reach();
  connected.catch(() => (connected = undefined)); // the next question tries again
  return connected;
}

async function reach(): Promise<Connected> {
  const begin = performance.now();
  const model = await connect(config.server, { model: config.model });
  const ms = performance.measure("model reached", { start: begin }).duration; // developer tools show it
  const { encoders } = model.spec;
  encoders.forEach((encoder, i) =>
    inputs[i]!.parentElement!.classList.toggle("unused", encoder instanceof UnusedFeature),
  );
  element("used").textContent = String(encoders.filter((encoder) => !(encoder instanceof UnusedFeature)).length);
  element("key").textContent =
    `Its public part has the fingerprint ${hex(model.evaluationKeysDigest.subarray(0, 8)).join("")}.`;
  return { model, ms, sent: model.traffic.sent };
}

async function ask(): Promise<void> {
  go.disabled = true;
  status.textContent = "Encrypting on this device…";
  try {
    const first = await reached();
    const before = first.model.traffic.sent;
    const answer = await first.model.predict(inputs.map((input) => input.valueAsNumber));
    show(first, answer, first.model.traffic.sent - before);
    status.textContent = "Decrypted on this device.";
  } catch (error) {
    status.textContent =
      error instanceof CryptableError ? `${error.message}.` : `This went wrong here: ${String(error)}`;
  } finally {
    go.disabled = false;
  }
}

function show({ model, ms, sent: atFirst }: Connected, answer: Answer, sent: number): void {
  const { value, probabilities, contributions, report } = answer;
  const malignant = value === 0n;
  const p = probabilities![malignant ? 0 : 1]!;
  element("label").textContent = `${malignant ? "Malignant" : "Benign"}: probability ${(100 * p).toFixed(2)} %`;
  element("label").className = `big ${malignant ? "bad" : "good"}`;
  element("bar").style.width = `${100 * p}%`;
  const patient = config.patients[Number(sample.value)]!;
  const untouched = patient.values.every((known, i) => known === inputs[i]!.valueAsNumber);
  element("known").textContent = untouched
    ? `The diagnosis in the data set: ${patient.malignant ? "malignant" : "benign"}.`
    : "These measurements are your own.";
  const names = model.spec.decoder.contributions;
  const reasons = (contributions?.[0] ?? []).map((amount, i) => ({ name: names[i]!, amount }));
  reasons.sort((one, other) => Math.abs(other.amount) - Math.abs(one.amount));
  table(
    "reasons",
    reasons.slice(0, LARGEST).map(({ name, amount }) => [name, amount > 0 ? "benign" : "malignant", amount.toFixed(3)]),
  );
  const steps = {
    encode: ["Compare with the model's thresholds", "here"],
    encrypt: ["Encrypt", "here"],
    server: [`Evaluate (${report.serverCpuMs.toFixed(1)} ms of CPU) and travel`, "server and network"],
    decrypt: ["Decrypt and read", "here"],
  };
  table("times", [
    ["Keys found or made, model fetched", "here and server", ms.toFixed(1)],
    ...report.phases.map(({ name, ms: took }) => [...steps[name], took.toFixed(1)]),
  ]);
  table("bytes", [
    ["Before the first question: keys, where the server lacked them", bytes(atFirst)],
    ["This question", bytes(sent)],
    ["The answer that came back", bytes(report.answer.length)],
    ["Readable by the server", "0"],
  ]);
  element("saw").textContent = dump(report.query, 6);
  element("answered").textContent = dump(report.answer, 3);
  element("outcome").hidden = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void ask();
});
element("forget").addEventListener("click", async () => {
  try {
    await (await reached()).model.forgetKeys();
  } catch {
    // The server cannot be told: it forgets keys that are not used in its own time.
  }
  const store = await IndexedDbKeyStore.open();
  await store.clear();
  connected = undefined;
  element("key").textContent = "";
  element("outcome").hidden = true;
  status.textContent = "Your keys are forgotten; the next question makes new ones.";
});
addEventListener("offline", () => (status.textContent = "You are offline: a question cannot be sent."));

reached().then(
  () => (status.textContent = "Ready: your keys are in this browser. No measurement has been sent yet."),
  (error: Error) => (status.textContent = `${error.message}.`),
);
