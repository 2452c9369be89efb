"use strict";

const { isDeepStrictEqual } = require("util");
const thrift = require("thrift");
const { methods, nothing, example } = require("./service");
const { wires } = require("./wires");

const { MessageType, TApplicationException } = thrift.Thrift;
const MEBIBYTE = 2 ** 20;

// A client as generated code has it; the library's connection calls recv_ and the name.
class Client {
  constructor(transport, protocol) {
    this.output = transport;
    this.pClass = protocol;
    this._seqid = 0;
    this._reqs = {};
  }

  new_seqid() {
    return ++this._seqid;
  }

  send(name, values, callback) {
    const [call, result] = methods[name] || [nothing, nothing];
    const seqid = this.new_seqid();
    if (result) {
      this._reqs[seqid] = callback;
      this[`recv_${name}`] = (input, type, dummy) => this.receive(result, input, type, dummy);
    }
    const output = new this.pClass(this.output);
    output.writeMessageBegin(name, result ? MessageType.CALL : MessageType.ONEWAY, seqid);
    call.write(output, values);
    output.writeMessageEnd();
    output.flush();
    if (!result) {
      callback(null);
    }
  }

  receive(result, input, type, seqid) {
    const callback = this._reqs[seqid];
    delete this._reqs[seqid];
    this.headers = input.trans.getReadHeaders();
    if (type === MessageType.EXCEPTION) {
      const refusal = new TApplicationException();
      refusal.read(input);
      input.readMessageEnd();
      return callback(refusal);
    }
    const values = result.read(input);
    input.readMessageEnd();
    return callback(null, values);
  }
}

// A connection, with a client of the service that a command names, if any, and one of none.
class Link {
  constructor({ kind, port, service, headers }) {
    const { transport, protocol, subprotocol } = wires(kind);
    this.connection = thrift.createConnection("127.0.0.1", port, { transport, protocol, timeout: 20_000 });
    this.failed = new Promise((_, reject) => {
      this.connection.on("error", reject);
      this.connection.on("close", () => reject(new Error("the connection was closed")));
      this.connection.on("timeout", () => reject(new Error("no answer within 20 s")));
    });
    this.failed.catch(() => {});
    this.client = service
      ? new thrift.Multiplexer().createClient(service, Client, this.connection)
      : thrift.createClient(Client, this.connection);
    const { output } = this.client;
    if (kind.startsWith("header")) {
      output.setProtocolId(subprotocol);
    }
    Object.entries(headers || {}).forEach(([name, value]) => output.setWriteHeader(name, value));
  }

  call(name, values = {}) {
    const answered = new Promise((resolve, reject) => {
      this.client.send(name, values, (failure, result) => (failure ? reject(failure) : resolve(result)));
    });
    return Promise.race([answered, this.failed]);
  }

  async sleep(milliseconds, text) {
    const { success } = await this.call("sleep", { milliseconds, text });
    if (success !== text) {
      throw new Error(`${text} was answered by ${success}`);
    }
  }

  async echo(...sizes) {
    for (const size of sizes) {
      const sent = example(size);
      const { success } = await this.call("echo", { record: sent });
      if (!isDeepStrictEqual(success, sent)) {
        throw new Error(`the record of ${size} came back changed`);
      }
    }
  }

  // The exception that the framework, rather than the service, answered a call with.
  async refusal(call) {
    try {
      await call;
    } catch (failure) {
      if (failure instanceof TApplicationException) {
        return { type: failure.type, message: failure.message };
      }
      throw failure;
    }
    throw new Error("it was not refused");
  }

  close() {
    this.connection.end();
  }
}

// What a client can be asked to do, on a connection of its own.
const operations = {
  echo: (link, { times = 1 }) => link.echo(...Array(times).fill(0)),
  large: (link) => link.echo(MEBIBYTE, 10, 3 * MEBIBYTE),
  touch: (link, { method = "touch" }) => link.call(method),
  sleep: (link, { milliseconds, text }) => link.sleep(milliseconds, text),
  // One-way calls, and then an ordinary one that none of them may have upset.
  note: async (link, { times = 1 }) => {
    for (let i = 0; i < times; i++) {
      await link.call("note", { text: "note" });
    }
    await link.echo(0);
  },
  fail: async (link, { text }) => (await link.call("fail", { text })).failure.text,
  headers: async (link) => {
    const { success } = await link.call("headers");
    return { seen: Object.fromEntries(success), back: link.client.headers };
  },
  // The connection then still serves.
  refused: async (link, { method, milliseconds, again, service }) => {
    const call = method === "sleep" ? link.sleep(milliseconds, "refused") : link.call(method);
    const facts = await link.refusal(call);
    // The library's multiplexer knows no calls without a service.
    if (again && !service) {
      await link.call(again);
    }
    return facts;
  },
  // A call that takes too long, and then others: each must get its own answer.
  late: async (link, { milliseconds, times }) => {
    const facts = await link.refusal(link.sleep(milliseconds, "late"));
    for (let i = 0; i < times; i++) {
      await link.sleep(20, `quick ${i}`);
    }
    return facts;
  },
  // Calls side by side on one connection; tells the order in which they were answered.
  beside: async (link, { calls }) => {
    const order = [];
    const one = async (i) => {
      await link.sleep((calls - i) * 30, `beside ${i}`);
      order.push(i);
    };
    await Promise.all(Array.from({ length: calls }, (_, i) => one(i)));
    return order;
  },
};

async function onLink(command, work) {
  const link = new Link(command);
  try {
    return await work(link);
  } finally {
    link.close();
  }
}

// Connections side by side, whose answers must be their own.
async function many(command) {
  const { threads, calls } = command;
  const work = (thread) =>
    onLink(command, async (link) => {
      for (let i = 0; i < calls; i++) {
        await link.sleep(0, `${thread}-${i}`);
      }
    });
  await Promise.all(Array.from({ length: threads }, (_, thread) => work(thread)));
  return threads * calls;
}

// Carries out one command.
function carryOut(command) {
  if (command.op === "many") {
    return many(command);
  }
  return onLink(command, (link) => operations[command.op](link, command));
}

module.exports = { carryOut };
