/**
 * Descriptors of the generated messages, from tables instead of serialized descriptors: to parse those, the runtime brings
 * a description of descriptors itself, a fifth of what a page would load.
 */
import { createFileRegistry, type DescFile } from "@bufbuild/protobuf";
import type { GenFile } from "@bufbuild/protobuf/codegenv2";

const PACKAGE = "cryptable.v1";
const ENUM = 14;
const MESSAGE = 11;
const REPEATED = 3;
const SINGULAR = 1;

const OPTIONAL = "?";
const LIST = "*";

/**
 * Name, number, type and place: OPTIONAL, LIST or the index of its oneof. Types are protobuf's numbers of scalars, names of
 * messages, or names of enums with a dot before them.
 */
export type Field = [
  name: string,
  number: number,
  type: number | string,
  place?: typeof OPTIONAL | typeof LIST | number,
];
export type Enum = [name: string, values: Record<string, number>];
export type Message = [name: string, fields: Field[], oneofs?: string[], nested?: Message[], enums?: Enum[]];
/** Name, request and response of unary methods. */
export type Service = [name: string, methods: [name: string, input: string, output: string][]];

/** The file of these messages; `imports` are the files that it refers to. */
export function fileOf(name: string, imports: DescFile[], messages: Message[], services: Service[] = []): GenFile {
  const file = {
    $typeName: "google.protobuf.FileDescriptorProto",
    name,
    package: PACKAGE,
    syntax: "proto3",
    dependency: imports.map(({ proto }) => proto.name),
    messageType: messages.map(messageOf),
    enumType: [],
    extension: [],
    service: services.map(([name, methods]) => ({
      name,
      method: methods.map(([name, input, output]) => ({
        name,
        inputType: absolute(input),
        outputType: absolute(output),
      })),
    })),
  };
  const found = (path: string) => imports.find(({ proto }) => proto.name === path);
  return createFileRegistry(file as never, found).getFile(name)! as GenFile;
}

function messageOf([name, fields, oneofs = [], nested = [], enums = []]: Message): object {
  return {
    name,
    field: fields.map(fieldOf),
    oneofDecl: oneofs.map((name) => ({ name })),
    nestedType: nested.map(messageOf),
    enumType: enums.map(([name, values]) => ({
      name,
      value: Object.entries(values).map(([name, number]) => ({ name, number })),
    })),
    extension: [],
  };
}

function fieldOf([name, number, type, place]: Field): object {
  const named = typeof type === "string";
  return {
    name,
    number,
    jsonName: name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    label: place === LIST ? REPEATED : SINGULAR,
    type: !named ? type : type.startsWith(".") ? ENUM : MESSAGE,
    typeName: named ? absolute(type.replace(/^\./, "")) : "",
    proto3Optional: place === OPTIONAL,
    ...(typeof place === "number" && { oneofIndex: place }),
  };
}

function absolute(name: string): string {
  return `.${PACKAGE}.${name}`;
}
