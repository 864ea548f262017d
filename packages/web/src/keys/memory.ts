/** Keys in memory, for as long as the process runs: for Node, and for pages that keep nothing. */
import type { Facts, Keys, KeyStore } from "./store.js";

export class MemoryKeyStore implements KeyStore {
  readonly #keys = new Map<string, { keys: Keys; evaluationKeys: Uint8Array<ArrayBuffer> }>();
  readonly #pins = new Map<string, Facts>();
  readonly #turns = new Map<string, Promise<unknown>>();

  async find(name: string): Promise<Keys | undefined> {
    return this.#keys.get(name)?.keys;
  }

  async add(name: string, keys: Keys, evaluationKeys: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#keys.set(name, { keys, evaluationKeys });
  }

  async digest(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#keys.get(name)?.keys.digest;
  }

  async evaluationKeys(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#keys.get(name)?.evaluationKeys;
  }

  async remove(name: string): Promise<void> {
    this.#keys.get(name)?.keys.secret.erase();
    this.#keys.delete(name);
  }

  async pin(name: string): Promise<Facts | undefined> {
    return this.#pins.get(name);
  }

  async setPin(name: string, facts: Facts): Promise<void> {
    this.#pins.set(name, facts);
  }

  async clear(): Promise<void> {
    for (const { keys } of this.#keys.values()) keys.secret.erase();
    this.#keys.clear();
    this.#pins.clear();
  }

  async exclusively<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    let begun = false;
    const turn = before.then(() => {
      signal?.throwIfAborted();
      begun = true;
      return work();
    });
    this.#turns.set(
      name,
      turn.catch(() => undefined),
    );
    if (!signal) return turn;
    const givenUp = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => begun || reject(signal.reason), { once: true });
    });
    return Promise.race([turn, givenUp]);
  }
}
