#!/usr/bin/python3
"""Class D of the attacks, where a credential goes: whatever DNS, a URL, a redirect or the environment says, nothing is dialled but what may be."""
import os
import ssl
import sys
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import address_cases  # noqa: E402
from harness import dns, netns, oracle, pki, stage, tap, upstream, workload  # noqa: E402
from harness.broker import Broker  # noqa: E402

PUBLIC, DEAD = "8.8.8.8", "9.9.9.9"
STATIC = "credential: {kind: static, secret: %s}\nenv: {}\n"
NAMES = "rebind.example mixed.example localhost metadata.example gone.example single twin-a.example pool.example sys.example old.example".split()


def handler(conn, req):
    if req.target.startswith("/to?"):
        status, location = req.target[4:].split("&")
        conn.send(f"HTTP/1.1 {status} T\r\nLocation: {location}\r\nRefresh: 0; url={location}\r\nAlt-Svc: h2=\"{PUBLIC}:443\"\r\nContent-Length: 0\r\n\r\n".encode())
    elif req.target.startswith("/keep"):
        upstream.reply(conn, 200, b"{}")
    else:
        upstream.reply(conn, 200, b"{}", extra=("Connection: close",))
        return False


class Scene:
    """One server for every address, on port 443."""

    def __init__(self, env):
        self.b = Broker()
        self.ca = pki.Ca(f"{self.b.conf}/pki")
        self.dns = dns.Dns()
        self.up = upstream.Upstream(*self.ca.leaf("up", ",".join(f"DNS:{n}" for n in NAMES)), handler, 443, "::")
        use = ""
        for name in NAMES:
            for suffix, secret in (("", "k"), ("-b", "k2")) if name in ("twin-a.example", "pool.example") else (("", "k"),):
                own_ca = "" if name == "sys.example" else f"ca: {self.ca.cert}\n"
                self.b.write(f"upstreams/{name}{suffix}.yaml", f"upstream: {name}{suffix}\nlike: header\nurl: https://{name}/\n{own_ca}" + STATIC % secret)
                use += f'  {name}{suffix}:\n    allow: ["* /**"]\n'
        self.b.policy("coder", ["coder", "other"], use)
        self.b.start(env=env(self))
        self.b.secret("k", stage.KEY)
        self.b.secret("k2", stage.KEY[::-1])
        for name in ("coder", "other"):
            self.b.workload(name)
        self.b.reload()
        self.w, self.other = (workload.Workload(self.b.enroll(n, "--reusable")) for n in ("coder", "other"))

    def ask(self, name, path="/x", w=None):
        """(status, code or "", what was dialled)."""
        self.up.clear()
        r = (w or self.w).ask("GET", f"/p/{name}{path}")
        code = "" if r.status == 200 else r.json()["code"]
        return r.status, code, list(self.up.dialled)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.up.close()
        self.dns.close()
        self.b.close()


REFUSED = (502, "upstream_address_refused", [])


def addresses(t, s, six):
    """A name that DNS moves: the answer of this moment is judged, whatever the one before was."""
    for address in address_cases.REFUSED4 + address_cases.REFUSED6:
        s.dns.names["rebind.example"] = [address]
        t.is_(s.ask("rebind.example"), REFUSED, f"address: {address} is not dialled")
    for address in address_cases.DIALLED + (address_cases.DIALLED6 if six else []):
        s.dns.names["rebind.example"] = [address]
        t.is_(s.ask("rebind.example"), (200, "", [address]), f"address: {address} is")
    if not six:
        t.lacks("addresses of IPv6 that are dialled", "IPv6")
    for second in ("127.0.0.1", "169.254.169.254", "::1"):
        s.dns.names["rebind.example"] = [PUBLIC]
        first = s.ask("rebind.example")
        s.dns.names["rebind.example"] = [second]
        t.is_((first, s.ask("rebind.example")), ((200, "", [PUBLIC]), REFUSED), f"rebound: public first, {second} second")


