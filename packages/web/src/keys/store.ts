/** KeyStore: where secret keys, their evaluation keys and pins are kept. The interface, and who calls it in turn. */
import type { SecretKey } from "../levelled/secret.js";

/** What decides over a user's keys, as a model had it at its first use; values as JSON can hold them. */
export type Facts = Readonly<Record<string, unknown>>;

export interface Keys {
  readonly secret: SecretKey;
  /** SHA-256 of the evaluation keys, which servers know them by. */
  readonly digest: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** When they stop being used, as `created`; never where there is none. */
  readonly expires?: number;
}

/** Whether the end of these keys has come. */
export function haveExpired({ expires }: Keys): boolean {
  return expires !== undefined && expires <= Date.now();
}

/**
 * Keys and pins by name. Names of keys stand for a server and an account there, so that no two servers can tell that their
 * user is the same. All methods throw KeyStoreError where what is kept cannot be read or written.
 */
export interface KeyStore {
  find(name: string): Promise<Keys | undefined>;
  /** Keep keys together with their evaluation keys: those bytes are what a broken upload goes on with. */
  add(name: string, keys: Keys, evaluationKeys: Uint8Array<ArrayBuffer>): Promise<void>;
  /** That of keys which `find` cannot read as well, so that a server can be told to forget them. */
  digest(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  evaluationKeys(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  remove(name: string): Promise<void>;
  pin(name: string): Promise<Facts | undefined>;
  setPin(name: string, facts: Facts): Promise<void>;
  /** Forget all keys and pins. */
  clear(): Promise<void>;
  /**
   * Do something while nobody else, in another tab too, does something under the same name. Who waits for its turn gives up
   * with the signal's reason.
   */
  exclusively<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}
