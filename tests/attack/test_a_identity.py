#!/usr/bin/python3
"""Class A of the attacks: TLS and identity. Whoever cannot prove who it is, is nobody: no answer but a refusal, UP0.

Hostile leaves under the broker's own CA, whose key no test can have, are in tests/unit/test_gateway_identity.c and test_gateway_tls.c.
"""
import base64
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, pki, rawtls, stage, tap, workload  # noqa: E402

TCP = "tcp:127.0.0.1:22000"
ID = "critical,URI:spiffe://test.example/coder"
EXT = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\nbasicConstraints=critical,CA:FALSE\n"
WEAK = "ALL:@SECLEVEL=0"
REQUEST = b"GET /p/anthropic/v1/x HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n"


def text_of(path):
    with open(path) as f:
        return f.read()


def join(path, *parts):
    with open(path, "w") as f:
        f.write("".join(text_of(p) for p in parts))
    return path


def answer_to(address, cert=None, key=None, **kw):
    """What a client with this certificate gets for a proxied request: bytes, b"" when it is shut out."""
    c = rawtls.Client(address, cert, key, ciphers=WEAK, timeout=5, **kw)
    try:
        return c.ask() if c.connect() else b""
    finally:
        c.close()


def edited(s, name, old, new, at=0):
    """The workload's own certificate with bytes of its contents changed; its key is still the right one."""
    der = ssl.PEM_cert_to_DER_cert(text_of(s.w.cert))
    i = der.index(old, at)
    path = f"{s.w.dir}/edited-{name}.pem"
    with open(path, "w") as f:
        f.write(ssl.DER_cert_to_PEM_cert(der[:i] + new + der[i + len(old):]))
    return path, s.w.key


def self_signed(s):
    key, cert = pki.key(f"{s.w.dir}/self.key"), f"{s.w.dir}/self.pem"
    pki.run("openssl", "req", "-x509", "-new", "-key", key, "-subj", "/", "-out", cert, "-days", "1", "-addext", f"subjectAltName={ID}",
            "-addext", "extendedKeyUsage=clientAuth,serverAuth")
    return cert, key


def foreign_leaves(s, ca, d):
    """[(name, certificate, key)]: leaves of a CA that is not ours, from plain to absurd."""
    shared = pki.key(f"{d}/shared.key")
    rows = [
        ("a perfect leaf of another CA", ID, {}),
        ("two URIs", f"{ID},URI:spiffe://test.example/admin", {}),
        ("no SAN, CN=coder", "", {"subject": "/CN=coder"}),
        ("a DNS name", "DNS:coder", {}),
        ("no extended key usage", ID, {"ext": ""}),
        ("codeSigning", ID, {"ext": "extendedKeyUsage=codeSigning\n"}),
        ("anyExtendedKeyUsage", ID, {"ext": "extendedKeyUsage=anyExtendedKeyUsage\n"}),
        ("CA:TRUE", ID, {"ext": "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"}),
        ("the gateway's name", "URI:spiffe://test.example/sidekey/gateway", {}),
        ("a URI of 3 000 bytes", "URI:spiffe://test.example/" + "a" * 3000, {}),
        ("200 names", ",".join(f"URI:spiffe://test.example/n{i}" for i in range(200)), {}),
        ("SHA-1", ID, {"digest": "sha1"}),
        ("a life of 100 years", ID, {"days": "36500"}),
    ]
    out = []
    for i, (name, san, kw) in enumerate(rows):
        out.append((name, *ca.leaf(f"leaf{i}", san, leaf_key=shared, **{"ext": EXT, **kw})))
    for name, args in (("RSA-1024", ["rsa_keygen_bits:1024"]), ("RSA-2048", ["rsa_keygen_bits:2048"])):
        key = f"{d}/{name}.key"
        pki.run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", *args, "-out", key)
        out.append((name, *ca.leaf(name, ID, ext=EXT, leaf_key=key)))
    for curve in ("P-521", "secp256k1"):
        key = f"{d}/{curve}.key"
        pki.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", key)
        out.append((curve, *ca.leaf(curve, ID, ext=EXT, leaf_key=key)))
    pki.run("openssl", "genpkey", "-algorithm", "ED25519", "-out", f"{d}/ed.key")
    out.append(("Ed25519", *ca.leaf("ed", ID, ext=EXT, leaf_key=f"{d}/ed.key")))
    return out


