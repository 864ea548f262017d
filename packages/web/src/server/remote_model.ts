/** RemoteModel: a model on a server, to be used like one at hand. Rows are encrypted and answers decrypted here. */
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeRow, type Row } from "../encoding/encoders.js";
import type { Prediction } from "../encoding/decoder.js";
import { quoted } from "../encoding/encoder.js";
import {
  DataLossError,
  InvalidInputError,
  KeysExpiredError,
  KeyStoreError,
  MalformedMessageError,
  NotFoundError,
  ServerError,
  SpecChangedError,
  UnavailableError,
} from "../errors.js";
import { Inference } from "../generated/cryptable/v1/inference_pb.js";
import { EncryptedTensorSchema } from "../generated/cryptable/v1/tensor_pb.js";
import { IndexedDbKeyStore } from "../keys/indexed_db.js";
import { MemoryKeyStore } from "../keys/memory.js";
import { haveExpired, type Keys, type KeyStore } from "../keys/store.js";
import { evaluationKeys } from "../levelled/evaluation_keys.js";
import { PUBLIC_PAIR, UNIVERSAL, type Keyset } from "../levelled/keyset.js";
import { decryptAnswer, decryptTogether, encryptRow, encryptTogether } from "../levelled/row.js";
import { SecretKey } from "../levelled/secret.js";
import { readBatch, type Batch } from "../levelled/together.js";
import { readClientSpec, type ClientSpec } from "../model/client_spec.js";
import { MAX_CLIENT_SPEC_BYTES, MAX_MODEL_LIST_BYTES, MAX_NAME_LENGTH } from "../wire/limits.js";
import { isLoopback, printable, Transport, type Traffic } from "./transport.js";
import { checkSigner, checkTrust } from "./trust.js";
import { deleteUploaded, ensureUploaded, pause } from "./upload.js";

const TIMEOUT_MS = 120_000;
const ATTEMPTS = 3;
const DAY_MS = 86_400_000;
const FRAMING = 1 << 16; // beside a specification, in the answer that carries it
const ROWS_UNDERWAY = 4;

export interface ServerOptions {
  /** A bearer token, or what gives one at each call, so that a short-lived one can be renewed. */
  token?: string | (() => string | Promise<string>);
  /** Milliseconds to wait for each answer. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface ForgetOptions extends ServerOptions {
  /** Where keys and pins are kept: by default in IndexedDB where there is one, else in memory. */
  store?: KeyStore;
  /** Of several users of one browser, or one user's several identities: each has keys of its own. */
  account?: string;
}

export interface ConnectOptions extends ForgetOptions {
  /** The model's name there. */
  model: string;
  /** Ed25519 public key that must have signed the model, in hexadecimal. */
  signer?: string;
  /** Whether to remember who signed the model and its crypto parameters; by default unless the server is this machine. */
  pins?: boolean;
  /** Remember what comes, whatever was remembered. */
  acceptChanges?: boolean;
  /** Days that keys are used for which are made now; by default they never expire. */
  keyDays?: number;
  /**
   * Whether `predictAll` sends rows together, several in one message, where the server packs their answers: fewer bytes for more
   * CPU there. By default where the server is another machine.
   */
  rowsTogether?: boolean;
}

export interface ModelSummary {
  name: string;
  version: string;
}

/** What one prediction took, and what left and reached the device: of rows together, what all of them did. */
export interface Report {
  /** Milliseconds, in the order in which they passed. */
  phases: { name: "encode" | "encrypt" | "server" | "decrypt"; ms: number }[];
  /** The encrypted row and answer, as the server saw them. */
  query: Uint8Array;
  answer: Uint8Array;
  /** What the server says of its evaluation; 0 where that is no time. */
  serverCpuMs: number;
}

export interface Answer extends Prediction {
  report: Report;
}

