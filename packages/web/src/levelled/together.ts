/** Rows together, whose answers may be packed (protos/SPEC-LEVELLED.md, "Rows together"). */
import { BatchSpecSchema } from "../generated/cryptable/v1/client_spec_pb.js";
import { fromCanonicalBytes } from "../wire/canonical.js";
import { MAX_CLIENT_SPEC_BYTES } from "../wire/limits.js";
import { checkSlots, require, type Parameters } from "./answers.js";
import { packedBytes } from "./packing.js";
import { LevelledParameters, ROW_WORD_BITS } from "./parameters.js";
import { N } from "./ring.js";

export class Batch {
  readonly rowBytes = packedBytes(N, ROW_WORD_BITS);

  constructor(
    /** Of each row. */
    readonly row: LevelledParameters,
    /** In a tensor. */
    readonly mostRows: number,
    /** Rows that share an answer, at most; 0 where each has one of its own. */
    readonly rowsPerAnswer: number,
    /** SHA-256 of the specification, by which calls name it. */
    readonly digest: Uint8Array<ArrayBuffer>,
  ) {
    const { leaves, placedPolynomials } = row.layout;
    require(mostRows >= 2, `${mostRows} rows together, at least 2`);
    require(!placedPolynomials, "rows together have no places");
    require(mostRows * leaves <= N && leaves > 0, `${mostRows} rows of ${leaves} leaves, a polynomial has ${N}`);
    require(rowsPerAnswer !== 1 && rowsPerAnswer <= mostRows, `${rowsPerAnswer} rows per answer, of ${mostRows}`);
    checkSlots(Math.max(1, rowsPerAnswer) * row.slots, row.answerWordBits);
  }

  /** How many of so many rows each answer is to. */
  rowsByAnswer(rows: number): number[] {
    const share = this.rowsPerAnswer || 1;
    return Array.from({ length: Math.ceil(rows / share) }, (_, i) => Math.min(share, rows - i * share));
  }

  /** Of the answers to so many rows. */
  answerBytes(rows: number): number {
    return this.rowsByAnswer(rows).reduce((sum, own) => sum + this.bytesOfAnswer(own), 0);
  }

  bytesOfAnswer(rows: number): number {
    const bits = this.row.answerWordBits;
    return packedBytes(N, bits) + packedBytes(rows * this.row.slots, bits);
  }
}

/**
 * From a server's canonical BatchSpec, for a model whose rows have the parameters `alone` when they travel so.
 *
 * Throws MalformedMessageError where it is damaged, or not of this model.
 */
export async function readBatch(alone: Parameters, data: Uint8Array<ArrayBuffer>): Promise<Batch> {
  const message = fromCanonicalBytes(BatchSpecSchema, data, { limit: MAX_CLIENT_SPEC_BYTES, what: "batch" });
  const { levelled, rows, rowsPerAnswer } = message;
  require(levelled !== undefined, "a batch without them");
  require(alone instanceof LevelledParameters && !levelled!.linear, "a batch of a linear model");
  const row = new LevelledParameters(levelled!, (alone as LevelledParameters).pError);
  for (const what of ["inputs", "outputs", "maximum"] as const) {
    require(row[what] === alone[what], `a batch of ${what} ${row[what]}, the model's is ${alone[what]}`);
  }
  return new Batch(row, rows, rowsPerAnswer, new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}
