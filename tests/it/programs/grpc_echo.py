"""A gRPC service and its client, without generated code: messages are bare bytes.

grpc_echo.py server             prints its port and serves until it is killed
grpc_echo.py client HOST:PORT AUTHORIZATION
                           makes one call of each kind and prints what came of it
"""

import sys
import time
from concurrent import futures

import grpc

SERVICE = "demo.Echo"


def unary(request, context):
    sid = dict(context.invocation_metadata()).get("x-auth-sid", "nobody")
    if "authorization" in dict(context.invocation_metadata()):
        context.abort(grpc.StatusCode.INTERNAL, "the credentials came through")
    return request + b" for " + sid.encode()


def large(request, context):
    return request


def down(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def up(requests, context):
    return b"".join(requests)


def both(requests, context):
    for request in requests:
        yield request.upper()


def fail(request, context):
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Large": grpc.unary_unary_rpc_method_handler(large),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def call(address, authorization):
    options = {"metadata": (("authorization", authorization),), "timeout": 20}
    with grpc.insecure_channel(address) as channel:
        path = f"/{SERVICE}/"
        try:
            said = channel.unary_unary(path + "Unary")(b"hello", **options)
        except grpc.RpcError as error:
            print("refused:", error.code().name, error.details())
            return
        print("unary:", said.decode())
        print("large:", len(channel.unary_unary(path + "Large")(b"x" * 1_000_000, **options)))
        numbers = channel.unary_stream(path + "Down")(b"5", **options)
        print("server stream:", *(number.decode() for number in numbers))
        letters = channel.stream_unary(path + "Up")(iter([b"a", b"b", b"c"]), **options)
        print("client stream:", letters.decode())

        # Each answer is awaited before the next question: nothing may be held back.
        asked = []

        def questions():
            for letter in (b"a", b"b", b"c"):
                asked.append(letter)
                yield letter
                while len(answers) < len(asked):
                    time.sleep(0.005)

        answers = []
        for answer in channel.stream_stream(path + "Both")(questions(), **options):
            answers.append(answer)
        print("both:", *(answer.decode() for answer in answers))
        try:
            channel.unary_unary(path + "Fail")(b"", **options)
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            assert trailers.get("x-why") == "because", trailers
            print("failure:", error.code().name, error.details())


if sys.argv[1] == "server":
    serve()
else:
    call(sys.argv[2], sys.argv[3])
