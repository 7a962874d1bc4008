// The server and the client of grpc_calls.py, by gRPC's JavaScript (grpc-js). NODE_PATH says where
// that is.
//
// grpc_calls.js serve NAME [PORT [CERT KEY]]   says "listening PORT"; ends whole on SIGTERM
// grpc_calls.js try HOST:PORT [CA]             says "well" at its end, or what was wrong
// grpc_calls.js load HOST:PORT N C             N calls, C at once; says "at" each hundredth, how many
//                                              ended with which status, and which server answered
"use strict";
const fs = require("fs");
const grpc = require("@grpc/grpc-js");

const SERVICE = "/lb.spec.Echo/";
const LARGE = 3 * 1024 * 1024;
const asIs = (bytes) => bytes;

const say = (text) => process.stdout.write(text + "\n");
const fail = (text) => {
  say(text);
  process.exit(1);
};

// --- the server ---

const method = (path, requestStream, responseStream) => ({
  path, requestStream, responseStream, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs,
  responseDeserialize: asIs,
});

let sawCancel;
const seenCancel = new Promise((resolve) => { sawCancel = resolve; });

function handlersOf(name) {
  return {
    unary(call, done) {
      const first = new grpc.Metadata(), last = new grpc.Metadata();
      first.set("server", name);
      first.set("seen", call.metadata.get("give")[0] || "nothing");
      call.sendMetadata(first);
      last.set("last", "word");
      last.set("sum-bin", Buffer.from([0, 255]));
      done(null, call.request, last);
    },
    fail(call, done) {
      done({ code: grpc.status.FAILED_PRECONDITION, details: "not now, 100%" });
    },
    hang(call) {
      call.on("cancelled", sawCancel);
    },
    wasCancelled(call, done) {
      const timer = setTimeout(() => done(null, Buffer.from("no")), 20000);
      seenCancel.then(() => {
        clearTimeout(timer);
        done(null, Buffer.from("yes"));
      });
    },
    many(call) {
      const count = Number(call.request.toString());
      let i = 0;
      const more = () => {
        while (!call.cancelled && i < count) if (!call.write(Buffer.from(String(i++)))) return call.once("drain", more);
        call.end();
      };
      more();
    },
    sum(call, done) {
      let bytes = 0;
      call.on("data", (message) => { bytes += message.length; });
      call.on("end", () => done(null, Buffer.from(String(bytes))));
    },
    both(call) {
      call.on("data", (message) => call.write(Buffer.from(message).reverse()));
      call.on("end", () => call.end());
    },
    check(call, done) {
      done(null, Buffer.from([8, 1]));
    },
  };
}

function serve(name, port, cert, key) {
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  server.addService({
    unary: method(SERVICE + "Unary", false, false), fail: method(SERVICE + "Fail", false, false),
    hang: method(SERVICE + "Hang", false, false), wasCancelled: method(SERVICE + "WasCancelled", false, false),
    many: method(SERVICE + "Many", false, true), sum: method(SERVICE + "Sum", true, false),
    both: method(SERVICE + "Both", true, true), check: method("/grpc.health.v1.Health/Check", false, false),
  }, handlersOf(name));
  const credentials = cert
    ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: fs.readFileSync(cert), private_key: fs.readFileSync(key) }])
    : grpc.ServerCredentials.createInsecure();
  server.bindAsync("127.0.0.1:" + (port || 0), credentials, (error, bound) => {
    if (error) fail(String(error));
    say("listening " + bound);
  });
  process.once("SIGTERM", () => server.tryShutdown(() => process.exit(0)));
}

// --- the client ---

const inSeconds = (seconds) => ({ deadline: Date.now() + seconds * 1000 });

