/** Getting evaluation keys to a server: asked for, then sent in pieces, and where that breaks, from there on. */
import { DataLossError, MalformedMessageError, NotFoundError, UnavailableError } from "../errors.js";
import { Inference } from "../generated/cryptable/v1/inference_pb.js";
import { keysetName } from "../levelled/keyset.js";
import { CHUNK_BYTES } from "../wire/limits.js";
import type { Transport } from "./transport.js";

const PAUSES_MS = [500, 1000]; // before each new attempt that the last one brought no further
const MOST_PIECES = 64;

export interface Uploaded {
  digest: Uint8Array<ArrayBuffer>;
  /** The bytes themselves, asked for only where the server lacks them. */
  data: () => Promise<Uint8Array<ArrayBuffer>>;
}

/** Upload the keys unless the server has them: whether it lacked them. */
export async function ensureUploaded(
  transport: Transport,
  { digest, data }: Uploaded,
  signal?: AbortSignal,
): Promise<boolean> {
  let reached = await present(transport, digest, signal);
  if (reached === ALL) return false;
  const keys = await data();
  const header = { keysetName: await keysetName(), size: BigInt(keys.length), sha256: digest };
  let failures = 0;
  for (let pieces = 0; reached < keys.length; pieces++) {
    if (pieces === MOST_PIECES)
      throw new MalformedMessageError("uploading evaluation keys: the server wants no end of them");
    try {
      const chunk = { offset: BigInt(reached), data: keys.subarray(reached, reached + CHUNK_BYTES) };
      const answer = await transport.call(
        Inference.method.putEvaluationKeys,
        { header, chunk },
        { doing: "uploading evaluation keys", signal },
      );
      const before = reached;
      reached = Number(answer.received);
      if (!(reached > before && reached <= before + chunk.data.length)) {
        throw new MalformedMessageError(`uploading evaluation keys: the server says that it has ${reached} bytes`);
      }
      failures = 0;
    } catch (error) {
      if (!(error instanceof UnavailableError || error instanceof DataLossError)) throw error;
      if (failures === PAUSES_MS.length) throw error;
      await pause(Math.max(PAUSES_MS[failures++]!, error.retryAfterMs ?? 0), signal);
      const found = await present(transport, digest, signal);
      reached = found === ALL ? keys.length : found < keys.length ? found : 0;
    }
  }
  return true;
}

/** Have the server forget the keys; whether it had them. */
export async function deleteUploaded(transport: Transport, digest: Uint8Array): Promise<boolean> {
  try {
    await transport.call(
      Inference.method.deleteEvaluationKeys,
      { sha256: digest },
      { doing: "deleting evaluation keys" },
    );
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}

const ALL = Infinity;

/** How many of the bytes the server has: an upload goes on from there. */
async function present(transport: Transport, digest: Uint8Array, signal?: AbortSignal): Promise<number> {
  try {
    const answer = await transport.call(
      Inference.method.getEvaluationKeys,
      { sha256: digest },
      { doing: "asking for evaluation keys", signal },
    );
    return answer.received ? Number(answer.received) : ALL;
  } catch (error) {
    if (error instanceof NotFoundError) return 0;
    throw error;
  }
}

/** Wait, unless the caller gives up. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
