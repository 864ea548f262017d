/** Unary calls by the Connect protocol: a POST of a message, answered by a message, or by an error as JSON. */
import {
  create,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as errors from "../errors.js";
import { fromAnyBytes } from "../wire/canonical.js";

const CONTENT_TYPE = "application/proto";
const PUSHBACK = "trailer-grpc-retry-pushback-ms";
const LONGEST_PAUSE_MS = 60_000;
const MOST_DETAILS = 500;
const MOST_ERROR_BYTES = 1 << 16;
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

export interface Access {
  /** Of the server: https, or http on this very machine. */
  url: URL;
  /** A bearer token, asked for at each call so that it can be renewed. */
  token?: (() => string | Promise<string>) | undefined;
  timeoutMs: number;
}

/** Bytes of messages so far. */
export interface Traffic {
  sent: number;
  received: number;
}

export interface CallOptions {
  /** What is being done, for error messages. */
  doing: string;
  /** The most that an answer may have. */
  mostBytes?: number;
  signal?: AbortSignal | undefined;
}

const MOST_BYTES = 1 << 16;

export function isLoopback(url: URL): boolean {
  // URLs write every form of an IPv4 address as four numbers.
  return ["localhost", "[::1]"].includes(url.hostname) || /^127(\.\d+){3}$/.test(url.hostname);
}

export class Transport {
  readonly traffic: Traffic = { sent: 0, received: 0 };

  constructor(private readonly access: Access) {
    const { url, timeoutMs } = access;
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
      throw new errors.InvalidInputError(`${url.origin} is no address of a server`, "give https://host:port");
    }
    if (url.username || url.password || url.pathname !== "/" || url.search || url.hash) {
      // A password that a message named would lie in logs.
      throw new errors.InvalidInputError(
        `the address of ${url.origin} has more than scheme, host and port`,
        "give https://host:port: a token goes into the option token, and a server answers at the root of its origin",
      );
    }
    if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) {
      throw new errors.InvalidInputError(`timeoutMs must be a positive number of milliseconds, got ${timeoutMs}`);
    }
  }

  get timeoutMs(): number {
    return this.access.timeoutMs;
  }

  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { doing, mostBytes = MOST_BYTES, signal }: CallOptions,
  ): Promise<MessageShape<O>> {
    const body = toBinary(method.input, create(method.input, request)) as Uint8Array<ArrayBuffer>;
    const deadline = AbortSignal.timeout(Math.ceil(this.timeoutMs));
    const ending = signal ? AbortSignal.any([signal, deadline]) : deadline;
    const late = (what: string, advice: string, cause?: unknown) => {
      const message = `${doing}: ${what} within ${this.timeoutMs} ms`;
      return new errors.TimeoutExceededError(message, advice, "DEADLINE_EXCEEDED", undefined, { cause });
    };
    let token: unknown;
    try {
      token = await unlessAborted(ending, async () => this.access.token?.());
    } catch (error) {
      // What the caller's own function throws is the caller's: it says more than anything said here.
      if (error !== deadline.reason) throw error;
      throw late("the option token gave none", "see why the function that gives tokens does not end");
    }
    const headers = this.#headers(token);
    let answer: Uint8Array;
    try {
      const response = await fetch(new URL(`/${method.parent.typeName}/${method.name}`, this.access.url), {
        method: "POST",
        body,
        headers,
        mode: "cors",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: ending,
      });
      this.traffic.sent += body.length;
      if (response.status !== 200 || response.headers.get("content-type") !== CONTENT_TYPE) {
        throw await refusal(response, doing);
      }
      answer = await read(response, mostBytes, doing);
    } catch (error) {
      if (error instanceof errors.CryptableError) throw error;
      if (signal?.aborted) throw signal.reason;
      if (deadline.aborted) throw late("no answer", "try again, with a larger timeoutMs if the server is busy", error);
      const advice = "check that you are online, its address, and that it allows pages of this origin";
      const message = `${doing}: the server cannot be reached`;
      throw new errors.UnavailableError(message, advice, "UNAVAILABLE", undefined, { cause: error });
    }
    this.traffic.received += answer.length;
    return fromAnyBytes(method.output, answer, doing);
  }

  #headers(token: unknown): Record<string, string> {
    const headers = {
      "content-type": CONTENT_TYPE,
      "connect-protocol-version": "1",
      "connect-timeout-ms": String(Math.ceil(this.timeoutMs)),
    };
    if (token === undefined) return headers;
    if (typeof token !== "string") {
      const got = token === null ? "null" : `a ${typeof token}`;
      throw new errors.InvalidInputError(`the token is ${got}`, "give a string, or undefined where there is none");
    }
    if (!TOKEN.test(token)) {
      throw new errors.InvalidInputError("the token has other characters than printable ASCII, or is too long");
    }
    return { ...headers, authorization: `Bearer ${token}` };
  }
}

