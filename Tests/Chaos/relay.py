"""A TCP relay that does what bad networks and load balancers do to connections."""
import selectors
import socket
import threading
import time

PASS, REFUSE, DROP, SILENT, DEAF, SLOW = "pass", "refuse", "drop", "silent", "deaf", "slow"


class Relay:
    """Listens on `port` and passes bytes on to `target`.

    The present `mode` holds for all connections: `refuse` and `drop` end them, `silent` passes nothing on but keeps them open, `deaf`
    delivers what the client says and loses the answers, `slow` holds each piece back for 0.3 s."""

    def __init__(self, target):
        self.target, self.mode, self.lost_answers = target, PASS, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self.mode in (REFUSE, DROP):
                return
            with socket.create_connection(("127.0.0.1", self.target), timeout=5) as server:
                self._pass(client, server)
        except OSError:
            pass
        finally:
            client.close()

    def _pass(self, client, server):
        selector = selectors.DefaultSelector()
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while self.mode not in (REFUSE, DROP):
            if self.mode == SILENT:
                time.sleep(0.05)
                continue
            for key, _ in selector.select(timeout=0.1):
                piece = key.fileobj.recv(65536)
                if not piece:
                    return
                if self.mode == SLOW:
                    time.sleep(0.3)
                if self.mode == DEAF and key.fileobj is server:
                    self.lost_answers += 1
                    continue
                key.data.settimeout(5)
                key.data.sendall(piece)
