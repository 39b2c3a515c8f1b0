"""A TLS client on libssl itself (ctypes), for what Python's ssl module does not let a test do: key updates, early data, stolen certificates."""
import base64
import ctypes
import socket
import subprocess

SSL = ctypes.CDLL("libssl.so.3")
PSK_FN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t),
                          ctypes.POINTER(ctypes.c_void_p))
for name, result, *args in (
        ("TLS_client_method", ctypes.c_void_p), ("SSL_CTX_new", ctypes.c_void_p, ctypes.c_void_p), ("SSL_new", ctypes.c_void_p, ctypes.c_void_p),
        ("SSL_CTX_use_certificate_chain_file", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
        ("SSL_CTX_use_PrivateKey_file", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        ("SSL_CTX_ctrl", ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p),
        ("SSL_CTX_set_cipher_list", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
        ("SSL_CTX_set_psk_use_session_callback", None, ctypes.c_void_p, PSK_FN),
        ("SSL_ctrl", ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p),
        ("SSL_set_fd", ctypes.c_int, ctypes.c_void_p, ctypes.c_int), ("SSL_set_alpn_protos", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint),
        ("SSL_connect", ctypes.c_int, ctypes.c_void_p), ("SSL_do_handshake", ctypes.c_int, ctypes.c_void_p),
        ("SSL_read", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int), ("SSL_write", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        ("SSL_key_update", ctypes.c_int, ctypes.c_void_p, ctypes.c_int), ("SSL_renegotiate", ctypes.c_int, ctypes.c_void_p),
        ("SSL_session_reused", ctypes.c_int, ctypes.c_void_p), ("SSL_get1_session", ctypes.c_void_p, ctypes.c_void_p),
        ("SSL_set_session", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p), ("SSL_SESSION_has_ticket", ctypes.c_int, ctypes.c_void_p),
        ("SSL_SESSION_is_resumable", ctypes.c_int, ctypes.c_void_p), ("SSL_SESSION_new", ctypes.c_void_p),
        ("SSL_SESSION_set1_master_key", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
        ("SSL_SESSION_set_cipher", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
        ("SSL_SESSION_set_protocol_version", ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
        ("SSL_SESSION_set_max_early_data", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32),
        ("SSL_SESSION_up_ref", ctypes.c_int, ctypes.c_void_p),
        ("SSL_CIPHER_find", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
        ("SSL_write_early_data", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)),
        ("SSL_get_early_data_status", ctypes.c_int, ctypes.c_void_p), ("SSL_get_version", ctypes.c_char_p, ctypes.c_void_p),
        ("SSL_free", None, ctypes.c_void_p), ("SSL_CTX_free", None, ctypes.c_void_p)):
    fn = getattr(SSL, name)
    fn.restype, fn.argtypes = result, args

MIN_VERSION, MAX_VERSION, GROUPS_LIST, SIGALGS_LIST, HOSTNAME = 123, 124, 92, 98, 55
TLS1, TLS1_1, TLS1_2, TLS1_3 = 0x301, 0x302, 0x303, 0x304
EARLY_DATA_ACCEPTED = 2
TLS_AES_128_GCM_SHA256 = b"\x13\x01"


class Client:
    """A connection that is made step by step: the test calls connect(), and what it wants in between. The server is not verified."""

    def __init__(self, address, cert=None, key=None, alpn=b"sidekey-forward", versions=None, timeout=10, groups=None, sigalgs=None, ciphers=None, sni=None, psk=None):
        self.sock = dial(address, timeout)
        self.ctx = SSL.SSL_CTX_new(SSL.TLS_client_method())
        if ciphers:  # first: @SECLEVEL decides which certificates are taken
            SSL.SSL_CTX_set_cipher_list(self.ctx, ciphers.encode())
        if cert and not (SSL.SSL_CTX_use_certificate_chain_file(self.ctx, cert.encode()) == 1
                         and SSL.SSL_CTX_use_PrivateKey_file(self.ctx, key.encode(), 1) == 1):
            raise ValueError(f"libssl does not take {cert} and {key}")
        for kind, version in zip((MIN_VERSION, MAX_VERSION), versions or ()):
            SSL.SSL_CTX_ctrl(self.ctx, kind, version, None)
        for kind, text in ((GROUPS_LIST, groups), (SIGALGS_LIST, sigalgs)):
            if text and SSL.SSL_CTX_ctrl(self.ctx, kind, 0, text.encode()) != 1:
                raise ValueError(text)
        if psk:
            self.use_psk(psk)
        self.ssl = SSL.SSL_new(self.ctx)
        SSL.SSL_set_fd(self.ssl, self.sock.fileno())
        if alpn:
            SSL.SSL_set_alpn_protos(self.ssl, bytes([len(alpn)]) + alpn, len(alpn) + 1)
        if sni:
            SSL.SSL_ctrl(self.ssl, HOSTNAME, 0, sni)

    def use_psk(self, identity):
        """Offers a key that the server cannot know, as a session to resume that takes early data."""
        session = SSL.SSL_SESSION_new()
        self.identity = ctypes.create_string_buffer(identity)

        def give(ssl, md, ret_id, ret_len, ret_session):
            SSL.SSL_SESSION_set1_master_key(session, b"k" * 32, 32)
            SSL.SSL_SESSION_set_cipher(session, SSL.SSL_CIPHER_find(ssl, TLS_AES_128_GCM_SHA256))
            SSL.SSL_SESSION_set_protocol_version(session, TLS1_3)
            SSL.SSL_SESSION_set_max_early_data(session, 16384)
            SSL.SSL_SESSION_up_ref(session)
            ret_id[0], ret_len[0], ret_session[0] = ctypes.addressof(self.identity), len(identity), session
            return 1
        self.give = PSK_FN(give)
        SSL.SSL_CTX_set_psk_use_session_callback(self.ctx, self.give)

    def early(self, data):
        n = ctypes.c_size_t()
        return SSL.SSL_write_early_data(self.ssl, data, len(data), ctypes.byref(n)) == 1

    def connect(self):
        return SSL.SSL_connect(self.ssl) == 1

    def write(self, data):
        return SSL.SSL_write(self.ssl, data, len(data)) == len(data)

    def read(self):
        """The next bytes, b"" at the end or at an error."""
        block = ctypes.create_string_buffer(65536)
        n = SSL.SSL_read(self.ssl, block, 65536)
        return block.raw[:n] if n > 0 else b""

    def read_reply(self):
        data = b""
        while True:
            head, mark, rest = data.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            if mark and len(rest) >= length:
                return data
            more = self.read()
            if not more:
                return data
            data += more

    def ask(self, target=b"/p/anthropic/v1/x", method=b"GET"):
        if not self.write(method + b" " + target + b" HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n"):
            return b""
        return self.read_reply()

    def close(self):
        SSL.SSL_free(self.ssl)
        SSL.SSL_CTX_free(self.ctx)
        self.sock.close()


def dial(address, timeout=10):
    """A plain connection, blocking; the kernel keeps the time-out, since libssl reads the descriptor itself."""
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address[5:])
    else:
        host, port = address[4:].rsplit(":", 1)
        s = socket.create_connection((host, int(port)))
    s.settimeout(None)
    when = timeout.to_bytes(8, "little") + bytes(8)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, when)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, when)
    return s


def stolen_key(path, own_key, victim_cert):
    """A key file that libssl takes for victim_cert's: its public half is the victim's, its private half is ours."""
    der = subprocess.run(["openssl", "ec", "-in", own_key, "-outform", "DER"], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "x509", "-in", victim_cert, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    point = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True, capture_output=True).stdout[-65:]
    with open(path, "w") as f:
        f.write("-----BEGIN EC PRIVATE KEY-----\n" + base64.encodebytes(der[:-65] + point).decode() + "-----END EC PRIVATE KEY-----\n")
    return path