def chains(s, ca, d):
    """Leaves that stand on something: on a leaf of ours, on a CA that looks like ours, on very much."""
    ours = text_of(s.w.ca)
    ski = subprocess.run(["openssl", "x509", "-in", s.w.ca, "-noout", "-ext", "subjectKeyIdentifier"], capture_output=True, text=True).stdout.split()[-1]
    twin = pki.Ca(f"{d}/twin", "twin", subject="/O=Sidekey/CN=Sidekey CA test.example", ski=ski)
    t_cert, t_key = twin.leaf("leaf", ID, ext=EXT + "authorityKeyIdentifier=keyid:always\n")
    below = pki.Ca.of(f"{d}/below", s.w.cert, s.w.key)
    b_cert, b_key = below.leaf("leaf", ID, ext=EXT)
    f_cert, f_key = ca.leaf("chained", ID, ext=EXT)
    deep = f"{d}/deep.pem"
    with open(deep, "w") as f:
        f.write(text_of(f_cert) + text_of(ca.cert) * 100)
    huge = f"{d}/huge.pem"
    with open(huge, "w") as f:
        f.write(text_of(f_cert) + text_of(ca.cert) * 400)
    return [
        ("a CA with our subject and key identifier", t_cert, t_key),
        ("the same, with that CA sent along", join(f"{d}/t1.pem", t_cert, twin.cert), t_key),
        ("the same, with our CA sent along", join(f"{d}/t2.pem", t_cert, s.w.ca), t_key),
        ("signed by a workload's certificate", b_cert, b_key),
        ("the same, with that certificate sent along", join(f"{d}/b1.pem", b_cert, s.w.cert), b_key),
        ("the same, with the whole chain", join(f"{d}/b2.pem", b_cert, s.w.cert, s.w.ca), b_key),
        ("a foreign leaf with our CA sent along", join(f"{d}/f1.pem", f_cert, s.w.ca), f_key),
        ("a foreign leaf with a good one of ours behind it", join(f"{d}/f2.pem", f_cert, s.w.cert, s.w.ca), f_key),
        ("a chain of 100", deep, f_key),
        ("a chain of 400, over 100 KiB", huge, f_key),
        ("our CA's certificate itself", s.w.ca, rawtls.stolen_key(f"{d}/ca-stolen.key", s.w.key, s.w.ca)) if ours else None,
    ]


def tampered(s, d):
    """Our own certificate, changed or stolen."""
    der = ssl.PEM_cert_to_DER_cert(text_of(s.w.cert))
    spki = der.index(b"spiffe://test.example/coder")
    end = time.strftime("%y%m%d%H%M%SZ", time.gmtime(s.w.issued["not_after"])).encode()
    serial = der[der.index(b"\x02\x10") + 2:][:16]
    return [
        ("our certificate with another name in it", *edited(s, "name", b"example/coder", b"example/admin")),
        ("our certificate with a later end", *edited(s, "end", end, b"49" + end[2:])),
        ("our certificate with another serial", *edited(s, "serial", serial, serial[:-1] + bytes([serial[-1] ^ 1]))),
        ("our certificate as a CA's", *edited(s, "ca", b"\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00", b"\x55\x1d\x13\x01\x01\x00\x04\x02\x30\x00")),
        ("our certificate for code signing", *edited(s, "eku", b"\x2b\x06\x01\x05\x05\x07\x03\x02", b"\x2b\x06\x01\x05\x05\x07\x03\x03")),
        ("our certificate with a bit of its signature turned", *edited(s, "sig", der[-4:], bytes([der[-4] ^ 1]) + der[-3:], at=spki)),
        ("our certificate, stolen, without its key", s.w.cert, rawtls.stolen_key(f"{d}/stolen.key", pki.key(f"{d}/own.key"), s.w.cert)),
    ]


