"use strict";

// A server and a client of Apache Thrift in Node, told what to do by JSON lines:
//
//     peer.js server PORT...      one port for each of KINDS
//     peer.js client

const readline = require("readline");
const { carryOut } = require("./client");
const { serve, counts } = require("./server");

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

// Commands run side by side, so answers come in the order of completion.
async function answer(line, work) {
  const command = JSON.parse(line);
  try {
    print({ id: command.id, result: (await work(command)) ?? null });
  } catch (failure) {
    print({ id: command.id, error: `${failure.name}: ${failure.message}` });
  }
}

async function main([role, ...ports]) {
  if (role === "server") {
    await serve(ports.map(Number));
  }
  const work = role === "server" ? () => counts : carryOut;
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => answer(line, work));
  lines.on("close", () => process.exit(0));
  print({ ready: {} });
}

main(process.argv.slice(2));
