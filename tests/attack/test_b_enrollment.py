#!/usr/bin/python3
"""Class B of the attacks: enrollment and the CA. A key gives one identity, the one it was made for; a certificate renews itself and nobody else."""
import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, shim, stage, tap, workload  # noqa: E402

JSON = "Content-Type: application/json"
GUESSES = int(os.environ.get("SIDEKEY_TEST_GUESSES", "3000"))


def post(w, path, headers=(), body=b"", alpn="sidekey-control", with_cert=False, method="POST"):
    """(status, code, reply); (0, "shut", None) when the connection is closed without an answer."""
    c = w.connect(alpn) if with_cert else w.anonymous(alpn)
    try:
        r = c.ask(method, path, headers, body)
    except (OSError, EOFError):
        r = None
    finally:
        c.close()
    if r is None:
        return 0, "shut", None
    try:
        return r.status, r.json().get("code", ""), r
    except ValueError:
        return r.status, "", r


def bearer(w, key=None):
    return f"Authorization: Bearer {w.conf['key'] if key is None else key}"


def enroll_body(csr):
    return json.dumps({"csr": csr})


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, capture_output=True, check=True).stdout


def csr_of(d, name, key_args, req_args=()):
    key = f"{d}/{name}.key"
    openssl("genpkey", *key_args, "-out", key)
    return openssl("req", "-new", "-key", key, "-subj", "/", *req_args).decode()


def fresh(s, *flags):
    path = s.b.enroll("coder", *(flags or ("--reusable", "--cap", "60")))
    w = workload.Workload(path, enroll=False)
    os.unlink(path)  # so that its key is nowhere but here
    return w