def shut_out(t, s, log):
    d = f"{s.w.dir}/foreign"
    ca = pki.Ca(d)
    rows = [("self-signed", *self_signed(s)), *foreign_leaves(s, ca, d), *chains(s, ca, d), *tampered(s, d)]
    s.up.clear()
    log.mark()
    unseen = 1  # a chain over 100 KiB is refused before a certificate is looked at
    for i, (name, cert, key) in enumerate(rows):
        reply = answer_to(TCP if i % 2 else s.w.conf["gateway"], cert, key)
        nobody = reply.startswith(b"HTTP/1.1 401 ")  # libssl keeps back what the gateway's list of signatures does not take
        unseen += nobody
        t.ok(reply == b"" or nobody, f"shut out: {name}", reply)
    t.is_(oracle.up0(s.up), "", "UP0 of them all")
    oracle.until(lambda: log.refusals(code="bad_certificate") >= len(rows) - unseen, 4)
    t.is_(log.refusals(code="bad_certificate"), len(rows) - unseen, "AUD: each of them, and nothing else")
    t.is_(log.holds(event="refused", code="bad_certificate", detail="the key was not proven"), "", "AUD: a stolen certificate says so")
    t.ok(not any(r.get("workload") or r.get("instance") for r in log.new()), "AUD: nobody is named who did not prove it", log.new()[-3:])


def anonymous(t, s, log):
    log.mark()
    for method, target, alpn in (("GET", "/p/anthropic/v1/x", "sidekey-forward"), ("GET", "/p/anthropic/v1/x", "sidekey-control"), ("GET", "/v1/self", "sidekey-forward"),
                                 ("DELETE", "/v1/self", "sidekey-control"), ("POST", "/v1/renew", "sidekey-control"), ("POST", "/p/anthropic/", None)):
        c = s.w.anonymous(alpn)
        r = c.ask(method, target)
        t.is_((r.status, r.json()["code"], oracle.up0(s.up)), (401, "no_certificate", ""), f"no certificate: {method} {target} on {alpn}")
        c.close()
    for target, status in (("/healthz", 200), ("/readyz", 200), ("/", 404), ("/v1/admin/status", 404), ("/metrics", 404)):
        c = s.w.anonymous("sidekey-forward")
        t.is_(c.ask("GET", target).status, status, f"no certificate: GET {target}")
        c.close()
    oracle.until(lambda: log.refusals() >= 9, 4)  # what was folded is counted a second later
    t.is_(log.refusals(), 9, "AUD: each of them that was refused")
    t.ok(not any(r.get("workload") or r.get("instance") for r in log.new()), "AUD: and nobody is named", log.new()[-3:])


def hello(version, body=b"", record=b"\x03\x01"):
    """A ClientHello made by hand."""
    ciphers = bytes.fromhex("c02bc02fc013c014009c002f000500040000")
    msg = version + bytes(32) + b"\0" + len(ciphers).to_bytes(2, "big") + ciphers + b"\x01\0" + body
    hand = b"\x01" + len(msg).to_bytes(3, "big") + msg
    return b"\x16" + record + len(hand).to_bytes(2, "big") + hand


