"""The predecessor's clients where something else than a server of ours answers."""

import contextlib
import os
import socket
import tempfile
import threading
from unittest import TestCase

from beep_python import _host_rpc
from beep_python._dotnet_hosts import PythonHostHttp, PythonHostPipe, PythonHostRpc, connection_to

NO_ANSWERS = (b"<html>hello</html>", b"[1]", b'"text"', b"null", b"\xff\xfe")


class NoAnswers(TestCase):
    @contextlib.contextmanager
    def listening(self, family, place, answer):
        """Gives this answer to each request."""
        listener = socket.socket(family)
        listener.bind(place)
        listener.listen(8)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.recv(65536)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            listener.close()

    def is_no_server(self, host):
        self.assertIs(host.InitializeAsync().Result, False)
        host.IsInitialized = True  # as one that was replaced since
        with self.assertRaises(_host_rpc.HostError) as caught:
            host.EvaluateAsync("1").Result
        self.assertIn(host.address, str(caught.exception))

    def test_http(self):
        for text in NO_ANSWERS:
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(text), text)
            for kind in (PythonHostHttp, PythonHostRpc):
                with self.subTest(text=text, kind=kind), self.listening(socket.AF_INET, ("127.0.0.1", 0), answer) as place:
                    self.is_no_server(kind("http://127.0.0.1:%d" % place[1]))

    def test_pipe(self):
        for text in (*NO_ANSWERS, b"{}"):
            with tempfile.TemporaryDirectory() as folder, self.subTest(text=text):
                with self.listening(socket.AF_UNIX, os.path.join(folder, "s"), text + b"\n") as place:
                    self.is_no_server(PythonHostPipe(place))


class Addresses(TestCase):
    def test_scheme_says_how_to_connect(self):
        for address, port, of_tls in (
            *(("box:5678", 5678, False), ("http://box", 80, False), ("grpc://box:50051", 50051, False)),
            *(("https://box", 443, True), ("grpcs://box:50051", 50051, True)),
        ):
            connection = connection_to(address)
            self.assertEqual((connection.host, connection.port), ("box", port))
            self.assertEqual(type(connection).__name__, "HTTPSConnection" if of_tls else "HTTPConnection", address)

    def test_what_is_not_known_is_said(self):
        for address, said in (("ftp://box", "https:"), ("https://box?fingerprint=AB", "BEEP_PYTHON_CA_FILE")):
            with self.assertRaisesRegex(ValueError, said):
                connection_to(address)
