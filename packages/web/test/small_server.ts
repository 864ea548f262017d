/** A small HTTP server for tests of calls: a test says what it answers. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Inference } from "../src/generated/cryptable/v1/inference_pb.js";

export class SmallServer {
  /** Set by a test: what becomes of a request. */
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end();
  /** Names of the methods that were called. */
  readonly calls: string[] = [];

  private constructor(readonly address: string) {}

  static async start(): Promise<SmallServer> {
    const server = createServer((request, response) => {
      small.calls.push(request.url!.split("/").at(-1)!);
      small.answer(request, response);
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const small = new SmallServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    after(() => {
      server.close();
      server.closeAllConnections();
    });
    return small;
  }

  /** The same answer to every request. */
  replies(status: number, body: string | Uint8Array, headers: Record<string, string> = {}): void {
    this.answer = (_, response) =>
      response.writeHead(status, { "content-type": "application/proto", ...headers }).end(body);
  }

  /** Answers to methods by their names; a Refusal is one, and so are the bytes of a message. */
  answers(methods: { [name in MethodName]?: (request: MessageShape<Method<name>["input"]>) => Answer<name> }): void {
    this.answer = async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const name = request.url!.split("/").at(-1)!;
      const method = Object.values(Inference.method).find((each) => each.name === name) as DescMethodUnary;
      const answer = (methods as Record<string, (request: unknown) => object>)[method.localName];
      const said = answer
        ? await answer(fromBinary(method.input, Buffer.concat(parts)))
        : new Refusal(501, "unimplemented");
      if (said instanceof Refusal) {
        const headers = { "content-type": "application/json", ...said.headers };
        response.writeHead(said.status, headers).end(JSON.stringify({ code: said.code }));
      } else if (said instanceof Uint8Array) {
        response.writeHead(200, { "content-type": "application/proto" }).end(said);
      } else {
        const body = toBinary(method.output, create(method.output, said as MessageInitShape<DescMessage>));
        response.writeHead(200, { "content-type": "application/proto" }).end(body);
      }
    };
  }
}

export class Refusal {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly headers: Record<string, string> = {},
  ) {}
}

type MethodName = keyof (typeof Inference)["method"];
type Method<name extends MethodName> = (typeof Inference)["method"][name];
type Given<name extends MethodName> = MessageInitShape<Method<name>["output"]> | Refusal | Uint8Array;
type Answer<name extends MethodName> = Given<name> | Promise<Given<name>>;