def plain(t, s):
    """No TLS 1.3: no handshake."""
    for name, lo, hi in (("TLS 1.2", rawtls.TLS1_2, rawtls.TLS1_2), ("TLS 1.1", rawtls.TLS1_1, rawtls.TLS1_1), ("TLS 1.0", rawtls.TLS1, rawtls.TLS1),
                         ("TLS 1.0 to 1.2", rawtls.TLS1, rawtls.TLS1_2)):
        t.is_(answer_to(TCP, s.w.cert, s.w.key, versions=(lo, hi)), b"", f"{name} with a good certificate")
    for name, text in (("CBC suites", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"), ("RSA key exchange", "AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0"),
                       ("NULL suites", "eNULL:@SECLEVEL=0"), ("anonymous suites", "aNULL:@SECLEVEL=0")):
        c = rawtls.Client(TCP, s.w.cert, s.w.key, ciphers=text, versions=(rawtls.TLS1_2, rawtls.TLS1_2), timeout=5)
        t.ok(not c.connect(), f"TLS 1.2 with {name}")
        c.close()
    for name, kw in (("groups that we do not take", {"groups": "P-521:X448"}), ("signatures that we do not make", {"sigalgs": "RSA-PSS+SHA256"})):
        c = rawtls.Client(TCP, s.w.cert, s.w.key, timeout=5, **kw)
        t.ok(not c.connect(), name)
        c.close()
    rows = [("SSLv2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37)), ("SSLv3", hello(b"\x03\x00", record=b"\x03\x00")),
            ("TLS 1.0 by hand", hello(b"\x03\x01")), ("TLS 1.2 without extensions", hello(b"\x03\x03")),
            ("TLS 1.3 in legacy_version", hello(b"\x03\x04")), ("an extension that lies about its length", hello(b"\x03\x03", b"\xff\xff\x00\x2b")),
            ("a record of 64 KiB", b"\x16\x03\x01\xff\xff" + bytes(65535)), ("application data first", b"\x17\x03\x03\x00\x05hello"),
            ("an alert first", b"\x15\x03\x03\x00\x02\x01\x00"), ("plain HTTP", REQUEST), ("HTTP CONNECT", b"CONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\n"),
            ("a PROXY line", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + REQUEST), ("zeros", bytes(5000)), ("nothing", b"")]
    for name, raw in rows:
        c = rawtls.dial(TCP, 5)
        got = b""
        try:
            c.sendall(raw)
            c.shutdown(socket.SHUT_WR)
            while more := c.recv(4096):
                got += more
        except OSError:
            pass
        c.close()
        t.ok(got == b"" or (got[:1] == b"\x15" and len(got) == 7), f"no handshake: {name}", got)
    t.is_(oracle.up0(s.up), "", "UP0 of them all")


def resumption(t, s):
    c = rawtls.Client(s.w.conf["gateway"], s.w.cert, s.w.key)
    t.ok(c.connect() and c.ask().startswith(b"HTTP/1.1 200 "), "a good certificate is let in")
    session = rawtls.SSL.SSL_get1_session(c.ssl)
    t.is_((rawtls.SSL.SSL_SESSION_has_ticket(session), rawtls.SSL.SSL_SESSION_is_resumable(session)), (0, 0), "it is given no ticket, also behind a request")
    c.close()
    c = rawtls.Client(s.w.conf["gateway"])
    rawtls.SSL.SSL_set_session(c.ssl, session)
    t.ok(c.connect() and rawtls.SSL.SSL_session_reused(c.ssl) == 0, "its session resumes nothing")
    t.ok(c.ask().startswith(b"HTTP/1.1 401 "), "and whoever shows it is nobody")
    c.close()
    for name, identity in (("a key that nobody agreed on", b"Client_identity"), ("a ticket made up", os.urandom(200)), ("a ticket of 60 000 bytes", b"x" * 60000)):
        for cert, key, want in ((None, None, b"HTTP/1.1 401 "), (s.w.cert, s.w.key, b"HTTP/1.1 200 ")):
            s.up.clear()
            c = rawtls.Client(s.w.conf["gateway"], cert, key, psk=identity, timeout=5)
            sent = c.early(REQUEST.replace(b"/x", b"/early"))
            reply = c.ask() if c.connect() else b""
            who = "with" if cert else "without"
            t.ok(reply.startswith(want) or (reply == b"" and len(identity) > 50000), f"{name}, {who} a certificate: worth nothing", reply)
            t.ok(not sent or rawtls.SSL.SSL_get_early_data_status(c.ssl) != rawtls.EARLY_DATA_ACCEPTED, f"{name}, {who} a certificate: no early data")
            t.ok(not any("early" in r.line for r in s.up.requests), f"{name}, {who} a certificate: a request in early data is none", [r.line for r in s.up.requests])
            c.close()


def after(t, s):
    """Behind a good handshake."""
    c = rawtls.Client(s.w.conf["gateway"], s.w.cert, s.w.key, timeout=5)
    t.ok(c.connect(), "connected")
    t.ok(rawtls.SSL.SSL_renegotiate(c.ssl) == 0, "TLS 1.3 knows no renegotiation")
    c.close()
    base = oracle.Baseline(s.b)
    for kind, name in ((0, "10 000 key updates"), (1, "key updates that want one back, unread")):
        c = rawtls.Client(s.w.conf["gateway"], s.w.cert, s.w.key, timeout=1)
        c.connect()
        slow = []
        watch = threading.Thread(target=lambda: slow.extend(x for x in (oracle.alive(s.b, s.w.conf["gateway"], s.w.ca) for _ in range(5)) if x))
        watch.start()
        for _ in range(10000):
            rawtls.SSL.SSL_key_update(c.ssl, kind)
            if rawtls.SSL.SSL_do_handshake(c.ssl) != 1:
                break
        watch.join()
        t.is_(slow, [], f"ALIVE during {name}")
        if kind == 0:
            t.ok(c.ask().startswith(b"HTTP/1.1 200 "), "a request behind them is served")
        c.close()
    t.is_(base.back(), "", "ALIVE: back at the baseline")
    half = [rawtls.dial(TCP) for _ in range(40)]
    for i, c in enumerate(half):
        c.sendall(hello(b"\x03\x03")[:i * 2])
    t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE beside 40 handshakes that stand still")
    for c in half:
        c.close()
    t.is_(base.back(), "", "and their descriptors are given back")


def names(t, s):
    """SNI is nobody's name here: whatever it says, the certificate decides."""
    for name, sni in (("evil.example", b"evil.example"), ("the upstream's", b"api.anthropic.com"), ("255 bytes", b"a" * 255), ("quotes and line ends", b'"}\r\n{"event":"decide"'),
                      ("invalid UTF-8", b"\xff\xfe\xc0\xaf")):
        s.up.clear()
        reply = answer_to(TCP, s.w.cert, s.w.key, sni=sni)
        t.ok(reply.startswith(b"HTTP/1.1 200 ") and oracle.up1(s.up, "GET /v1/x HTTP/1.1", "x-api-key", stage.KEY) == "", f"SNI {name}: as without", reply)
        reply = answer_to(TCP, sni=sni)
        t.ok(reply.startswith(b"HTTP/1.1 401 "), f"SNI {name}, no certificate: nobody", reply)


def code_of(w, target="/p/anthropic/v1/x"):
    """(status, code) of a request with the workload's certificate; (0, "shut") when it is shut out."""
    try:
        r = w.ask("GET", target)
    except OSError:
        return 0, "shut"
    if r is None:
        return 0, "shut"
    return r.status, "" if r.status == 200 else (r.json().get("sidekey") or r.json())["code"]


def serving(s):
    try:
        return oracle.alive(s.b, s.w.conf["gateway"], s.w.ca)
    except OSError as e:
        return str(e)


def dead(t, s, log):
    """Certificates of our CA that are not in force any more, or never were here."""
    b = s.b
    one = workload.Workload(b.enroll("coder"))
    t.is_(one.ask("DELETE", "/v1/self", alpn="sidekey-control").status, 204, "given back")
    log.mark()
    t.is_(code_of(one), (403, "certificate_revoked"), "a certificate that was given back")
    t.is_(log.holds(event="decide", decision="deny", code="certificate_revoked"), "", "AUD")
    cap = b.enroll("coder", "--reusable", "--cap", "1")
    old, new = workload.Workload(cap), workload.Workload(cap)
    t.is_((code_of(old), code_of(new)), ((403, "certificate_revoked"), (200, "")), "one that was superseded, and its successor")

    b.workload("again")
    again = workload.Workload(b.enroll("again"))
    open_ = again.connect()
    t.is_(open_.ask("GET", "/v1/self").status, 200, "a workload")
    b.cli("workload", "revoke", "again")
    t.ok(open_.closed(1.5), "revoked: its open connection is cut")
    b.workload("again")
    fresh = workload.Workload(b.enroll("again"))
    t.is_(code_of(again)[1], "workload_revoked", "deleted and made anew: the old certificate stays dead")
    t.is_(code_of(fresh), (403, "no_policy"), "while the new one lives")

    b.stop()
    shutil.copytree(b.state, f"{b.dir}/kept")
    b.start()
    broker.wait_for(lambda: serving(s) == "", "the gateway to serve")
    lost = workload.Workload(b.enroll("coder"))
    t.is_(code_of(lost), (200, ""), "enrolled")
    b.stop()
    shutil.rmtree(b.state)
    shutil.copytree(f"{b.dir}/kept", b.state)
    b.give(b.state)
    b.start()
    broker.wait_for(lambda: serving(s) == "", "the gateway to serve")
    log = oracle.Log(b)
    s.up.clear()
    t.is_(code_of(lost), (403, "certificate_unknown"), "good by its CA, unknown to the table of live certificates: refused")
    t.is_(oracle.up0(s.up), "", "UP0")
    t.is_(log.holds(event="decide", decision="deny", code="certificate_unknown"), "", "AUD")


def another_broker(t, s):
    """A second broker of the same trust domain, with a workload of the same name: its CA has the same subject."""
    with broker.Broker() as other:
        other.policy("p", ["coder"], stage.ALLOW_ALL)
        other.start()
        other.workload("coder")
        w = workload.Workload(other.enroll("coder"))
        s.up.clear()
        t.is_(answer_to(s.w.conf["gateway"], w.cert, w.key), b"", "another broker's workload of the same name is shut out")
        t.is_(answer_to(s.w.conf["gateway"], join(f"{w.dir}/both.pem", w.cert, w.ca), w.key), b"", "also with its CA")
        try:
            workload.Client(s.w.conf["gateway"], w.ca)
            t.ok(False, "and our gateway is not its gateway")
        except ssl.SSLError:
            t.ok(True, "and our gateway is not its gateway")
        t.is_(oracle.up0(s.up), "", "UP0")


def expiry(t):
    with stage.Stage(yaml="certificate_ttl: 5s\n") as s:
        log = oracle.Log(s.b)
        idle = s.w.connect()
        t.is_(idle.ask("GET", "/p/anthropic/v1/x").status, 200, "a certificate of 5 s")
        time.sleep(max(0, s.w.issued["not_after"] - time.time()) + 1.1)
        s.up.clear()
        t.is_(answer_to(s.w.conf["gateway"], s.w.cert, s.w.key), b"", "expired: shut out in the handshake")
        t.is_(log.holds(event="refused", code="bad_certificate", detail="certificate has expired"), "", "AUD")
        try:
            r = idle.ask("GET", "/v1/self")
            t.ok(r is None or r.status == 403, "expired: also on a connection that was open", r and r.raw)
        except OSError:
            t.ok(True, "expired: also on a connection that was open")
        t.is_(oracle.up0(s.up), "", "UP0")


def main(t):
    with stage.Stage(tcp=TCP[4:]) as s:
        log = oracle.Log(s.b)
        base = oracle.Baseline(s.b)
        anonymous(t, s, log)
        plain(t, s)
        resumption(t, s)
        names(t, s)
        shut_out(t, s, log)
        after(t, s)
        t.is_(base.back(), "", "ALIVE: no process grew or died in all this")
        another_broker(t, s)
        dead(t, s, log)
        t.is_(oracle.aud(s.b, event="keeper_start"), "", "the chain verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
    expiry(t)


tap.Tap().run(main)