/** What the work gives, or the signal's reason, whichever comes first. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const done = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { signal: done.signal });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    done.abort();
  }
}

async function read(response: Response, mostBytes: number, doing: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part; reader && !(part = await reader.read()).done;) {
    size += part.value.length;
    if (size > mostBytes) {
      await reader.cancel();
      throw new errors.LimitExceededError(`${doing}: an answer of more than ${mostBytes} bytes`);
    }
    parts.push(part.value);
  }
  const data = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return data;
}

const ERRORS: Record<string, [typeof errors.ServerError, string]> = {
  UNAVAILABLE: [errors.UnavailableError, "try again later"],
  DEADLINE_EXCEEDED: [errors.TimeoutExceededError, "try again, with a larger timeoutMs if it is busy"],
  NOT_FOUND: [errors.NotFoundError, "see what the server offers with listModels()"],
  FAILED_PRECONDITION: [
    errors.SpecChangedError,
    "the model was replaced since this connection was made: connect again",
  ],
  RESOURCE_EXHAUSTED: [errors.OverloadedError, "wait, then try again, or send fewer rows at a time"],
  DATA_LOSS: [errors.DataLossError, "connect again, which sends the evaluation keys again"],
  UNAUTHENTICATED: [errors.AuthenticationError, "the server wants a token that it knows and that has not expired"],
  PERMISSION_DENIED: [errors.AuthenticationError, "ask the server's operator for access"],
  INVALID_ARGUMENT: [errors.RequestRefusedError, "check that client and server have matching versions"],
  UNIMPLEMENTED: [errors.RequestRefusedError, "this is not a Cryptable server, or one of another version"],
};
/** As Connect writes them. */
const CODES = new Set([
  ...Object.keys(ERRORS).map((code) => code.toLowerCase()),
  ...["canceled", "unknown", "already_exists", "aborted", "out_of_range", "internal"],
]);
const FAILED: [typeof errors.ServerError, string] = [errors.ServerError, "the server failed: tell its operator"];

/** Of answers that name no code: what stands between here and the server has answered, in words of its own. */
const CODES_OF_STATUSES: Record<number, string> = {
  400: "INTERNAL",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "UNIMPLEMENTED",
  429: "UNAVAILABLE",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "UNAVAILABLE",
};

async function refusal(response: Response, doing: string): Promise<errors.CryptableError> {
  let code = CODES_OF_STATUSES[response.status] ?? "UNKNOWN";
  let details = `HTTP status ${response.status}`;
  try {
    const said: unknown = JSON.parse(new TextDecoder().decode(await read(response, MOST_ERROR_BYTES, doing)));
    if (typeof said === "object" && said !== null) {
      if ("code" in said && typeof said.code === "string" && CODES.has(said.code)) code = said.code.toUpperCase();
      if ("message" in said && typeof said.message === "string") details = said.message;
    }
  } catch (error) {
    // It was no JSON, or too long; but a connection that breaks, or a caller who gives up, is told as such.
    if (!(error instanceof SyntaxError || error instanceof errors.LimitExceededError)) throw error;
  }
  if (code === "CANCELED") code = "CANCELLED"; // as gRPC spells it
  const [type, advice] = Object.hasOwn(ERRORS, code) ? ERRORS[code]! : FAILED;
  return new type(`${doing}: ${printable(details)} (${code})`, advice, code, retryAfter(response));
}

function retryAfter(response: Response): number | undefined {
  const pushback = response.headers.get(PUSHBACK);
  return pushback !== null && /^\d{1,10}$/.test(pushback) ? Math.min(Number(pushback), LONGEST_PAUSE_MS) : undefined;
}

/** The server wrote it: nothing in it may flood a log or pass for something else. */
export function printable(text: string, most = MOST_DETAILS): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, " ");
}