/** The models that a server offers. */
export async function listModels(address: string | URL, options: ServerOptions = {}): Promise<ModelSummary[]> {
  const { models } = await transportTo(address, options).call(
    Inference.method.listModels,
    {},
    { doing: "listing the server's models", mostBytes: MAX_MODEL_LIST_BYTES, signal: options.signal },
  );
  return models.map(({ name, version }) => ({ name, version: printable(version, MAX_NAME_LENGTH) }));
}

/** Fetch a model's specification, check it, find keys or make them, and upload the evaluation keys where they are lacking. */
export async function connect(address: string | URL, options: ConnectOptions): Promise<RemoteModel> {
  const { model, account = "", signer, acceptChanges = false, keyDays = Infinity, signal } = options;
  checkSigner(signer);
  if (!(keyDays > 0)) throw new InvalidInputError(`keyDays is ${quoted(keyDays)}, expected a positive number of days`);
  if (!globalThis.crypto?.subtle) {
    throw new KeyStoreError("there is no WebCrypto here, which keys are made with", "serve the page over https");
  }
  const transport = transportTo(address, options);
  const url = new URL(address);
  const doing = `fetching model ${JSON.stringify(model)}`;
  const [store, response] = await Promise.all([
    options.store ?? defaultStore(),
    transport.call(
      Inference.method.getModel,
      { name: model },
      { doing, mostBytes: MAX_CLIENT_SPEC_BYTES + FRAMING, signal },
    ),
  ]);
  const bytes = new Uint8Array(response.clientSpec);
  const spec = readClientSpec(bytes);
  if (spec.modelName !== model) {
    throw new MalformedMessageError(`${doing}: got the specification of ${JSON.stringify(spec.modelName)}`);
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const pins = (options.pins ?? !isLoopback(url)) ? store : undefined;
  await checkTrust({ signer, pins, acceptChanges }, { server: url.origin, spec, digest }, response);
  const { keyset } = spec.parameters;
  const name = keyName(keyset, url, account);
  const keys = await store.exclusively(
    name,
    async () => {
      let held = await store.find(name);
      if (held && haveExpired(held)) {
        await discard(transport, store, name, signal);
        held.secret.erase();
        held = undefined;
      }
      const keys = held ?? (await made(keyset, store, name, keyDays));
      await ensureUploaded(transport, { keyset, digest: keys.digest, data: () => bytesOf(store, name) }, signal);
      return keys;
    },
    signal,
  );
  const version = printable(response.version, MAX_NAME_LENGTH);
  const batch = (options.rowsTogether ?? !isLoopback(url)) ? await batchOf(spec, response.packed) : undefined;
  return new RemoteModel(transport, store, name, keys, spec, digest, version, batch);
}

/**
 * Delete an account's keys here and their evaluation keys on the server, also where they can no longer be read: the next
 * `connect` makes new ones. Where the server cannot be told, nothing is deleted, so that it can be tried again.
 */
export async function forgetKeys(address: string | URL, options: ForgetOptions = {}): Promise<void> {
  const transport = transportTo(address, options);
  const store = options.store ?? (await defaultStore());
  for (const keyset of [UNIVERSAL, PUBLIC_PAIR]) {
    await forget(transport, store, keyName(keyset, new URL(address), options.account ?? ""), options.signal);
  }
}

/** A model on a server; made by `connect`. */
export class RemoteModel {
  constructor(
    private readonly transport: Transport,
    private readonly store: KeyStore,
    private readonly keyName: string,
    private readonly keys: Keys,
    readonly spec: ClientSpec,
    private readonly digest: Uint8Array,
    /** As its developer named it. */
    readonly version: string,
    /** How rows travel together, as far as they do. */
    private batch?: Batch,
  ) {}

  get name(): string {
    return this.spec.modelName;
  }

  /** Of the columns that a row has, in order. */
  get featureNames(): string[] {
    return this.spec.encoders.map((encoder) => encoder.name);
  }

  /** Bytes of messages so far. */
  get traffic(): Readonly<Traffic> {
    return this.transport.traffic;
  }

  /** SHA-256 of the evaluation keys, by which the server knows them. */
  get evaluationKeysDigest(): Uint8Array {
    return this.keys.digest.slice();
  }

  /**
   * What the model says of a row, of which the server sees ciphertext alone.
   *
   * Throws InvalidInputError where the row does not fit the model, and KeysExpiredError where the keys are past their date: then
   * nothing was sent; ServerError where the server failed or refused; MalformedMessageError where its answer is not of the
   * model's form.
   */
  async predict(row: Row, { signal }: { signal?: AbortSignal } = {}): Promise<Answer> {
    return (await this.#predict([row], undefined, signal))[0]!;
  }

  /** Of one row, or of several by one message. */
  async #predict(rows: readonly Row[], batch: Batch | undefined, signal?: AbortSignal): Promise<Answer[]> {
    const { spec } = this;
    const clock = new Laps();
    const elements = rows.map((row) => encodeRow(spec.encoders, row));
    if (haveExpired(this.keys)) {
      throw new KeysExpiredError("these keys are past their date", "connect again, which makes new ones");
    }
    clock.lap("encode");
    let patience = this.transport.timeoutMs;
    for (let attempt = 1; ; attempt++) {
      const { secret } = this.keys;
      const query = batch
        ? await encryptTogether(batch, secret, elements)
        : await encryptRow(spec.parameters, secret, elements[0]!);
      clock.lap("encrypt");
      try {
        const header = {
          modelName: spec.modelName,
          clientSpecDigest: this.digest,
          evaluationKeys: this.keys.digest,
          ...(batch && { batch: batch.digest }),
        };
        const answer = await this.transport.call(
          Inference.method.inferRow,
          { header, row: query },
          { doing: `evaluating with model ${JSON.stringify(spec.modelName)}`, signal },
        );
        clock.lap("server");
        if (!answer.result) throw new MalformedMessageError("the server answers without a result");
        const values = batch
          ? decryptTogether(batch, secret, answer.result, rows.length)
          : [decryptAnswer(spec.parameters, secret, answer.result)];
        const predictions = values.map((own) => spec.decoder.decode(own));
        clock.lap("decrypt");
        const cpuMs = answer.cpuSeconds * 1000;
        const report: Report = {
          phases: clock.phases,
          query: toBinary(EncryptedTensorSchema, create(EncryptedTensorSchema, query)),
          answer: toBinary(EncryptedTensorSchema, answer.result),
          serverCpuMs: Number.isFinite(cpuMs) && cpuMs >= 0 ? cpuMs : 0,
        };
        return predictions.map((prediction) => ({ ...prediction, report }));
      } catch (error) {
        // The status decides, never an answer; the row is encrypted anew.
        if (attempt === ATTEMPTS || !(error instanceof ServerError)) throw error;
        if (!(await this.#mended(error, patience, signal))) throw error;
        patience -= error.retryAfterMs ?? 0;
        clock.lap("server");
      }
    }
  }

  /** `predict` for several rows, a few messages at once, each of one row or several; answers in the order of the rows. */
  async predictAll(rows: readonly Row[], options: { signal?: AbortSignal } = {}): Promise<Answer[]> {
    rows.forEach((row, i) => {
      try {
        encodeRow(this.spec.encoders, row);
      } catch (error) {
        if (error instanceof InvalidInputError) throw new InvalidInputError(`row ${i}: ${error.message}`);
        throw error;
      }
    });
    const answers = new Array<Answer>(rows.length);
    const failed = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
    const batch = rows.length > 1 ? this.batch : undefined;
    const messages = batch ? Math.ceil(rows.length / batch.mostRows) : rows.length;
    const size = Math.ceil(rows.length / Math.max(1, messages));
    let next = 0;
    const work = async () => {
      try {
        for (let i; !signal.aborted && (i = size * next++) < rows.length;)
          (await this.#predict(rows.slice(i, i + size), batch, signal)).forEach(
            (answer, j) => (answers[i! + j] = answer),
          );
        options.signal?.throwIfAborted();
      } catch (error) {
        failed.abort(error); // no caller gets the other rows' answers: they need not be sent
        throw error;
      }
    };
    try {
      await Promise.all(Array.from({ length: ROWS_UNDERWAY }, work));
    } catch (error) {
      if (!batch || !(error instanceof SpecChangedError)) throw error;
      this.batch = undefined; // the server takes rows in another way now: another specification is refused when alone
      return this.predictAll(rows, options);
    }
    return answers;
  }

  /**
   * Delete these keys here, and their evaluation keys on the server; this model is then of no more use. Where the server
   * cannot be told, nothing is deleted, so that it can be tried again.
   */
  async forgetKeys({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await forget(this.transport, this.store, this.keyName, signal);
    this.keys.secret.erase();
  }

  async #mended(error: ServerError, patience: number, signal?: AbortSignal): Promise<boolean> {
    if (error instanceof NotFoundError || error instanceof DataLossError) {
      // The server may have lost the evaluation keys in the meantime.
      const { keyset } = this.spec.parameters;
      const data = () => bytesOf(this.store, this.keyName);
      return this.store.exclusively(
        this.keyName,
        () => ensureUploaded(this.transport, { keyset, digest: this.keys.digest, data }, signal),
        signal,
      );
    }
    // A server that asks for more patience is not waited for: the caller hears how long it would be.
    const wait = error instanceof UnavailableError ? error.retryAfterMs : undefined;
    if (wait === undefined || wait > patience) return false;
    await pause(wait, signal);
    return true;
  }
}

/** Times of a call's phases; of phases that are repeated, the sum. */
class Laps {
  readonly phases: Report["phases"] = [];
  #since = performance.now();

  lap(name: Report["phases"][number]["name"]): void {
    const now = performance.now();
    const ms = now - this.#since;
    this.#since = now;
    const found = this.phases.find((phase) => phase.name === name);
    if (found) found.ms += ms;
    else this.phases.push({ name, ms });
  }
}

/** How rows travel together; undefined where they do not, or in a way of a later version. */
async function batchOf(spec: ClientSpec, data: Uint8Array): Promise<Batch | undefined> {
  if (!data.length) return undefined;
  try {
    return await readBatch(spec.parameters, new Uint8Array(data));
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

function transportTo(address: string | URL, { token, timeoutMs = TIMEOUT_MS }: ServerOptions): Transport {
  if (!URL.canParse(String(address))) {
    throw new InvalidInputError(`${JSON.stringify(String(address).slice(0, 80))} is no URL`, "give https://host:port");
  }
  return new Transport({ url: new URL(address), token: typeof token === "string" ? () => token : token, timeoutMs });
}

/** Under which a store has the keys of an account at a server. */
function keyName(keyset: Keyset, url: URL, account: string): string {
  return [`keyset ${keyset.number}`, url.origin, account].join(" ");
}

function forget(transport: Transport, store: KeyStore, name: string, signal?: AbortSignal): Promise<void> {
  return store.exclusively(name, () => discard(transport, store, name, signal), signal);
}

async function discard(transport: Transport, store: KeyStore, name: string, signal?: AbortSignal): Promise<void> {
  const digest = await store.digest(name);
  // The server first: whoever has forgotten the digest can no longer tell it.
  if (digest) await deleteUploaded(transport, digest, signal);
  await store.remove(name);
}

let inMemory: MemoryKeyStore | undefined;

function defaultStore(): Promise<KeyStore> | KeyStore {
  if (typeof window === "undefined" && typeof indexedDB === "undefined") return (inMemory ??= new MemoryKeyStore());
  return IndexedDbKeyStore.open();
}

async function made(keyset: Keyset, store: KeyStore, name: string, days: number): Promise<Keys> {
  const secret = SecretKey.generate();
  const data = await evaluationKeys(secret, keyset);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  const created = Date.now();
  const keys = { secret, digest, created, ...(days < Infinity && { expires: created + days * DAY_MS }) };
  await store.add(name, keys, data);
  return keys;
}

async function bytesOf(store: KeyStore, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const data = await store.evaluationKeys(name);
  if (!data) throw new InvalidInputError("these keys were forgotten", "connect again");
  return data;
}
