// An HTTP/1.1 server and clients (`http` and `undici`), and a WebSocket server and client (`ws`), of
// Node, told what to do by JSON lines.
//
//     peer.mjs HTTP_PORT WEBSOCKET_PORT
//
// Paths of the server are those of ../http1-python/server.py that the matrix asks for.

import { createHash } from "node:crypto";
import http from "node:http";
import { createInterface } from "node:readline";
import { Client } from "undici";
import { WebSocket, WebSocketServer } from "ws";

const [httpPort, socketPort] = process.argv.slice(2).map(Number);
const MIB = 1 << 20;

function pattern(length) {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = i % 251;
  return bytes;
}

async function read(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

function answer(response, query, status, body, headers = {}) {
  if (query.has("chunked")) {
    response.writeHead(status, headers);
    for (let at = 0; at < body.length; at += 65536) response.write(body.subarray(at, at + 65536));
    return response.end();
  }
  if (status !== 204 && status !== 304) headers["Content-Length"] = body.length;
  response.writeHead(status, headers);
  return response.end(body);
}

async function serve(request, response) {
  const url = new URL(request.url, "http://x");
  const [name, argument] = url.pathname.slice(1).split("/");
  const body = await read(request);
  const query = url.searchParams;
  switch (name) {
    case "echo": {
      const framing = request.headers["transfer-encoding"] ? "chunked" : "length";
      return answer(response, query, 200, body, { "X-Method": request.method, "X-Framing": framing });
    }
    case "bytes":
      return answer(response, query, 200, pattern(Number(argument)));
    case "status":
      return answer(response, query, Number(argument), Buffer.alloc(0));
    default:
      return answer(response, query, 200, Buffer.from("hello"));
  }
}

const told = (status, headers, body, more = {}) => ({
  status,
  headers,
  length: body.length,
  sha256: createHash("sha256").update(body).digest("hex"),
  text: body.length < 4096 ? body.toString() : null,
  ...more,
});

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const undici = new Map();

function byHttp({ port, method, path, size, chunked, headers }) {
  return new Promise((resolve, reject) => {
    const body = size === null ? null : pattern(size);
    const framing = body === null ? {} : chunked ? { "Transfer-Encoding": "chunked" } : { "Content-Length": size };
    const options = { host: "127.0.0.1", port, method, path, agent, headers: { ...headers, ...framing } };
    const request = http.request(options, async (response) => {
      try {
        const bytes = await read(response);
        resolve(told(response.statusCode, response.headers, bytes, { reused: request.reusedSocket }));
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function* pieces(bytes) {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536);
}

async function byUndici({ port, method, path, size, chunked, headers }) {
  if (!undici.has(port)) {
    const made = { client: new Client(`http://127.0.0.1:${port}`, { pipelining: 1 }), connections: 0 };
    made.client.on("connect", () => made.connections++);
    undici.set(port, made);
  }
  const { client } = undici.get(port);
  const before = undici.get(port).connections;
  let body = size === null ? null : pattern(size);
  if (chunked && body !== null) body = pieces(body);
  const response = await client.request({ method, path, headers, body });
  const bytes = Buffer.from(await response.body.arrayBuffer());
  const reused = undici.get(port).connections === before;
  return told(response.statusCode, response.headers, bytes, { reused });
}

// WebSockets.

function echo(socket) {
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? "" : data.toString();
    if (text.startsWith("close:")) return socket.close(Number(text.slice(6)), "as told");
    if (text !== "ping") return socket.send(data, { binary: isBinary });
    socket.once("pong", () => socket.send(data, { binary: false }));
    return socket.ping("from the server");
  });
}

function connect(port) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
    socket.once("error", reject);
    socket.once("open", () => resolve(socket));
  });
}

const next = (socket, event) => new Promise((resolve) => socket.once(event, (...seen) => resolve(seen)));

async function echoed(socket, message) {
  const heard = next(socket, "message");
  socket.send(message);
  const [data, isBinary] = await heard;
  const wanted = Buffer.from(message);
  if (!data.equals(wanted) || isBinary === (typeof message === "string")) throw new Error(`${message.length} bytes came back as others`);
}

async function closed(socket) {
  const ended = next(socket, "close");
  socket.close();
  await ended;
}

const operations = {
  http: byHttp,
  undici: byUndici,

  async messages({ port }) {
    const socket = await connect(port);
    for (const message of ["text ✓", pattern(256), "", Buffer.alloc(0), "x".repeat(200), pattern(70000)]) {
      await echoed(socket, message);
    }
    const heard = next(socket, "message");
    socket.send("in ", { fin: false });
    socket.send("three ", { fin: false });
    socket.send("fragments", { fin: true });
    const [data] = await heard;
    if (data.toString() !== "in three fragments") throw new Error(data.toString());
    await closed(socket);
  },

  async pings({ port }) {
    const socket = await connect(port);
    for (let i = 0; i < 3; i++) {
      const heard = next(socket, "pong");
      socket.ping(`${i}`);
      const [data] = await heard;
      if (data.toString() !== `${i}`) throw new Error(`pong ${data}`);
    }
    await echoed(socket, "ping");
    await closed(socket);
  },

  async closes({ port }) {
    for (const wanted of [1000, 1001, 4001]) {
      const socket = await connect(port);
      const ended = next(socket, "close");
      socket.send(`close:${wanted}`);
      const [code, reason] = await ended;
      if (code !== wanted || reason.toString() !== "as told") throw new Error(`${code} ${reason}`);
    }
    const socket = await connect(port);
    const ended = next(socket, "close");
    socket.close(4002, "enough");
    const [code] = await ended;
    if (code !== 4002) throw new Error(`${code}`);
  },

  async large({ port }) {
    const socket = await connect(port);
    for (const message of ["z".repeat(MIB), Buffer.alloc(MIB)]) await echoed(socket, message);
    await closed(socket);
  },

  async many({ port }) {
    const one = async (number) => {
      const socket = await connect(port);
      for (let i = 0; i < 20; i++) await echoed(socket, `${number}/${i}`);
      await closed(socket);
    };
    await Promise.all(Array.from({ length: 50 }, (_, number) => one(number)));
  },
};

function say(object) {
  process.stdout.write(`${JSON.stringify(object)}\n`);
}

const server = http.createServer((request, response) => serve(request, response).catch(() => response.destroy()));
server.keepAliveTimeout = 60000;
server.listen(httpPort, "127.0.0.1", 512, () => {
  new WebSocketServer({ host: "127.0.0.1", port: socketPort, maxPayload: 4 * MIB }, () => say({ ready: {} })).on("connection", echo);
});

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  operations[command.op](command).then(
    (result) => say({ id: command.id, result: result ?? null }),
    (error) => say({ id: command.id, error: `${error}` }),
  );
}
process.exit(0);
