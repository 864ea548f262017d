/**
 * The one canonical form of messages that digests are taken of (protos/SPEC.md, "Canonical form"), by a walk over the
 * bytes before they are parsed: what costs memory out of proportion to its length is refused as well.
 */
import { fromBinary, ScalarType, type DescField, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { LimitExceededError, MalformedMessageError } from "../errors.js";
import { MAX_PARTS, MAX_VECTOR_SIZE } from "./limits.js";

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const MAX_VARINT_BYTES = 10;
const UINT32 = 2 ** 32;
/** Of packed lists: each number may be a byte there, and a BigInt when it is parsed. */
const MAX_PACKED_INTEGERS = 8 * MAX_VECTOR_SIZE;
const IMPLICIT = 2; // FieldPresence: a field that is left out where it holds its default

/** Parse `data`, refusing every byte string but the canonical one of the message it holds. */
export function fromCanonicalBytes<M extends DescMessage>(
  message: M,
  data: Uint8Array,
  { limit, what }: { limit: number; what: string },
): MessageShape<M> {
  if (data.length > limit) {
    throw new LimitExceededError(`${what}: ${data.length} bytes, at most ${limit} are accepted`);
  }
  new Walk(data, what).message(message, 0, data.length);
  return parsed(message, data, what);
}

/** Parse a message of the service, which has any valid encoding and may have unknown fields. */
export function fromAnyBytes<M extends DescMessage>(message: M, data: Uint8Array, what: string): MessageShape<M> {
  return parsed(message, data, what);
}

function parsed<M extends DescMessage>(message: M, data: Uint8Array, what: string): MessageShape<M> {
  try {
    return fromBinary(message, data);
  } catch (error) {
    throw new MalformedMessageError(`${what}: not a ${message.name} message`, "", { cause: error });
  }
}

class Walk {
  #at = 0;
  #parts = 0;
  #integers = 0;
  readonly #text = new TextDecoder("utf-8", { fatal: true });

  constructor(
    private readonly data: Uint8Array,
    private readonly what: string,
  ) {}

  message(message: DescMessage, start: number, end: number): void {
    const choices = new Set<object>();
    let last = 0;
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(end);
      const number = Math.floor(tag / 8);
      const field = message.fields.find((each) => each.number === number);
      if (!field) throw this.#fault(`unknown field ${number} in ${message.name}`);
      const place = `${message.name}.${field.name}`;
      const repeats = field.fieldKind === "list" && !field.packed;
      if (number < last || (number === last && !repeats)) throw this.#fault(`${place} is out of order or repeated`);
      last = number;
      if (tag % 8 !== wireType(field)) throw this.#fault(`${place} has wire type ${tag % 8}`);
      if (field.oneof) {
        if (choices.has(field.oneof)) throw this.#fault(`${place}: a choice is made twice`);
        choices.add(field.oneof);
      }
      this.#field(field, place, end);
    }
  }

  #field(field: DescField, place: string, end: number): void {
    const mayBeDefault = field.fieldKind === "list" || field.presence !== IMPLICIT;
    if (wireType(field) !== LENGTH) {
      const isDefault = this.#number(field, place, end);
      if (isDefault && !mayBeDefault) throw this.#fault(`${place}: a default value is written out`);
      return;
    }
    if (++this.#parts > MAX_PARTS) {
      throw new LimitExceededError(`${this.what}: more than ${MAX_PARTS} submessages and strings`);
    }
    const length = this.#varint(end);
    const start = this.#at;
    const stop = start + length;
    if (stop > end) throw this.#fault(`${place} is cut short`);
    if (field.message) {
      this.message(field.message, start, stop);
    } else if (field.fieldKind === "list" && field.packed) {
      if (!length) throw this.#fault(`${place}: an empty list is written out`);
      this.#packed(field, place, stop);
    } else {
      if (!length && !mayBeDefault) throw this.#fault(`${place}: a default value is written out`);
      if (field.scalar === ScalarType.STRING) this.#string(place, start, stop);
    }
    this.#at = stop;
  }

  #packed(field: DescField, place: string, stop: number): void {
    const type = numberType(field);
    if (type !== VARINT) {
      const size = type === FIXED64 ? 8 : 4;
      if ((stop - this.#at) % size) throw this.#fault(`${place} is cut short`);
      this.#at = stop; // every pattern of bits is a number, and none is too much: it has its bytes
      return;
    }
    let count = 0;
    for (; this.#at < stop; count++) {
      if (count === MAX_VECTOR_SIZE) throw this.#fault(`${place} has more than ${MAX_VECTOR_SIZE} numbers`);
      this.#number(field, place, stop);
    }
    if ((this.#integers += count) > MAX_PACKED_INTEGERS) {
      throw new LimitExceededError(`${this.what}: more than ${MAX_PACKED_INTEGERS} numbers in lists`);
    }
  }

  /** Whether the number there is the default. */
  #number(field: DescField, place: string, end: number): boolean {
    const type = numberType(field);
    if (type !== VARINT) {
      const bytes = this.data.subarray(this.#at, (this.#at += type === FIXED64 ? 8 : 4));
      if (this.#at > end) throw this.#fault(`${place} is cut short`);
      return bytes.every((byte) => byte === 0);
    }
    const value = this.#varint(end);
    if (value >= beyond(field)) throw this.#fault(`${place}: ${value} is beyond what the field holds`);
    return value === 0;
  }

  #string(place: string, start: number, stop: number): void {
    const bytes = this.data.subarray(start, stop);
    // The runtime's decoder would drop a byte order mark, and with it the difference between two names.
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
      throw this.#fault(`${place} begins with a byte order mark, which this client does not read`);
    }
    try {
      this.#text.decode(bytes);
    } catch {
      throw this.#fault(`${place} is not UTF-8`);
    }
  }

  /** An integer; of those beyond 2^53 the value is rounded, which no caller minds. */
  #varint(end: number): number {
    let value = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      if (this.#at >= end) throw this.#fault("an integer is cut short");
      const byte = this.data[this.#at++]!;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) {
        if (index && !byte) throw this.#fault("an integer is longer than it need be");
        if (index === MAX_VARINT_BYTES - 1 && byte > 1) break;
        return value;
      }
    }
    throw this.#fault("an integer of more than 64 bits");
  }

  #fault(message: string): MalformedMessageError {
    return new MalformedMessageError(`${this.what}: ${message}, at byte ${this.#at}`);
  }
}

function wireType(field: DescField): number {
  return field.fieldKind === "list" && field.packed ? LENGTH : numberType(field);
}

function numberType(field: DescField): number {
  if (field.message) return LENGTH;
  switch (field.scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return LENGTH;
    default:
      return VARINT;
  }
}

/** The least integer that the field cannot hold. */
function beyond(field: DescField): number {
  if (field.enum) return UINT32 / 2;
  switch (field.scalar) {
    case ScalarType.BOOL:
      return 2;
    case ScalarType.UINT32:
    case ScalarType.INT32:
    case ScalarType.SINT32:
      return UINT32;
    default:
      return Infinity;
  }
}
