/** Getting evaluation keys to a server: asked for, then sent in pieces, and where that breaks, from there on. */
import { DataLossError, MalformedMessageError, NotFoundError, UnavailableError } from "../errors.js";
import { Inference } from "../generated/cryptable/v1/inference_pb.js";
import type { Keyset } from "../levelled/keyset.js";
import { CHUNK_BYTES } from "../wire/limits.js";
import type { Transport } from "./transport.js";

const PAUSES_MS = [500, 1000]; // before each new attempt that the last one brought no further
const MOST_PIECES = 64;
const DOING = "uploading evaluation keys";

export interface Uploaded {
  keyset: Keyset;
  digest: Uint8Array<ArrayBuffer>;
  /** The bytes themselves, asked for only where the server lacks them. */
  data: () => Promise<Uint8Array<ArrayBuffer>>;
}

/** Upload the keys unless the server has them: whether it lacked them. */
export async function ensureUploaded(
  transport: Transport,
  { keyset, digest, data }: Uploaded,
  signal?: AbortSignal,
): Promise<boolean> {
  const size = keyset.evaluationKeysBytes;
  let reached = await present(transport, keyset, digest, signal);
  if (reached === size) return false;
  const keys = await data();
  const header = { keysetName: await keyset.name(), size: BigInt(size), sha256: digest };
  let failures = 0;
  for (let pieces = 0; reached < size; pieces++) {
    if (pieces === MOST_PIECES) throw new MalformedMessageError(`${DOING}: the server wants no end of them`);
    try {
      const chunk = { offset: BigInt(reached), data: keys.subarray(reached, reached + CHUNK_BYTES) };
      const answer = await transport.call(
        Inference.method.putEvaluationKeys,
        { header, chunk },
        { doing: DOING, signal },
      );
      const received = Number(answer.received);
      if (received > size) throw new MalformedMessageError(`${DOING}: the server says that it has ${received} bytes`);
      if (received <= reached) {
        throw new DataLossError(`${DOING}: the server did not keep a piece`, "try again later", "DATA_LOSS");
      }
      reached = received; // further than this piece where another upload of the same keys was
      failures = 0;
    } catch (error) {
      if (!(error instanceof UnavailableError || error instanceof DataLossError)) throw error;
      const asked = error.retryAfterMs ?? 0;
      if (failures === PAUSES_MS.length || asked > transport.timeoutMs) throw error;
      await pause(Math.max(PAUSES_MS[failures++]!, asked), signal);
      reached = await present(transport, keyset, digest, signal);
    }
  }
  return true;
}

/** Have the server forget the keys; whether it had them. */
export async function deleteUploaded(transport: Transport, digest: Uint8Array, signal?: AbortSignal): Promise<boolean> {
  try {
    await transport.call(
      Inference.method.deleteEvaluationKeys,
      { sha256: digest },
      { doing: "deleting evaluation keys", signal },
    );
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}

/** How many of the bytes the server has: an upload goes on from there. */
async function present(
  transport: Transport,
  keyset: Keyset,
  digest: Uint8Array,
  signal?: AbortSignal,
): Promise<number> {
  const size = keyset.evaluationKeysBytes;
  try {
    const {
      keysetName,
      size: stored,
      received,
    } = await transport.call(
      Inference.method.getEvaluationKeys,
      { sha256: digest },
      { doing: "asking for evaluation keys", signal },
    );
    if (stored === BigInt(size) && String(keysetName) === String(await keyset.name())) return size;
    // All of them, and yet no keys: the server was stopped before it stored them, and there is no rest to send.
    return received < BigInt(size) ? Number(received) : 0;
  } catch (error) {
    if (error instanceof NotFoundError) return 0;
    throw error;
  }
}

/** Wait, unless the caller gives up. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const giveUp = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", giveUp);
      resolve();
    }, ms);
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}
