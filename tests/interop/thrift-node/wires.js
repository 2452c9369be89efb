"use strict";

// What servers listen for, in the order of their ports, and what a connection of each needs.

const util = require("util");
const thrift = require("thrift");

const KINDS = [
  "unframed-binary", "unframed-compact", "framed-binary", "framed-compact", "header-binary", "header-compact",
];

// Ids of protocols in THeader.
const SUBPROTOCOL = { binary: 0, compact: 2 };

// The binary protocol of old, which only clients write.
function Lax(transport) {
  thrift.TBinaryProtocol.call(this, transport, false, false);
}
util.inherits(Lax, thrift.TBinaryProtocol);

const PROTOCOLS = { binary: thrift.TBinaryProtocol, compact: thrift.TCompactProtocol, lax: Lax };

// Transport and protocol of a kind: THeader does its own framing, in the buffered transport.
function wires(kind) {
  const [transport, protocol] = kind.split("-");
  return {
    transport: transport === "framed" ? thrift.TFramedTransport : thrift.TBufferedTransport,
    protocol: transport === "header" ? thrift.THeaderProtocol : PROTOCOLS[protocol],
    subprotocol: SUBPROTOCOL[protocol],
  };
}

module.exports = { KINDS, wires };
