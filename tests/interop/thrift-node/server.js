"use strict";

const thrift = require("thrift");
const { methods } = require("./service");
const { KINDS, wires } = require("./wires");

const { MessageType, TApplicationException, TApplicationExceptionType, Type } = thrift.Thrift;

const counts = {};

// The demo service: values of the result, or a promise of them.
const handler = {
  echo: ({ record }) => ({ success: record }),
  touch: () => ({}),
  note: () => ({}),
  fail: ({ text }) => ({ failure: { text } }),
  crash: () => {
    throw new Error("out of order");
  },
  headers: (_call, { trans }) => {
    const seen = new Map(Object.entries(trans.getReadHeaders()));
    // The library keeps those of earlier calls.
    trans.clearReadHeaders();
    trans.setWriteHeader("server", "node");
    return { success: seen };
  },
  sleep: ({ milliseconds, text }, output) => {
    // In THeader an answer is written before the next message is read, or not at all.
    if (milliseconds === 0 || output instanceof thrift.THeaderProtocol) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
      return { success: text };
    }
    return new Promise((resolve) => setTimeout(() => resolve({ success: text }), milliseconds));
  },
};

function answer(output, name, kind, seqid, write) {
  output.writeMessageBegin(name, kind, seqid);
  write(output);
  output.writeMessageEnd();
  output.flush();
}

// The library's exceptions write no type, which makes them those of type 0.
const refuse = (output, name, seqid, type, message) =>
  answer(output, name, MessageType.EXCEPTION, seqid, (to) => new TApplicationException(type, message).write(to));

// Reads calls and writes answers as generated code does.
const plain = {
  process(input, output) {
    const { fname: name, rseqid: seqid } = input.readMessageBegin();
    if (!(name in methods)) {
      input.skip(Type.STRUCT);
      input.readMessageEnd();
      return refuse(output, name, seqid, TApplicationExceptionType.UNKNOWN_METHOD, `Unknown function ${name}`);
    }
    const [call, result] = methods[name];
    const given = call.read(input);
    input.readMessageEnd();
    counts[name] = (counts[name] || 0) + 1;
    const reply = (values) => result && answer(output, name, MessageType.REPLY, seqid, (to) => result.write(to, values));
    try {
      const values = handler[name](given, output);
      return values instanceof Promise ? values.then(reply) : reply(values);
    } catch (failure) {
      return refuse(output, name, seqid, TApplicationExceptionType.UNKNOWN, failure.message);
    }
  },
};

const multiplexed = new thrift.MultiplexedProcessor();
multiplexed.registerProcessor("Demo", plain);

// The library's multiplexed processor has no default for names without a service.
const all = {
  process(input, output) {
    const begin = input.readMessageBegin();
    // Names in the binary protocol of old are bytes.
    const fname = String(begin.fname);
    const known = Object.create(input);
    known.readMessageBegin = () => ({ ...begin, fname });
    (fname.includes(":") ? multiplexed : plain).process(known, output);
  },
};

// Listens for each kind at the port of its place; resolves when all do.
function serve(ports) {
  return Promise.all(
    KINDS.map((kind, place) => {
      const { transport, protocol } = wires(kind);
      const server = thrift.createMultiplexServer(all, { transport, protocol });
      server.on("error", (failure) => console.error(kind, failure.message));
      return new Promise((resolve) => server.listen(ports[place], "127.0.0.1", resolve));
    }),
  );
}

module.exports = { serve, counts };