function expect(what, wanted, got) {
  if (JSON.stringify(wanted) !== JSON.stringify(got)) fail(`${what}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
}

function clientOf(address, ca) {
  const Client = grpc.makeGenericClientConstructor({}, "Echo");
  const options = { "grpc.enable_http_proxy": 0, "grpc.max_receive_message_length": -1 };
  if (!ca) return new Client(address, grpc.credentials.createInsecure(), options);
  options["grpc.ssl_target_name_override"] = "a.test";
  return new Client(address, grpc.credentials.createSsl(fs.readFileSync(ca)), options);
}

// What becomes of a unary call: its answer, its error, what came before and behind.
function unary(client, name, request, more) {
  return new Promise((resolve) => {
    const metadata = new grpc.Metadata();
    metadata.set("give", "me");
    const seen = {};
    const call = client.makeUnaryRequest(SERVICE + name, asIs, asIs, Buffer.from(request), metadata,
      more || inSeconds(30), (error, answer) => {
        seen.error = error;
        seen.answer = answer;
      });
    call.on("metadata", (first) => { seen.first = first; });
    call.on("status", (status) => {
      seen.status = status;
      setImmediate(() => resolve(seen));
    });
  });
}

async function tryUnary(client) {
  for (const request of ["", "a", "x".repeat(LARGE)]) {
    const seen = await unary(client, "Unary", request);
    if (seen.error) fail("a unary call: " + seen.error);
    expect("a unary call", request.length, seen.answer.length);
    expect("what the server has seen", ["me"], seen.first.get("seen"));
    expect("trailers", ["word"], seen.status.metadata.get("last"));
    expect("binary trailers", [0, 255], [...seen.status.metadata.get("sum-bin")[0]]);
  }
}

async function tryFailures(client) {
  const failed = (await unary(client, "Fail", "")).status;
  expect("a call that fails", [grpc.status.FAILED_PRECONDITION, "not now, 100%"], [failed.code, failed.details]);
  expect("an unknown method", grpc.status.UNIMPLEMENTED, (await unary(client, "Nothing", "")).status.code);
}

const messagesOf = (call) => new Promise((resolve) => {
  const list = [];
  call.on("data", (message) => list.push(message.toString()));
  call.on("error", (error) => fail("a stream: " + error));
  call.on("end", () => resolve(list));
});

function trySum(client) {
  return new Promise((resolve) => {
    const call = client.makeClientStreamRequest(SERVICE + "Sum", asIs, asIs, new grpc.Metadata(), inSeconds(30),
      (error, answer) => {
        if (error) fail("a stream of requests: " + error);
        expect("a stream of requests", "50000", answer.toString());
        resolve();
      });
    for (let i = 0; i < 500; i++) call.write(Buffer.from("x".repeat(100)));
    call.end();
  });
}

async function tryStreams(client) {
  const many = client.makeServerStreamRequest(SERVICE + "Many", asIs, asIs, Buffer.from("500"), new grpc.Metadata(),
    inSeconds(30));
  expect("a stream of answers", [...Array(500).keys()].map(String), await messagesOf(many));
  await trySum(client);
  const both = client.makeBidiStreamRequest(SERVICE + "Both", asIs, asIs, new grpc.Metadata(), inSeconds(30));
  const words = [...Array(50).keys()].map((i) => "word " + i);
  let next = 1; // each waits for the answer to the one before
  both.write(Buffer.from(words[0]));
  both.on("data", () => { if (next < words.length) both.write(Buffer.from(words[next++])); else both.end(); });
  expect("a conversation", words, (await messagesOf(both)).map((text) => [...text].reverse().join("")));
}

async function tryEnds(client) {
  expect("a deadline", grpc.status.DEADLINE_EXCEEDED, (await unary(client, "Hang", "", inSeconds(0.3))).status.code);
  expect("the server sees it", "yes", (await unary(client, "WasCancelled", "")).answer.toString());
  const call = client.makeServerStreamRequest(SERVICE + "Many", asIs, asIs, Buffer.from("100000000"),
    new grpc.Metadata(), inSeconds(30));
  call.on("data", () => call.cancel());
  call.on("error", () => {});
  const status = await new Promise((resolve) => call.on("status", resolve));
  expect("a cancelled call", grpc.status.CANCELLED, status.code);
}

async function tryAll(address, ca) {
  const client = clientOf(address, ca);
  for (const step of [tryUnary, tryFailures, tryStreams, tryEnds]) await step(client);
  client.close();
  say("well");
}

async function load(address, calls, atOnce) {
  const client = clientOf(address), codes = {}, servers = {};
  const count = (counts, name) => { counts[name] = (counts[name] || 0) + 1; };
  let number = 0;
  const some = async () => {
    while (number < Number(calls)) {
      const request = String(number++);
      const { status, answer, first } = await unary(client, "Unary", request);
      const isMixed = status.code === grpc.status.OK && answer.toString() !== request;
      count(codes, isMixed ? "MIXED" : grpc.status[status.code]);
      if (status.code === grpc.status.OK) count(servers, first.get("server")[0]);
      if (Number(request) % 100 === 0) say("at " + request);
    }
  };
  await Promise.all(Array.from({ length: Number(atOnce) }, some));
  client.close();
  for (const counts of [codes, servers]) say(Object.entries(counts).map((pair) => pair.join("=")).join(" "));
}

const [, , command, ...rest] = process.argv;
({ serve, try: tryAll, load })[command](...rest);