def keys(t, s):
    """What is almost the key."""
    w = fresh(s, "--reusable", "--cap", "9")
    key = w.conf["key"]
    raw = base64.urlsafe_b64decode(key + "=")
    last = key[:-1] + next(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" if c != key[-1] and base64.urlsafe_b64decode(key[:-1] + c + "=") == raw)
    rows = [("none", []), ("a space behind the key", [f"Authorization: Bearer {key} x"]), ("twice in a list", [f"Authorization: Bearer {key}, Bearer {key}"]),
            ("two headers", [bearer(w), bearer(w)]), ("a wrong one in front of the right one", [bearer(w, "A" * 43), bearer(w)]), ("as Basic", [f"Authorization: Basic {base64.b64encode(raw).decode()}"]),
            ("without a scheme", [f"Authorization: {key}"]), ("another scheme", [f"Authorization: Token {key}"]), ("quoted", [f'Authorization: Bearer "{key}"']),
            ("in hex", [bearer(w, raw.hex())]), ("in the other alphabet, padded", [bearer(w, base64.b64encode(raw).decode())]),
            ("another spelling of the same bits", [bearer(w, last)]), ("a byte more", [bearer(w, base64.urlsafe_b64encode(raw + b"\0").rstrip(b"=").decode())]),
            ("a byte less", [bearer(w, base64.urlsafe_b64encode(raw[:-1]).rstrip(b"=").decode())]), ("escaped", [bearer(w, "%" + f"{ord(key[0]):02x}" + key[1:])]),
            ("in another header", [f"X-Api-Key: {key}"]), ("with an underscore", [f"Authorization_: Bearer {key}"]), ("in Proxy-Authorization", [f"Proxy-Authorization: Bearer {key}"]),
            ("with a tab", [f"Authorization: Bearer\t{key}"]), ("8 KiB of it", [bearer(w, key * 190)])]
    for name, headers in rows:
        status, code, r = post(w, "/v1/enroll", [*headers, JSON], enroll_body(w.csr))
        t.ok(status in (403, 429) and code in ("enroll_refused", "enroll_rate"), f"a key {name}: refused", r and r.raw)
    for name, path, body in (("in the query", f"/v1/enroll?key={key}", enroll_body(w.csr)), ("in the body", "/v1/enroll", json.dumps({"csr": w.csr, "key": key})),
                             ("in the path", f"/v1/enroll/{key}", enroll_body(w.csr))):
        status, code, r = post(w, path, [JSON], body)
        t.ok(status in (403, 404, 429), f"a key {name}: refused", r and r.raw)
    t.is_(post(w, "/v1/enroll", [f"authorization: bearer {key}", JSON], enroll_body(w.csr))[0], 200, "the key itself, in small letters of the scheme")
    t.is_(oracle.can(key, s.b), "", "CAN: the key is in no log, store or process")


def guesses(t, s, log):
    w = fresh(s, "--reusable", "--cap", "9")
    log.settle()
    base = oracle.Baseline(s.b)
    seen, waits, begin = {}, set(), time.monotonic()
    c = w.anonymous()
    for i in range(GUESSES):
        guess = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        r = c.ask("POST", "/v1/enroll", [bearer(w, guess), JSON], "{}")
        seen[r.json()["code"]] = seen.get(r.json()["code"], 0) + 1
        waits.add(r.get("retry-after") is not None if r.status == 429 else True)
        if r.get("connection") == "close":
            c.close()
            c = w.anonymous()
        if i == GUESSES // 2:
            t.is_(w.enroll().status, 200, "in the middle of it the right key works")
    c.close()
    minutes = 1 + int((time.monotonic() - begin) / 60)
    t.ok(seen.get("enroll_refused", 0) <= 20 * minutes and sum(seen.values()) == GUESSES, f"{GUESSES} guesses: at most 20 a minute are told more than to wait", seen)
    t.is_(waits, {True}, "the others are told how long")
    oracle.until(lambda: log.refusals() >= GUESSES, 4)
    t.is_(log.refusals(), GUESSES, "AUD: all of them are in records and counts")
    most = 100 + 11 * (time.monotonic() - begin)  # a burst, then ten a second and a count
    t.ok(len(log.new()) < min(most, GUESSES / 2), "AUD: and the log did not grow with them", (len(log.new()), most))
    t.is_(base.back(), "", f"ALIVE: nothing grew ({GUESSES / (time.monotonic() - begin):.0f} guesses a second)")


def is_ours(pem, csr, name="coder"):
    """The certificate says what the enrollment said, and has the key of the request."""
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=pem, capture_output=True, text=True).stdout
    names = re.search(r"Subject Alternative Name: critical\n\s*(.*)\n", text)
    life = [ssl.cert_time_to_seconds(x) for x in re.findall(r"Not (?:Before|After) ?: (.* GMT)", text)]
    same = openssl("x509", "-noout", "-pubkey", stdin=pem.encode()) == openssl("req", "-noout", "-pubkey", stdin=csr.encode())
    good = (re.search(r"Subject: ?\n", text) and names and names.group(1) == f"URI:spiffe://test.example/{name}" and "CA:FALSE" in text and "CA:TRUE" not in text
            and "TLS Web Client Authentication, TLS Web Server Authentication\n" in text and re.search(r"Key Usage: critical\n\s*Digital Signature\n", text)
            and len(life) == 2 and life[1] - life[0] <= 3600 + 120 and same and text.count("X509v3 ") == 7)
    return "" if good else text


