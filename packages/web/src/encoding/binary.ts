/** The binary digits of a whole number, lowest first. */
export function binary(x: number, digits: number): number[] {
  return Array.from({ length: digits }, (_, i) => Math.floor(x / 2 ** i) % 2);
}
