/** The vectors that Python reads too, and what tests share. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

// Compiled tests lie in packages/web/build/test.
export const VECTORS = fileURLToPath(new URL("../../../../protos/vectors", import.meta.url));

export interface Entry {
  file: string;
  type: string;
  about?: string;
  why?: string;
  stage?: "bytes" | "fields" | "verifier";
  error?: "MalformedMessageError" | "LimitExceededError";
  facts?: any;
}

export function index(folder: "accept" | "reject", ...types: string[]): Entry[] {
  const entries: Entry[] = json(`${folder}/index.json`);
  return entries.filter((entry) => types.includes(entry.type));
}

export function json(path: string): any {
  return JSON.parse(readFileSync(`${VECTORS}/${path}`, "utf8"));
}

export function bytes(folder: "accept" | "reject", { file }: Entry): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(`${VECTORS}/${folder}/${file}`));
}

export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "hex"));
}

export function toHex(data: Uint8Array): string {
  return Buffer.from(data).toString("hex");
}

export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

/** The same numbers in every run: what fails can be found again. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
