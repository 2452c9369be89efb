"use strict";

// Types of values. Structs are read and written by them, as generated code would.

const thrift = require("thrift");

const { Type } = thrift.Thrift;

// Reading and writing of values that have no parts.
const PLAIN = {
  bool: [Type.BOOL, "Bool"],
  i8: [Type.BYTE, "Byte"],
  i16: [Type.I16, "I16"],
  i32: [Type.I32, "I32"],
  double: [Type.DOUBLE, "Double"],
  text: [Type.STRING, "String"],
  blob: [Type.STRING, "Binary"],
};

const kinds = {};
for (const [name, [wire, verb]] of Object.entries(PLAIN)) {
  kinds[name] = {
    wire,
    read: (input) => input[`read${verb}`](),
    write: (output, value) => output[`write${verb}`](value),
  };
}

kinds.i64 = {
  wire: Type.I64,
  read: (input) => thrift.toBigInt(input.readI64()),
  write: (output, value) => output.writeI64(thrift.fromBigInt(value)),
};

// A bool in a list: the library's compact protocol reads each of them as false.
kinds.flag = { ...kinds.bool, read: (input) => input.readByte() === 1 };

// Lists and sets differ in their words only.
const elements = (wire, verb) => (of) => ({
  wire,
  read(input) {
    const { size } = input[`read${verb}Begin`]();
    const found = [];
    for (let i = 0; i < size; i++) {
      found.push(of.read(input));
    }
    input[`read${verb}End`]();
    return found;
  },
  write(output, value) {
    output[`write${verb}Begin`](of.wire, value.length);
    value.forEach((element) => of.write(output, element));
    output[`write${verb}End`]();
  },
});

kinds.list = elements(Type.LIST, "List");
kinds.set = elements(Type.SET, "Set");

kinds.map = (key, value) => ({
  wire: Type.MAP,
  read(input) {
    const { size } = input.readMapBegin();
    const found = new Map();
    for (let i = 0; i < size; i++) {
      const name = key.read(input);
      found.set(name, value.read(input));
    }
    input.readMapEnd();
    return found;
  },
  write(output, map) {
    output.writeMapBegin(key.wire, value.wire, map.size);
    for (const [name, one] of map) {
      key.write(output, name);
      value.write(output, one);
    }
    output.writeMapEnd();
  },
});

// Fields by name: [id, kind].
kinds.struct = (fields) => ({
  wire: Type.STRUCT,
  read(input) {
    const found = {};
    input.readStructBegin();
    for (;;) {
      const { ftype, fid } = input.readFieldBegin();
      if (ftype === Type.STOP) {
        break;
      }
      const known = Object.entries(fields).find(([, [id, kind]]) => id === fid && kind.wire === ftype);
      if (known) {
        found[known[0]] = known[1][1].read(input);
      } else {
        input.skip(ftype);
      }
      input.readFieldEnd();
    }
    input.readStructEnd();
    return found;
  },
  write(output, values) {
    output.writeStructBegin("struct");
    for (const [name, [id, kind]] of Object.entries(fields)) {
      if (values[name] !== undefined) {
        output.writeFieldBegin(name, kind.wire, id);
        kind.write(output, values[name]);
        output.writeFieldEnd();
      }
    }
    output.writeFieldStop();
    output.writeStructEnd();
  },
});

module.exports = kinds;