def mixed(t, s):
    netns.unreachable(DEAD)
    for name, answer, want in address_cases.MIXED:
        s.dns.names["mixed.example"] = answer
        status, code, dialled = s.ask("mixed.example")
        wanted = want if isinstance(want, tuple) else (want,)
        good = (status == 200 and len(dialled) == 1 and dialled[0] in wanted) or (None in wanted and status == 502 and not dialled)
        t.ok(good, f"at once: {name}", (status, code, dialled))


def names(t, s):
    t.is_(s.ask("localhost"), REFUSED, "name: localhost of /etc/hosts")
    t.is_(s.ask("metadata.example"), REFUSED, "name: one that /etc/hosts has for the metadata service")
    s.dns.names.update({"gone.example.evil.example": [PUBLIC], "single.evil.example": [PUBLIC]})
    for name in ("gone.example", "single"):
        s.dns.asked.clear()
        t.is_(s.ask(name), (502, "upstream_unresolved", []), f"name: {name}, which does not exist")
        t.is_(s.dns.asked, [name], f"name: {name} is not sought in the search list of resolv.conf")


def urls(t, s):
    """Refused where they are written: nothing that a resolver, a browser and a person read in three ways gets into a rule."""
    for key, rows in (("url", address_cases.URLS), ("connect", address_cases.CONNECTS)):
        for text in rows:
            url = "url: https://api.example/\n" if key == "connect" else ""
            s.b.write("upstreams/odd.yaml", f"upstream: odd\nlike: header\n{url}{key}: '{text}'\n" + STATIC % "k")
            p = s.b.cli("policy", "check", check=False)
            t.ok(p.returncode == 1 and "odd.yaml:" in p.stdout + p.stderr, f"{key}: {text}", p.stdout + p.stderr)
    p = s.b.cli("reload", check=False)
    t.ok(p.returncode == 1, "and a reload with one of them changes nothing", p.stderr)
    os.unlink(f"{s.b.conf}/upstreams/odd.yaml")


def redirects(t, s):
    s.dns.names["pool.example"] = [PUBLIC]
    for status in (301, 302, 303, 307, 308):
        for location in ("https://evil.example/x", "https://pool.example:8443/x", "http://pool.example/x", "//evil.example/x", "https://127.0.0.1/x"):
            s.up.clear()
            s.dns.asked.clear()
            r = s.w.ask("POST", f"/p/pool.example/to?{status}&{location}", body=b"{}")
            seen = [q.target for q in s.up.requests]
            t.is_((r.status, r.get("location"), seen, set(s.up.dialled) <= {PUBLIC}, set(s.dns.asked) <= {"pool.example"}),
                  (status, location, [f"/to?{status}&{location}"], True, True), f"redirect: {status} to {location}")


def pools(t, s):
    """A connection carries one credential, of one version, for as long as it lives."""
    s.dns.names.update({"pool.example": [PUBLIC], "twin-a.example": [PUBLIC]})
    seen = {}

    def use(who, name, key):
        s.up.clear()
        r = who.ask("GET", f"/p/{name}/keep")
        q = s.up.requests[0]
        seen.setdefault(q.conn, set()).add((q.get("x-api-key"), q.get("host")))
        return r.status == 200 and q.get("x-api-key") == key
    keys = {"k": stage.KEY, "k2": stage.KEY[::-1]}
    rows = [("pool.example", "k"), ("pool.example-b", "k2"), ("twin-a.example", "k"), ("twin-a.example-b", "k2")]
    good = [use(w, name, keys[k]) for _ in range(3) for name, k in rows for w in (s.w, s.other)]
    t.ok(all(good), "pool: two credentials of one host, in turn", good)
    s.b.cli("secret", "rotate", "k", stdin="rotated-" + keys["k"])
    good = [use(s.w, name, "rotated-" + keys[k] if k == "k" else keys[k]) for _ in range(2) for name, k in rows]
    t.ok(all(good), "pool: behind a rotation the new one is sent", good)
    s.b.cli("secret", "rollback", "k")
    good = [use(s.w, name, keys[k]) for name, k in rows]
    t.ok(all(good), "pool: behind a rollback the old one", good)
    t.ok(len(seen) < 3 * len(rows) * 2, "pool: connections are used again", seen)
    t.is_({c: v for c, v in seen.items() if len(v) != 1}, {}, "pool: none ever carried two credentials, two versions, or was for two hosts")