def requests(t, s):
    """What a certificate request may ask for, and what it gets."""
    d = s.w.dir
    p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    taken = [("a common name", ["-subj", "/CN=admin"]), ("our gateway's name", ["-addext", "subjectAltName=URI:spiffe://test.example/sidekey/gateway"]),
             ("200 names", ["-addext", "subjectAltName=" + ",".join(f"DNS:n{i}" for i in range(200))]),
             ("to be a CA", ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:9", "-addext", "keyUsage=keyCertSign,cRLSign"]),
             ("another purpose", ["-addext", "extendedKeyUsage=codeSigning,OCSPSigning"]), ("an unknown critical extension", ["-addext", "1.2.3.4=critical,ASN1:NULL"]),
             ("an e-mail address", ["-addext", "subjectAltName=email:root@test.example"]), ("name constraints", ["-addext", "nameConstraints=permitted;DNS:."])]
    for i, (name, args) in enumerate(taken):
        csr = csr_of(d, f"taken{i}", p256, args)
        w = fresh(s)
        r = w.enroll(csr=csr)
        t.ok(r.status == 200 and is_ours(r.json()["certificate"], csr) == "", f"a request for {name}: the certificate says what the enrollment says", r.body[:300] if r.status != 200 else is_ours(r.json()["certificate"], csr))
    csr = csr_of(d, "p384", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"])
    t.is_(fresh(s).enroll(csr=csr).status, 200, "P-384 is taken")
    weak = [("RSA-1024", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]), ("RSA-4096", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]),
            ("P-224", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-224"]), ("P-521", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
            ("secp256k1", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"]), ("Ed25519", ["-algorithm", "ED25519"]),
            ("explicit parameters", [*p256, "-pkeyopt", "ec_param_enc:explicit"])]
    w = fresh(s, "--ttl", "1h")
    for i, (name, args) in enumerate(weak):
        r = w.enroll(csr=csr_of(d, f"weak{i}", args))
        t.is_((r.status, r.json().get("code")), (400, "bad_csr"), f"a key of {name}: refused")
    pem = w.csr.strip().split("\n")
    der = base64.b64decode("".join(pem[1:-1]))

    def as_pem(data, word="CERTIFICATE REQUEST"):
        return f"-----BEGIN {word}-----\n{base64.encodebytes(data).decode()}-----END {word}-----\n"
    other = base64.b64decode("".join(csr_of(d, "other", p256).strip().split("\n")[1:-1]))
    point = der.index(b"\x03\x42\x00\x04") + 4
    opoint = other.index(b"\x03\x42\x00\x04") + 4
    bad = [("another's key under our signature", as_pem(der[:point] + other[opoint:opoint + 64] + der[point + 64:])), ("a point that is on no curve", as_pem(der[:point] + b"\x01" * 64 + der[point + 64:])),
           ("a point at infinity", as_pem(der.replace(b"\x03\x42\x00\x04" + der[point:point + 64], b"\x03\x02\x00\x00"))), ("another's signature", as_pem(der[:-64] + other[-64:])),
           ("nothing", ""), ("spaces", " " * 100), ("the armour alone", "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"),
           ("two requests", w.csr + w.csr), ("two requests in one armour", as_pem(der + der)), ("bytes behind the request", as_pem(der + b"\0")), ("half a request", as_pem(der[:len(der) // 2])),
           ("the DER as it is", base64.b64encode(der).decode()), ("a certificate", w.conf["ca"]), ("a private key", open(w.key).read()),
           ("a request called a certificate", as_pem(der, "CERTIFICATE")), ("headers in the armour", w.csr.replace("\n", "\nProc-Type: 4,ENCRYPTED\n\n", 1)),
           ("text in front", "hello\n" + w.csr), ("small letters", w.csr.lower()), ("a length that lies", as_pem(b"\x30\x84\xff\xff\xff\xff" + der)),
           ("30 000 levels", as_pem(b"\x30\x80" * 3000)), ("9 KiB", as_pem(der + bytes(9000))), ("60 KiB", "x" * 60000)]
    for name, csr in bad:
        status, code, r = post(w, "/v1/enroll", [bearer(w), JSON], enroll_body(csr))
        t.ok(status == 400 and code == "bad_csr", f"a request that is {name}: refused", r and r.raw)
    t.is_(fresh(s).enroll(csr=w.csr.replace("\n", "\r\n")).status, 200, "line ends of Windows are taken")
    r = w.enroll()
    t.ok(r.status == 200 and is_ours(r.json()["certificate"], w.csr) == "", "and the key was spent by none of them")
    t.ok("BEGIN" not in s.b.log() and "PRIVATE" not in s.b.log(), "a private key that somebody sent is not in the log")


def bodies(t, s):
    w = fresh(s)
    csr = json.dumps(w.csr)
    good = f'{{"csr": {csr}}}'
    rows = [("empty", ""), ("null", "null"), ("a list", f"[{good}]"), ("a string", csr), ("csr twice", f'{{"csr": {csr}, "csr": {csr}}}'),
            ("csr twice, the first one bad", f'{{"csr": "x", "csr": {csr}}}'), ("a workload", f'{{"csr": {csr}, "workload": "admin"}}'), ("an end", f'{{"csr": {csr}, "not_after": 9999999999}}'),
            ("a SPIFFE ID", f'{{"csr": {csr}, "spiffe_id": "spiffe://test.example/admin"}}'), ("__proto__", f'{{"csr": {csr}, "__proto__": {{}}}}'), ("CSR in capitals", f'{{"CSR": {csr}}}'),
            ("a number", '{"csr": 1}'), ("a list for csr", f'{{"csr": [{csr}]}}'), ("csr null", '{"csr": null}'), ("1e400", '{"csr": 1e400}'), ("another object behind", good + good),
            ("a comma too much", f'{{"csr": {csr},}}'), ("a comment", f'{{"csr": {csr} /* x */}}'), ("single quotes", "{'csr': 'x'}"), ("a byte order mark", "\ufeff" + good), ("NaN", '{"csr": NaN}'),
            ("NUL in the csr", f'{{"csr": {csr[:-1]}\\u0000"}}'), ("NUL in the key", f'{{"csr\\u0000": {csr}}}'), ("1 000 levels", "[" * 1000 + "]" * 1000), ("30 000 levels", '{"a":' * 10000 + "1" + "}" * 10000),
            ("a lone surrogate", '{"csr": "\\ud800"}'), ("a form", "csr=x"), ("HTML", "<html>")]
    for name, body in rows:
        status, code, r = post(w, "/v1/enroll", [bearer(w), JSON], body.encode())
        t.ok(400 <= status < 500 and code in ("bad_json", "bad_csr"), f"a body with {name}: refused", r and r.raw)
    for name, body in (("invalid UTF-8", b'{"csr": "\xff\xfe"}'), ("UTF-16", good.encode("utf-16")), ("zeros", bytes(1000))):
        status, code, r = post(w, "/v1/enroll", [bearer(w), JSON], body)
        t.ok(400 <= status < 500 and code in ("bad_json", "bad_csr"), f"a body with {name}: refused", r and r.raw)
    for name, body in (("64 KiB and one byte", b" " * 65537), ("1 MiB", b" " * (1 << 20))):
        status, code, r = post(w, "/v1/enroll", [bearer(w), JSON], body)
        t.ok(status in (0, 413), f"a body of {name}: refused", r and r.raw)
    c = w.anonymous()
    c.send(f"POST /v1/enroll HTTP/1.1\r\nHost: x\r\n{bearer(w)}\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(70):
            c.send(b"400\r\n" + b" " * 1024 + b"\r\n")
        r = c.read("POST")
        t.is_(r and r.status, 413, "64 KiB in chunks: refused")
    except OSError:
        t.ok(True, "64 KiB in chunks: refused")
    c.close()
    escaped = '{"c\\u0073r": ' + csr.replace("B", "\\u0042") + "}"
    t.is_(post(w, "/v1/enroll", [bearer(w), JSON], escaped)[0], 200, "the same JSON in another spelling is the same")
    t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")


TRICKS = ["/v1/enroll/", "/v1//enroll", "//v1/enroll", "/v1/%65nroll", "/v1/enrol%6c", "/V1/enroll", "/v1/Enroll", "/v1/enroll;a", "/v1/./enroll", "/v1/x/../enroll", "/v1/enroll%20", "/v1/enroll%00",
          "/v1/enroll.json", "/v1%2fenroll", "/p/../v1/enroll", "/p/anthropic/../../v1/enroll", "/v1/enroll\\", "http://127.0.0.1:7433/v1/enroll", "http://sidekey/v1/enroll", "v1/enroll", "/v1/enroll#x", "/v1/enroll?a=b", "/v1/enroll?"]


def forwarded(t, s, log):
    """What a child may try through the shim's forwarder: with a key of its own, with the enrollment's key, with the shim's certificate."""
    w = fresh(s)
    csr = enroll_body(w.csr)
    exact = [("POST", "/v1/enroll"), ("POST", "/v1/renew"), ("DELETE", "/v1/self")]
    for method, path in exact:
        log.mark()
        for alpn in ("sidekey-forward", None, "http/1.1"):
            status, code, r = post(w, path, [bearer(w), JSON], csr, alpn=alpn, with_cert=False, method=method)
            t.is_((status, code), (403, "forwarded_control"), f"{method} {path} with ALPN {alpn}")
            status, code, r = post(s.w, path, [bearer(w), JSON], csr, alpn=alpn, with_cert=True, method=method)
            t.is_((status, code), (403, "forwarded_control"), f"{method} {path} with ALPN {alpn} and the shim's certificate")
        t.is_(log.holds(event="refused", code="forwarded_control", detail=path, workload="coder"), "", f"AUD: {path}")
    log.mark()
    for target in TRICKS:
        for swap in ("enroll", "renew"):
            path = target.replace("enroll", swap).replace("Enroll", swap.capitalize())
            status, code, r = post(s.w, path, [bearer(w), JSON], csr, alpn="sidekey-forward", with_cert=True)
            t.ok(status in (400, 403, 404), f"forwarded: {path}", r and r.raw)
    for method in ("post", "Post"):
        status, code, r = post(s.w, "/v1/enroll", [bearer(w), JSON], csr, alpn="sidekey-forward", with_cert=True, method=method)
        t.is_(status, 400, f"forwarded: {method} /v1/enroll is no method")
    for method in ("PUT", "GET", "PATCH", "OPTIONS", "HEAD"):
        status, code, r = post(s.w, "/v1/enroll", [bearer(w), JSON], csr, alpn="sidekey-forward", with_cert=True, method=method)
        t.ok(status == 405 and r.get("allow") == "POST", f"forwarded: {method} /v1/enroll", r and r.raw)
    for headers in (["X-HTTP-Method-Override: POST"], ["X-Original-URL: /v1/enroll"], ["X-Rewrite-URL: /v1/enroll"], ["Sidekey-Ticket: " + "0" * 64], ["Upgrade: sidekey-control", "Connection: Upgrade"]):
        status, code, r = post(s.w, "/v1/self", [*headers, bearer(w)], alpn="sidekey-forward", with_cert=True, method="GET")
        t.ok(status == 200 and "certificate" not in r.json(), f"forwarded: GET /v1/self with {headers[0]} is just that", r and r.raw)
    t.ok(not any(r["event"] in ("enroll", "renew", "give_back") for r in log.new()), "AUD: nothing came of it")
    for offer in (["sidekey-forward", "sidekey-control"], ["sidekey-control", "sidekey-forward"]):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.load_verify_locations(s.w.ca)
        ctx.set_alpn_protocols(offer)
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(s.w.conf["gateway"][5:])
        with ctx.wrap_socket(raw) as c:
            c.sendall(f"POST /v1/enroll HTTP/1.1\r\nHost: x\r\n{bearer(w)}\r\nContent-Length: {len(csr)}\r\n\r\n{csr}".encode())
            t.ok(b" 403 " in c.recv(100), f"both ALPNs, {offer[0]} first: forwarded")
    t.is_(w.enroll().status, 200, "the key was spent by none of this")


CHILD = r"""
import http.client, json, os, sys
url = os.environ["SIDEKEY_URL"].split("//")[1]
csr, key = open(sys.argv[1]).read(), sys.argv[2]
for method, path in (("POST", "/v1/enroll"), ("POST", "/v1/renew"), ("DELETE", "/v1/self"), ("POST", "/v1//enroll"), ("POST", "/v1/%65nroll"), ("POST", "http://" + url + "/v1/enroll"), ("POST", "/v1/enroll?x")):
    c = http.client.HTTPConnection(url, timeout=10)
    c.request(method, path, json.dumps({"csr": csr}), {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
    r = c.getresponse()
    print(method, path.replace(url, ""), r.status, b"BEGIN CERT" in r.read())
c = http.client.HTTPConnection(url, timeout=10)
c.request("GET", "/v1/self")
print("self", c.getresponse().status)
"""


def child(t, s, log):
    """The same through the real shim, from a program that runs behind it."""
    w = fresh(s, "--ttl", "1h")
    script, csr = f"{s.w.dir}/child.py", f"{s.w.dir}/child.csr"
    with open(script, "w") as f:
        f.write(CHILD)
    with open(csr, "w") as f:
        f.write(w.csr)
    log.mark()
    rc, out, err = shim.run(s.b.enroll("coder"), "/usr/bin/python3", script, csr, w.conf["key"])
    lines = out.split("\n")
    t.ok(rc == 0 and len(lines) == 9, "a child tries through the shim", (rc, out, err))
    for line in lines[:-2]:
        t.ok(re.search(r" (400|403|404) False$", line), f"the child's {line}")
    t.is_(lines[-2:], ["self 200", ""], "it may ask who it is")
    t.is_(sum(r["event"] == "enroll" for r in log.new()), 1, "AUD: the shim's own enrollment is the only one")
    t.is_(log.holds(event="refused", code="forwarded_control", workload="coder"), "", "AUD: the attempt")
    t.is_(log.holds(event="give_back", workload="coder"), "", "AUD: at the end the shim gave its certificate back")
    t.is_(w.enroll().status, 200, "the key that the child had is unspent: it was not its to use")


def renewals(t, s):
    b = s.b
    b.workload("other")
    other = workload.Workload(b.enroll("other"))
    key, csr = workload.make_csr(other.dir)
    status, code, r = post(other, "/v1/renew", [JSON], enroll_body(s.w.csr), with_cert=True)
    t.ok(status == 200 and is_ours(r.json()["certificate"], s.w.csr, "other") == "", "renewing with another's key in the request: the name is the certificate's")
    status, code, r = post(other, "/v1/renew", [JSON, bearer(fresh(s))], enroll_body(csr), with_cert=True)
    t.ok(status == 200 and r.json()["workload"] == "other", "an enrollment's key beside the certificate changes nothing")
    for name, body in (("a workload", {"csr": csr, "workload": "coder"}), ("an instance", {"csr": csr, "instance": s.w.issued["instance"]}), ("a serial", {"csr": csr, "serial": "00"})):
        status, code, r = post(other, "/v1/renew", [JSON], json.dumps(body), with_cert=True)
        t.is_((status, code), (400, "bad_json"), f"renewing for {name} by name: refused")

    w = fresh(s, "--reusable", "--cap", "1")
    w.take(w.enroll())
    first = w.cert
    for name in ("lost", "kept"):
        r = w.ask("POST", "/v1/renew", [JSON], enroll_body(w.csr), alpn="sidekey-control")
        w.cert = f"{w.dir}/{name}.pem"
        w.take(r)
        w.cert = first
    seen = {}
    for name in ("lost", "kept"):
        w.cert = f"{w.dir}/{name}.pem"
        seen[name] = w.ask("GET", "/p/anthropic/v1/x").status
    t.is_(seen, {"lost": 403, "kept": 200}, "renewed twice by one certificate: one line goes on, the other is dead")
    for i in range(30):
        r = w.ask("POST", "/v1/renew", [JSON], enroll_body(w.csr), alpn="sidekey-control")
        w.take(r)
    row = [json.loads(x) for x in b.cli("--json", "workload", "list").stdout.splitlines()]
    t.ok(next(x for x in row if x["name"] == "coder")["live_certificates"] < 100, "30 renewals are one instance", row)

    b.cli("workload", "suspend", "other")
    e = b.cli("workload", "enroll", "other", "--out", f"{b.dir}/suspended.json", check=False)
    if e.returncode == 0:
        t.ok(workload.Workload(f"{b.dir}/suspended.json", enroll=False).enroll().status in (403, 429), "suspended: nobody enrolls")
    else:
        t.ok(True, "suspended: nobody enrolls")
    b.cli("workload", "resume", "other")
    waiting = workload.Workload(b.enroll("other"), enroll=False)
    b.cli("workload", "revoke", "other")
    status, code, r = post(other, "/v1/renew", [JSON], enroll_body(csr), with_cert=True)
    t.ok(status in (0, 403), "revoked: nobody renews", r and r.raw)
    t.ok(waiting.enroll().status in (403, 429), "revoked: an enrollment that was open is dead")
    b.workload("other")
    t.ok(waiting.enroll().status in (403, 429), "and stays dead when a workload of that name comes again")
    status, code, r = post(other, "/v1/renew", [JSON], enroll_body(csr), with_cert=True)
    t.ok(status in (0, 403), "and so does the certificate", r and r.raw)


def expired(t):
    with stage.Stage(yaml="certificate_ttl: 5s\n") as s:
        late = s.w.connect("sidekey-control")
        t.is_(late.ask("GET", "/v1/self").status, 200, "a certificate of 5 s")
        time.sleep(max(0, s.w.issued["not_after"] - time.time()) + 1.1)
        try:
            r = late.ask("POST", "/v1/renew", [JSON], enroll_body(s.w.csr))
            t.ok(r is None or r.status == 403, "expired: no renewal, also on a connection that was open", r and r.raw)
        except OSError:
            t.ok(True, "expired: no renewal, also on a connection that was open")
        try:
            s.w.ask("POST", "/v1/renew", [JSON], enroll_body(s.w.csr), alpn="sidekey-control")
            t.ok(False, "expired: nor on a new one")
        except OSError:
            t.ok(True, "expired: nor on a new one")


def killed(t, s):
    """kill -9 at some moment of an enrollment: a single-use key gives one certificate or none, and the log knows."""
    b, log = s.b, oracle.Log(s.b)
    for role, delay in [(r, d) for d in (0.0, 0.003, 0.008) for r in ("keeper", "edge", "gateway")]:
        w = fresh(s, "--ttl", "1h")
        log.mark()
        c = w.anonymous()
        c.send(f"POST /v1/enroll HTTP/1.1\r\nHost: x\r\n{bearer(w)}\r\nContent-Length: {len(enroll_body(w.csr))}\r\n\r\n{enroll_body(w.csr)}")
        time.sleep(delay)
        os.kill(b.pids()[role][0], signal.SIGKILL)
        answers = []
        try:
            answers.append(c.read("POST"))
        except (OSError, EOFError, ValueError):
            pass
        c.close()
        broker.wait_for(lambda: again(w, answers), "the broker to answer again", 30)
        issued = sum(r is not None and r.status == 200 for r in answers)
        b.workload(f"next-{log.seen}")  # a record behind it
        new = log.new()
        recorded = sum(a["event"] == "enroll" and b["rev"] > a["rev"] for a, b in zip(new, new[1:]))  # else it did not happen: docs/AUDIT.md
        t.ok(issued <= recorded <= 1, f"kill -9 of the {role} {delay * 1000:.0f} ms into an enrollment: one certificate at most", (issued, recorded, new))
        r = w.enroll()
        t.ok(r.status in (403, 429), "and the key is spent", r.body)
    t.is_(oracle.aud(b, event="keeper_start"), "", "AUD: the chain verifies behind all that")


def again(w, answers):
    """One more try with the key; true when the broker said something final."""
    try:
        r = w.enroll()
    except (OSError, EOFError):
        time.sleep(0.1)
        return False
    if r is None or r.status >= 500:
        time.sleep(0.1)
        return False
    answers.append(r)
    return True


class Impostor(threading.Thread):
    """A TLS server with somebody's certificate; seen is what clients sent it."""

    def __init__(self, cert, key, path):
        super().__init__(daemon=True)
        self.seen, self.met = b"", 0
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.load_cert_chain(cert, key)
        self.ctx.set_alpn_protocols(["sidekey-control", "sidekey-forward"])
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        self.sock.listen(8)
        self.start()

    def run(self):
        while True:
            raw, _ = self.sock.accept()
            self.met += 1
            raw.settimeout(3)
            try:
                with self.ctx.wrap_socket(raw, server_side=True) as c:
                    self.seen += c.recv(65536)
            except OSError:
                pass


def impostors(t, s):
    """A workload's certificate is no gateway's, whatever the workload is called: the shim tells it nothing."""
    with broker.Broker() as other:
        other.start()
        rows = [("another broker's gateway", None, f"unix:{other.run}/gateway.sock")]
        for i, name in enumerate(["coder", "broker", "gateway", "x/sidekey/gateway"]):
            w, path = s.w, f"{s.b.dir}/impostor-{i}.sock"
            if name != "coder":
                s.b.workload(name)
                w = workload.Workload(s.b.enroll(name))
            rows.append((f"the certificate of a workload called {name}, of the same CA", Impostor(w.cert, w.key, path), f"unix:{path}"))
        for name, server, address in rows:
            path = s.b.enroll("coder")
            with open(path) as f:
                conf = json.load(f)
            conf["gateway"] = address
            with open(f"{path}.x", "w") as f:
                json.dump(conf, f)
            os.chmod(f"{path}.x", 0o400)
            rc, out, err = shim.run(f"{path}.x", "sh", "-c", "echo ran", wait="2s")
            t.ok(rc == 125 and "ran" not in out, f"the shim and {name}: refused, and the command does not start", (rc, out, err))
            if server:
                t.ok(server.met > 0 and server.seen == b"", f"{name}: it was told nothing", server.seen)
            t.is_(workload.Workload(path).issued["workload"], "coder", f"{name}: the key is unspent")


def main(t):
    with stage.Stage() as s:
        log, base = oracle.Log(s.b), oracle.Baseline(s.b)
        keys(t, s)
        requests(t, s)
        bodies(t, s)
        forwarded(t, s, log)
        child(t, s, log)
        renewals(t, s)
        guesses(t, s, log)
        impostors(t, s)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
        t.is_(base.back(), "", "ALIVE: no process grew or died in all this")
        killed(t, s)
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
    expired(t)


tap.Tap().run(main)
