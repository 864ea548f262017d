/**
 * Keys in IndexedDB, for one origin. Secret keys lie there encrypted by AES-GCM under a key that no script can read out.
 *
 * That keeps them from whoever copies the database by a script, not from a script of this origin that uses the keys, nor from
 * who can read the browser's profile on disk and in memory.
 */
import { KeyStoreError } from "../errors.js";
import { secretFromBytes, secretToBytes } from "../levelled/secret.js";
import type { Facts, Keys, KeyStore } from "./store.js";

const KEYS = "keys";
const EVALUATION_KEYS = "evaluation keys";
const PINS = "pins";
const WRAPPING = "wrapping";
const STORES = [KEYS, EVALUATION_KEYS, PINS, WRAPPING];
const THE_ONE = 0; // name of the wrapping key
const IV_BYTES = 12;

interface Sealed {
  iv: Uint8Array<ArrayBuffer>;
  secret: ArrayBuffer;
  digest: Uint8Array<ArrayBuffer>;
  created: number;
  expires?: number;
}

export class IndexedDbKeyStore implements KeyStore {
  private constructor(
    private readonly database: IDBDatabase,
    private readonly name: string,
  ) {}

  /** Open the database of that name, made if there is none. */
  static async open(name = "cryptable"): Promise<IndexedDbKeyStore> {
    if (typeof indexedDB === "undefined" || !navigator.locks || !globalThis.crypto?.subtle) {
      throw new KeyStoreError("keys cannot be kept here", "serve the page over https, or from this very machine");
    }
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
    const database = await settled(request);
    // Another tab with a later version must not wait for this one.
    database.onversionchange = () => database.close();
    return new IndexedDbKeyStore(database, name);
  }

  async find(name: string): Promise<Keys | undefined> {
    const found = await this.#get<Sealed>(KEYS, name);
    if (!found) return undefined;
    const { secret, ...beside } = found;
    let bytes: Uint8Array | undefined;
    try {
      bytes = new Uint8Array(await crypto.subtle.decrypt(sealing(name, beside), await this.#wrapping(), secret));
      const { iv: _, ...rest } = beside;
      return { secret: secretFromBytes(bytes), ...rest };
    } catch (cause) {
      throw new KeyStoreError(
        `the keys ${JSON.stringify(name)} cannot be unsealed`,
        "call forgetKeys(address) with the account, if any: new ones are made when you connect",
        { cause },
      );
    } finally {
      bytes?.fill(0);
    }
  }

  async add(name: string, keys: Keys, evaluationKeys: Uint8Array<ArrayBuffer>): Promise<void> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const { secret: key, ...rest } = keys;
    const beside = { iv, ...rest };
    const wrapping = await this.#wrapping();
    const bytes = secretToBytes(key);
    const secret = await crypto.subtle.encrypt(sealing(name, beside), wrapping, bytes).finally(() => bytes.fill(0));
    await this.#write([KEYS, EVALUATION_KEYS], (store) => {
      store(KEYS).put({ secret, ...beside } satisfies Sealed, name);
      store(EVALUATION_KEYS).put(evaluationKeys, name);
    });
  }

  async digest(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return (await this.#get<Sealed>(KEYS, name))?.digest;
  }

  evaluationKeys(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#get(EVALUATION_KEYS, name);
  }

  remove(name: string): Promise<void> {
    return this.#write([KEYS, EVALUATION_KEYS], (store) => {
      store(KEYS).delete(name);
      store(EVALUATION_KEYS).delete(name);
    });
  }

  pin(name: string): Promise<Facts | undefined> {
    return this.#get(PINS, name);
  }

  setPin(name: string, facts: Facts): Promise<void> {
    return this.#write([PINS], (store) => store(PINS).put(facts, name));
  }

  /** Forget everything, the wrapping key too: what is left of keys on the disk cannot be read. */
  clear(): Promise<void> {
    // Deleting the database itself would wait for every tab that has it open.
    return this.#write(STORES, (store) => STORES.forEach((each) => store(each).clear()));
  }

  exclusively<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return navigator.locks.request(`${this.name} ${name}`, signal ? { signal } : {}, work) as Promise<T>;
  }

  close(): void {
    this.database.close();
  }

  async #wrapping(): Promise<CryptoKey> {
    return (
      (await this.#get<CryptoKey>(WRAPPING, THE_ONE)) ??
      // Two tabs that begin at once must not make two.
      this.exclusively("wrapping", async () => {
        const found = await this.#get<CryptoKey>(WRAPPING, THE_ONE);
        if (found) return found;
        const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
        await this.#write([WRAPPING], (store) => store(WRAPPING).put(made, THE_ONE));
        return made;
      })
    );
  }

  async #get<T>(store: string, name: IDBValidKey): Promise<T | undefined> {
    return settled(this.#transaction([store], "readonly").objectStore(store).get(name));
  }

  #transaction(stores: string[], mode: IDBTransactionMode): IDBTransaction {
    try {
      return this.database.transaction(stores, mode, { durability: "strict" });
    } catch (error) {
      throw unusable(error); // it is closed: by close(), or since another tab has a later version
    }
  }

  async #write(stores: string[], work: (store: (name: string) => IDBObjectStore) => void): Promise<void> {
    const transaction = this.#transaction(stores, "readwrite");
    work((name) => transaction.objectStore(name));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(unusable(transaction.error));
    });
  }
}

/** Bound to all that stands beside the secret: no other name, digest or date can be put there. */
function sealing(name: string, { iv, digest, created, expires }: Omit<Sealed, "secret">): AesGcmParams {
  const dates = expires === undefined ? [created] : [created, expires];
  const beside = JSON.stringify([name, Array.from(digest), ...dates]);
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(beside) };
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(unusable(request.error));
  });
}

function unusable(cause: unknown): KeyStoreError {
  return new KeyStoreError(
    "the browser's database cannot be used",
    "allow this site to keep data, and free some space",
    {
      cause,
    },
  );
}
