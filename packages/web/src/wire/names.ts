/** What a name may be: of a model, its version, a feature, a label, a category. */
import { MalformedMessageError } from "../errors.js";
import { MAX_NAME_LENGTH } from "./limits.js";

/** Refuse a name that is too long or has control characters (names are shown to people); `what` it names. */
export function checkName(name: string, what: string, { mayBeEmpty = false } = {}): void {
  const shortest = mayBeEmpty ? 0 : 1;
  const length = Array.from(name).length; // code points, as the specification counts
  if (length < shortest || length > MAX_NAME_LENGTH) {
    throw new MalformedMessageError(
      `${what}: a name of ${length} characters, expected ${shortest} .. ${MAX_NAME_LENGTH}`,
    );
  }
  if (/[\p{Cc}\p{Cs}]/u.test(name)) {
    throw new MalformedMessageError(`${what}: ${JSON.stringify(name)} has a control character`);
  }
}
