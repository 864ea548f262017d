/** ClientSpec: all that a client needs to encrypt for one model and to read the answer, checked. */
import type { Encoder } from "../encoding/encoder.js";
import { Decoder } from "../encoding/decoder.js";
import { encoderOf } from "../encoding/encoders.js";
import { MalformedMessageError, UnsupportedSchemeError } from "../errors.js";
import { ClientSpecSchema, type ClientSpec as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import type { Parameters } from "../levelled/answers.js";
import { LinearParameters } from "../levelled/linear_parameters.js";
import { LevelledParameters } from "../levelled/parameters.js";
import { fromCanonicalBytes } from "../wire/canonical.js";
import { MAX_CLIENT_SPEC_BYTES, MAX_VECTOR_SIZE } from "../wire/limits.js";
import { checkName } from "../wire/names.js";

const MAX_P_ERROR = 2 ** -40;

/** The parts of a specification that every scheme has, and its message. */
export interface Described {
  readonly message: Message;
  readonly encoders: readonly Encoder[];
  readonly decoder: Decoder;
}

export interface ClientSpec extends Described {
  readonly modelName: string;
  readonly parameters: Parameters;
}

/**
 * A specification from its canonical bytes.
 *
 * Throws MalformedMessageError where they are not canonical, a field is missing or out of range, or parts do not fit
 * together; UnsupportedSchemeError where the model is of another scheme than levelled.
 */
export function readClientSpec(data: Uint8Array): ClientSpec {
  const described = describe(data);
  const { message, encoders, decoder } = described;
  if ((message.squares || message.bulk) && !message.levelled) {
    throw new UnsupportedSchemeError(
      `model ${JSON.stringify(message.modelName)} is of the scheme squares, which this package does not speak`,
      "the Python client runs it as it is",
    );
  }
  if (!message.levelled) {
    throw new UnsupportedSchemeError(
      `model ${JSON.stringify(message.modelName)} is of a scheme whose keys take minutes and hundreds of megabytes to make, too much for a browser`,
      'its developer can compile it with scheme="levelled", if it is one of trees or small networks; the Python client runs it as it is',
    );
  }
  for (const part of ["keyset", "input", "output", "squares", "bulk"] as const) {
    require(!message[part], `beside the parameters of the scheme levelled a ${part}, which is another scheme's`);
  }
  const Kind = message.levelled.linear ? LinearParameters : LevelledParameters;
  const parameters = new Kind(message.levelled, message.pError);
  const size = encoders.reduce((sum, encoder) => sum + encoder.size, 0);
  require(size === parameters.inputs, `encoders make ${size} elements, the row has ${parameters.inputs}`);
  require(encoders.every(
    (encoder) => encoder.maximum <= parameters.highest,
  ), `an encoder makes integers above ${parameters.highest}`);
  require(decoder.values ===
    parameters.outputs, `decoder of ${decoder.values} values, the answer has ${parameters.outputs}`);
  require(!decoder.furtherBits, "bits below those of an output, which residues do not have");
  return { ...described, modelName: message.modelName, parameters };
}

/** What a specification of any scheme says of its columns and its answer. */
export function describe(data: Uint8Array): Described {
  const message = fromCanonicalBytes(ClientSpecSchema, data, { limit: MAX_CLIENT_SPEC_BYTES, what: "client spec" });
  checkName(message.modelName, "client spec: model name");
  const { features, decoder, pError } = message;
  require(features.length >= 1 && features.length <= MAX_VECTOR_SIZE, `${features.length} features`);
  require(new Set(features.map(({ name }) => name)).size === features.length, "two features of one name");
  require(pError > 0 && pError <= MAX_P_ERROR, `p_error ${pError} is not in (0, 2^-40]`);
  if (!decoder) throw new MalformedMessageError("client spec: no decoder");
  return { message, encoders: features.map(encoderOf), decoder: new Decoder(decoder) };
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new MalformedMessageError(`client spec: ${message}`);
}
