/** For the page that measures keys in a browser: made, sealed in its database, and found again by the next visit. */
import { IndexedDbKeyStore } from "../src/keys/indexed_db.js";
import { evaluationKeys } from "../src/levelled/evaluation_keys.js";
import { UNIVERSAL } from "../src/levelled/keyset.js";
import { SecretKey } from "../src/levelled/secret.js";

const NAME = "measured";

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

Object.assign(globalThis, {
  keys: () => timed(async () => evaluationKeys(SecretKey.generate(), UNIVERSAL)),
  keysKept: () =>
    timed(async () => {
      const store = await IndexedDbKeyStore.open(NAME);
      const secret = SecretKey.generate();
      const data = await evaluationKeys(secret, UNIVERSAL);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
      await store.add(NAME, { secret, digest, created: Date.now() }, data);
      store.close();
    }),
  keysFound: () =>
    timed(async () => {
      const store = await IndexedDbKeyStore.open(NAME);
      if (!(await store.find(NAME))) throw new Error("there are none");
      store.close();
    }),
});
