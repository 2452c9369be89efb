"use strict";

// The demo service, as all peers have it.

const { bool, flag, i8, i16, i32, i64, double, text, blob, list, set, map, struct } = require("./structs");

const nothing = struct({});
const textStruct = struct({ text: [1, text] });
const record = struct({
  text: [1, text],
  number: [2, i32],
  flag: [3, bool],
  numbers: [4, list(i64)],
  counts: [5, map(text, i32)],
  ratio: [6, double],
  blob: [7, blob],
  tiny: [8, i8],
  small: [9, i16],
  few: [10, set(i32)],
  nested: [11, map(i16, list(textStruct))],
  flags: [20, list(flag)],
  none: [21, map(text, i64)],
  nobody: [22, list(i16)],
});

// A one-way method has no result.
const methods = {
  echo: [struct({ record: [1, record] }), struct({ success: [0, record] })],
  touch: [nothing, nothing],
  note: [textStruct, null],
  fail: [textStruct, struct({ failure: [1, textStruct] })],
  crash: [nothing, nothing],
  headers: [nothing, struct({ success: [0, map(text, text)] })],
  sleep: [struct({ milliseconds: [1, i32], text: [2, text] }), struct({ success: [0, text] })],
};

// A record whose text has `size` bytes more.
const example = (size) => ({
  text: `zoë 你好 ${"x".repeat(size)}`,
  number: -5,
  flag: true,
  numbers: [1n, -1n, 2n ** 62n, -(2n ** 63n)],
  counts: new Map([["a", 1], ["", -1]]),
  ratio: -0.5,
  blob: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  tiny: -128,
  small: -300,
  few: [7],
  nested: new Map([[-2, [{ text: "deep" }, {}]]]),
  flags: Array.from({ length: 20 }, (_, i) => i % 2 === 0),
  none: new Map(),
  nobody: [],
});

module.exports = { methods, nothing, example };