def environment(s):
    """What programs around OpenSSL, curl and the resolver obey, all of it hostile."""
    evil = s.evil = pki.Ca(f"{s.b.dir}/evil", "evil")
    with open(f"{s.b.dir}/.netrc", "w") as f:
        f.write("default login mallory password of-the-netrc\n")
    with open(f"{s.b.dir}/aliases", "w") as f:
        f.write("single evil.example\n")
    with open(f"{s.b.dir}/openssl.cnf", "w") as f:
        f.write("openssl_conf = i\n[i]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\nVerifyMode = None\n")
    proxy = "http://127.0.0.1:3128"
    return {**{k: proxy for k in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "all_proxy")}, "no_proxy": "", "HOME": s.b.dir, "NETRC": f"{s.b.dir}/.netrc",
            "SSL_CERT_FILE": evil.cert, "SSL_CERT_DIR": f"{s.b.dir}/evil", "CURL_CA_BUNDLE": evil.cert, "OPENSSL_CONF": f"{s.b.dir}/openssl.cnf", "OPENSSL_MODULES": s.b.dir, "OPENSSL_ENGINES": s.b.dir,
            "SSLKEYLOGFILE": f"{s.b.run}/keys.log", "HOSTALIASES": f"{s.b.dir}/aliases", "LOCALDOMAIN": "evil.example", "RES_OPTIONS": "ndots:9", "SIDEKEY_CONFIG_DIR": "/nonexistent",
            "SIDEKEY_RUN_DIR": "/nonexistent"}


def surroundings(t, s):
    proxy = upstream.Upstream(*s.ca.leaf("proxy", "DNS:x"), port=3128)
    s.dns.names["pool.example"] = [PUBLIC]
    t.is_((s.ask("pool.example")[:2], proxy.accepted), ((200, ""), 0), "environment: no proxy is asked")
    q = s.up.requests[0]
    t.is_((q.get("authorization"), q.all("x-api-key")), (None, [stage.KEY]), "environment: what stands in .netrc is not sent")
    proxy.close()
    s.up.close()
    cert = s.evil.leaf("sys", "DNS:sys.example")
    s.dns.names.update({"sys.example": [PUBLIC], "old.example": [PUBLIC]})
    s.up = upstream.Upstream(*cert, handler, 443, "::")
    t.is_((s.ask("sys.example")[1], s.up.heads), ("upstream_certificate", []), "environment: SSL_CERT_FILE and SSL_CERT_DIR vouch for nobody")
    s.up.close()
    s.up = upstream.Upstream(*s.ca.leaf("old", "DNS:old.example"), handler, 443, "::")
    s.up.ctx.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, of TLS 1.1
        s.up.ctx.minimum_version, s.up.ctx.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    t.is_((s.ask("old.example")[:2], s.up.handshakes, s.up.heads), ((502, "upstream_tls"), 0, []), "environment: OPENSSL_CONF lets no server of TLS 1.1 in")
    t.ok(not os.path.exists(f"{s.b.run}/keys.log"), "environment: SSLKEYLOGFILE gets no keys")


def main(t):
    if not netns.possible():
        t.lacks("all of it", "root, unshare(1) and ip(8)")
        return
    six = netns.enter()
    with Scene(environment) as s:
        addresses(t, s, six)
        mixed(t, s)
        names(t, s)
        urls(t, s)
        redirects(t, s)
        pools(t, s)
        surroundings(t, s)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
        t.is_(oracle.aud(s.b, event="finish", code="upstream_address_refused"), "", "AUD: what was allowed and not dialled is in the log")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


if __name__ == "__main__":
    tap.Tap().run(main)
