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
const LONGEST_PAUSE_MS = 600_000;
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
  return ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
}

export class Transport {
  readonly traffic: Traffic = { sent: 0, received: 0 };

  constructor(private readonly access: Access) {
    const { url, timeoutMs } = access;
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
      throw new errors.InvalidInputError(`${url.origin} is no address of a server`, "give https://host:port");
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
    const { timeoutMs } = this.access;
    const deadline = AbortSignal.timeout(timeoutMs);
    let answer: Uint8Array;
    try {
      const response = await fetch(new URL(`/${method.parent.typeName}/${method.name}`, this.access.url), {
        method: "POST",
        body,
        headers: await this.#headers(),
        mode: "cors",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      });
      this.traffic.sent += body.length;
      if (response.status !== 200 || response.headers.get("content-type") !== CONTENT_TYPE) {
        throw await refusal(response, doing);
      }
      answer = await read(response, mostBytes, doing);
    } catch (error) {
      if (error instanceof errors.CryptableError) throw error;
      if (signal?.aborted) throw signal.reason;
      if (deadline.aborted) {
        const advice = "try again, with a larger timeoutMs if the server is busy";
        const message = `${doing}: no answer within ${timeoutMs} ms`;
        throw new errors.TimeoutExceededError(message, advice, "DEADLINE_EXCEEDED", undefined, { cause: error });
      }
      const advice = "check that you are online, its address, and that it allows pages of this origin";
      const message = `${doing}: the server cannot be reached`;
      throw new errors.UnavailableError(message, advice, "UNAVAILABLE", undefined, { cause: error });
    }
    this.traffic.received += answer.length;
    return fromAnyBytes(method.output, answer, doing);
  }

  async #headers(): Promise<Record<string, string>> {
    const headers = {
      "content-type": CONTENT_TYPE,
      "connect-protocol-version": "1",
      "connect-timeout-ms": String(Math.ceil(this.access.timeoutMs)),
    };
    const token = await this.access.token?.();
    if (token === undefined) return headers;
    if (!TOKEN.test(token)) {
      throw new errors.InvalidInputError("the token has other characters than printable ASCII, or is too long");
    }
    return { ...headers, authorization: `Bearer ${token}` };
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
const FAILED: [typeof errors.ServerError, string] = [errors.ServerError, "the server failed: tell its operator"];

async function refusal(response: Response, doing: string): Promise<errors.CryptableError> {
  let code = "UNKNOWN";
  let details = `HTTP status ${response.status}`;
  try {
    const said: unknown = JSON.parse(new TextDecoder().decode(await read(response, MOST_ERROR_BYTES, doing)));
    if (typeof said === "object" && said !== null) {
      if ("code" in said && typeof said.code === "string") code = said.code.toUpperCase();
      if ("message" in said && typeof said.message === "string") details = said.message;
    }
  } catch {
    // Something between here and the server has answered, in words of its own.
    if (response.status >= 500) code = "UNAVAILABLE";
  }
  if (code === "CANCELED") code = "CANCELLED"; // as gRPC spells it
  const [type, advice] = Object.hasOwn(ERRORS, code) ? ERRORS[code]! : FAILED;
  return new type(`${doing}: ${printable(details)} (${printable(code)})`, advice, code, retryAfter(response));
}

function retryAfter(response: Response): number | undefined {
  const pushback = response.headers.get(PUSHBACK);
  return pushback !== null && /^\d{1,10}$/.test(pushback) ? Math.min(Number(pushback), LONGEST_PAUSE_MS) : undefined;
}

/** The server wrote it: nothing in it may flood a log or pass for something else. */
function printable(text: string): string {
  const cut = text.length > MOST_DETAILS ? `${text.slice(0, MOST_DETAILS)}…` : text;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, " ");
}
