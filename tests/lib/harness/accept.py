"""The accepting side of the servers that tests play."""
import threading


def each(listener, fn):
    """Calls fn(connection) for each connection in a thread of its own, until listener is closed."""
    def run():
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=fn, args=(conn,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
