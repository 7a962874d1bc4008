"""A gRPC server and a client that tries everything, by gRPC's C core. Messages are plain bytes.

grpc_calls.py serve NAME [[HOST:]PORT [CERT KEY]]
                                   says "listening PORT"; ends whole on SIGTERM: GOAWAY, then the calls
                                   that are there. CERT: over TLS
grpc_calls.py try HOST:PORT [CA]   says "well" at its end, or what was wrong; CA: over TLS, to a.test
grpc_calls.py load HOST:PORT N C   N calls, C at once; says "at" each hundredth, how many ended with
                                   which status, and which server answered how many
"""
import collections
import concurrent.futures
import signal
import sys
import threading

import grpc

SERVICE = "lb.spec.Echo"
NO_PROXY = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
LARGE = 3 * 1024 * 1024


def say(*words):
    print(*words, flush=True)


# --- the server ---


class Echo(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.name = name
        self.seen_cancel = threading.Event()

    def service(self, details):
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Hang": grpc.unary_unary_rpc_method_handler(self.hang),
            "WasCancelled": grpc.unary_unary_rpc_method_handler(self.was_cancelled),
            "Many": grpc.unary_stream_rpc_method_handler(self.many),
            "Sum": grpc.stream_unary_rpc_method_handler(self.sum),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(self.check)
        return kinds.get(details.method.removeprefix("/" + SERVICE + "/"))

    def unary(self, request, context):
        given = dict(context.invocation_metadata())
        context.send_initial_metadata((("server", self.name), ("seen", given.get("give", "nothing"))))
        context.set_trailing_metadata((("last", "word"), ("sum-bin", b"\x00\xff")))
        return request

    def check(self, request, context):
        """The whole server is well, its service "sick" is not, and it has no other."""
        if request == b"":
            return b"\x08\x01"
        if request == b"\x0a\x04sick":
            return b"\x08\x02"
        context.abort(grpc.StatusCode.NOT_FOUND, "no such service")

    def fail(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now, 100%")

    def hang(self, request, context):
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(60)
        self.seen_cancel.set()
        return b""

    def was_cancelled(self, request, context):
        return b"yes" if self.seen_cancel.wait(20) else b"no"

    def many(self, request, context):
        for i in range(int(request)):
            yield b"%d" % i

    def sum(self, requests, context):
        return b"%d" % sum(len(message) for message in requests)

    def both(self, requests, context):
        for message in requests:
            yield message[::-1]


def credentials_of(cert, key):
    with open(cert, "rb") as cert_file, open(key, "rb") as key_file:
        return grpc.ssl_server_credentials([(key_file.read(), cert_file.read())])


def serve(name, port="0", cert=None, key=None):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in the threads of gRPC, too
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(32), handlers=[Echo(name)], options=[("grpc.so_reuseport", 0)]
    )
    address = port if ":" in port else "127.0.0.1:" + port
    port = server.add_secure_port(address, credentials_of(cert, key)) if cert else server.add_insecure_port(address)
    if port == 0:
        sys.exit("the port is taken")
    server.start()
    say("listening", port)
    signal.sigwait({signal.SIGTERM})
    server.stop(20).wait()


# --- the client ---


class Client:
    def __init__(self, address, ca=None):
        if ca is None:
            self.channel = grpc.insecure_channel(address, options=NO_PROXY)
            return
        with open(ca, "rb") as file:
            trusted = grpc.ssl_channel_credentials(file.read())
        name = [("grpc.ssl_target_name_override", "a.test")]
        self.channel = grpc.secure_channel(address, trusted, options=NO_PROXY + name)

    def unary(self, method, request=b"", **options):
        return self.channel.unary_unary("/%s/%s" % (SERVICE, method)).with_call(request, timeout=30, **options)

    def many(self, method):
        return self.channel.unary_stream("/%s/%s" % (SERVICE, method))

    def sum(self, method):
        return self.channel.stream_unary("/%s/%s" % (SERVICE, method))

    def both(self, method):
        return self.channel.stream_stream("/%s/%s" % (SERVICE, method))


def expect(what, wanted, got):
    if wanted != got:
        sys.exit("%s: wanted %r, got %r" % (what, wanted, got))


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def try_unary(client):
    for request in (b"", b"a", b"x" * LARGE):
        answer, call = client.unary("Unary", request, metadata=(("give", "me"),))
        expect("a unary call", request, answer)
        expect("what the server has seen", "me", dict(call.initial_metadata())["seen"])
        trailers = dict(call.trailing_metadata())
        expect("trailers", ("word", b"\x00\xff"), (trailers["last"], trailers["sum-bin"]))


def try_failures(client):
    expect(
        "a call that fails",
        (grpc.StatusCode.FAILED_PRECONDITION, "not now, 100%"),
        code_of(lambda: client.unary("Fail")),
    )
    expect("an unknown method", grpc.StatusCode.UNIMPLEMENTED, code_of(lambda: client.unary("Nothing"))[0])


def try_streams(client):
    expect("a stream of answers", [b"%d" % i for i in range(500)], list(client.many("Many")(b"500", timeout=30)))
    expect("a stream of requests", b"50000", client.sum("Sum")((b"x" * 100 for _ in range(500)), timeout=30))
    turns = []
    say_next = threading.Semaphore(1)

    def talk():
        for i in range(50):
            say_next.acquire()
            yield b"word %d" % i

    for answer in client.both("Both")(talk(), timeout=30):
        turns.append(answer[::-1])
        say_next.release()
    expect("a conversation", [b"word %d" % i for i in range(50)], turns)


def try_ends(client):
    hang = client.channel.unary_unary("/%s/Hang" % SERVICE)
    expect("a deadline", grpc.StatusCode.DEADLINE_EXCEEDED, code_of(lambda: hang(b"", timeout=0.3))[0])
    expect("the server sees it", b"yes", client.unary("WasCancelled")[0])
    call = client.many("Many")(b"100000000", timeout=30)
    expect("a first answer", b"0", next(call))
    call.cancel()
    expect("a cancelled call", grpc.StatusCode.CANCELLED, call.code())


def try_all(address, ca=None):
    client = Client(address, ca)
    for step in (try_unary, try_failures, try_streams, try_ends):
        step(client)
    say("well")


def load(address, calls, at_once):
    client = Client(address)
    codes, servers, lock = collections.Counter(), collections.Counter(), threading.Lock()

    def one(number):
        request = b"%d" % number
        try:
            answer, call = client.unary("Unary", request)
            code = "OK" if answer == request else "MIXED"
            server = dict(call.initial_metadata())["server"]
        except grpc.RpcError as error:
            code, server = error.code().name, None
        with lock:
            codes[code] += 1
            if server:
                servers[server] += 1
            if number % 100 == 0:
                say("at", number)

    with concurrent.futures.ThreadPoolExecutor(int(at_once)) as pool:
        list(pool.map(one, range(int(calls))))
    for counter in (codes, servers):
        say(*("%s=%d" % pair for pair in sorted(counter.items())))


{"serve": serve, "try": try_all, "load": load}[sys.argv[1]](*sys.argv[2:])
