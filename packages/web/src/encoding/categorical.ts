/** From a category, an integer or a string, to a thermometer: element j is 1 where the category's level is above j. */
import type { CategoricalEncoder as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { InvalidInputError } from "../errors.js";
import { MAX_VECTOR_SIZE } from "../wire/limits.js";
import { checkName } from "../wire/names.js";
import { quoted, refuse, type Encoder, type Value } from "./encoder.js";

const SHOWN = 5;

export class CategoricalEncoder implements Encoder {
  readonly maximum = 1;
  readonly size: number;
  readonly takesMissing: boolean;
  /** What the column may hold, for forms that offer a choice. */
  readonly categories: readonly (string | bigint)[];
  readonly #levels: ReadonlyMap<string | bigint, number>;
  readonly #areStrings: boolean;

  constructor(
    readonly name: string,
    private readonly message: Message,
  ) {
    const { categories, levels, missing, unknown } = message;
    if (!categories.case) refuse(name, "no categories");
    this.categories = categories.value.values;
    this.#areStrings = categories.case === "strings";
    const count = this.categories.length;
    if (count < 1 || count > MAX_VECTOR_SIZE || levels.length !== count) {
      refuse(
        name,
        `${count} categories with ${levels.length} levels, expected 1 .. ${MAX_VECTOR_SIZE}, each with its level`,
      );
    }
    this.#levels = new Map(this.categories.map((category, i) => [category, levels[i]!]));
    if (this.#levels.size !== count) refuse(name, "a category stands twice");
    for (const category of this.categories) {
      if (typeof category === "string") checkName(category, "category", { mayBeEmpty: true });
    }
    this.size = levels.reduce((most, level) => Math.max(most, level), Math.max(missing ?? 0, unknown ?? 0));
    if (this.size < 1 || this.size > MAX_VECTOR_SIZE) {
      refuse(name, `the highest level is ${this.size}, expected 1 .. ${MAX_VECTOR_SIZE}`);
    }
    this.takesMissing = missing !== undefined;
  }

  encode(value: Value): number[] {
    const level = this.#level(value);
    return Array.from({ length: this.size }, (_, j) => (level > j ? 1 : 0));
  }

  #level(value: Value): number {
    const { missing, unknown } = this.message;
    if (value === null || value === undefined || Number.isNaN(value)) {
      if (missing === undefined) {
        throw new InvalidInputError(
          `feature ${quoted(this.name)} is missing; this model needs a category there: ${this.#known()}`,
        );
      }
      return missing;
    }
    const level = this.#levels.get(this.#category(value)) ?? unknown;
    if (level === undefined) {
      throw new InvalidInputError(
        `feature ${quoted(this.name)} is ${quoted(value)}, which is none of its categories: ${this.#known()}`,
      );
    }
    return level;
  }

  #category(value: number | bigint | string | boolean): string | bigint {
    if (this.#areStrings ? typeof value === "string" : typeof value === "bigint" || Number.isInteger(value)) {
      return this.#areStrings ? (value as string) : BigInt(value);
    }
    if (!this.#areStrings && typeof value === "boolean") return BigInt(value);
    throw new InvalidInputError(
      `feature ${quoted(this.name)} is ${quoted(value)}, a ${typeof value}; its categories are ` +
        `${this.#areStrings ? "strings" : "whole numbers"}: ${this.#known()}`,
    );
  }

  #known(): string {
    const shown = this.categories.slice(0, SHOWN).map(quoted).join(", ");
    const more = this.categories.length - SHOWN;
    return more > 0 ? `${shown} and ${more} more` : shown;
  }
}
