#!/usr/bin/python3
"""What the broker costs, beside nginx in the same run on the same upstream; each figure with its budget (DESIGN section 10).

usage: tests/bench/run.py [SECONDS]
"""
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, pki, workload  # noqa: E402

SECONDS = sys.argv[1] if len(sys.argv) > 1 else "4"
ROUNDS = 3
CONNECTIONS = "32"
LOAD = os.path.join(os.path.dirname(broker.BUILT), "tests/tool_load")
CLOCK = os.path.join(os.path.dirname(broker.BUILT), "tests/tool_clock")
UP, MTLS, AUTH, AUTHORIZER_PORT = 21001, 21002, 21003, 21005
TICK = os.sysconf("SC_CLK_TCK")

NGINX = """
daemon off; worker_processes 1; pid {dir}/{name}.pid; error_log {dir}/{name}.err;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
  uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
  keepalive_requests 100000000; ssl_session_tickets off; ssl_protocols TLSv1.3;
  {body}
}}
"""
UPSTREAM = """
  server {{ listen 127.0.0.1:{up} ssl backlog=4096; ssl_certificate {cert}; ssl_certificate_key {key};
    location / {{ default_type application/json; return 200 '{payload}'; }} }}
"""
PROXY = """
  upstream api {{ server 127.0.0.1:{up}; keepalive 64; keepalive_requests 100000000; }}
  {log}
  server {{ listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_client_certificate {client_ca}; ssl_verify_client on;
    location / {{ {auth} proxy_pass https://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host api.anthropic.com; proxy_set_header x-api-key sk-ant-static;
      proxy_ssl_protocols TLSv1.3; proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca}; proxy_ssl_name api.anthropic.com; proxy_ssl_server_name on; }}
    {authorizer} }}
"""
# A process of its own in the field: asked over HTTP, in the same nginx so that its cost is counted.
AUTHORIZER = """location = /auth {{ internal; proxy_pass http://127.0.0.1:{port}; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_set_header X-Serial $ssl_client_serial; proxy_set_header X-Target $request_uri; }} }}
  server {{ listen 127.0.0.1:{port}; location / {{ return 204; }}"""
JSON_LOG = """log_format j escape=json '{{"t":"$time_iso8601","dn":"$ssl_client_serial","m":"$request_method","u":"$uri","s":$status,"d":$request_time}}';
  access_log {dir}/access.json j;"""


def nginx(dir_, name, body):
    conf = f"{dir_}/{name}.conf"
    with open(conf, "w") as f:
        f.write(NGINX.format(dir=dir_, name=name, body=body))
    return subprocess.Popen(["nginx", "-p", dir_, "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tree(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        kids = [int(p) for p in f.read().split()]
    return [pid] + [p for kid in kids for p in tree(kid)]


def cpu_s(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def load(address, cert, key, alpn, host, path, connections=CONNECTIONS, seconds=SECONDS):
    out = subprocess.run([LOAD, address, cert, key, alpn, host, path, connections, seconds], capture_output=True, text=True, check=True)
    got = json.loads(out.stdout)
    if got["errors"] or not got["requests"]:
        raise RuntimeError(f"{address}{path}: {got}")
    return got


def cost_us(pids, *args):
    before = cpu_s(pids)
    got = load(*args)
    return (cpu_s(pids) - before) * 1e6 / got["requests"], got


def shim_ms(b):
    """From the shim's exec to main() of what it starts; setpriv, which takes 8 ms before that, is not the shim's."""
    took = []
    clock = broker.for_any_uid(os.path.dirname(CLOCK)) + "/tool_clock"
    for _ in range(15):
        path = b.enroll("bench")
        out = subprocess.run([*b.prefix, clock, f"{broker.BIN}/sidekey-shim", "--enroll", path, "--listen", "127.0.0.1:0", "--", clock],
                             capture_output=True, text=True, check=True)
        begin, end = (int(us) for us in out.stdout.split())
        took.append((end - begin) / 1000)
    return statistics.median(took)


def start_ms(b):
    took = []
    for _ in range(5):
        b.stop()
        start = time.monotonic()
        b.start(ready=False)
        while True:
            try:
                c = workload.Client(f"unix:{b.run}/gateway.sock", f"{b.state}/ca.pem", alpn="sidekey-control", timeout=2, check=False)
                reply = c.ask("GET", "/readyz")
                c.close()
                if reply and reply.status == 200:
                    break
            except OSError:
                pass
            time.sleep(0.002)
        took.append((time.monotonic() - start) * 1000)
    return statistics.median(took)


def row(what, value, budget, good):
    print(f"{what:58} {value:>16}   budget {budget:16} {'within' if good else 'OVER'}", flush=True)


def main():
    with broker.Broker(tcp="127.0.0.1:21004") as b:
        ca = pki.Ca(f"{b.conf}/pki")
        cert, key = ca.leaf("up", "DNS:api.anthropic.com")
        ccert, ckey = ca.leaf("client", "URI:spiffe://x/client")
        os.makedirs(f"{b.dir}/tmp", exist_ok=True)
        b.write("upstreams/anthropic.yaml", f"upstream: anthropic\nlike: anthropic\nca: {ca.cert}\nconnect: 127.0.0.1:{UP}\n")
        b.policy("bench", ["bench"], '  anthropic:\n    allow: ["GET /v1/**"]\n')
        names = dict(dir=b.dir, up=UP, cert=cert, key=key, ca=ca.cert, client_ca=ca.cert, payload='{"ok":"' + "x" * 90 + '"}')
        procs = [nginx(b.dir, "upstream", UPSTREAM.format(**names)),
                 nginx(b.dir, "mtls", PROXY.format(port=MTLS, log="", auth="", authorizer="", **names)),
                 nginx(b.dir, "auth", PROXY.format(port=AUTH, log=JSON_LOG.format(**names), auth="auth_request /auth;",
                                                   authorizer=AUTHORIZER.format(port=AUTHORIZER_PORT), **names))]
        try:
            b.start()
            b.secret("anthropic-api-key", "sk-ant-api03-bench-0123456789abcdef0123456789abcdef")
            b.workload("bench")
            b.reload()
            measure(b, procs, ca, ccert, ckey)
        finally:
            for p in procs:
                p.terminate()
                p.wait()


def measure(b, procs, ca, ccert, ckey):
    w = workload.Workload(b.enroll("bench"))
    time.sleep(0.5)
    rest = pss_kib(tree(b.proc.pid))
    ours, mtls, auth = [], [], []
    for _ in range(ROUNDS):
        mtls.append(cost_us(tree(procs[1].pid), f"127.0.0.1:{MTLS}", ccert, ckey, "-", "api.anthropic.com", "/v1/x")[0])
        auth.append(cost_us(tree(procs[2].pid), f"127.0.0.1:{AUTH}", ccert, ckey, "-", "api.anthropic.com", "/v1/x")[0])
        c, got = cost_us(tree(b.proc.pid), "127.0.0.1:21004", w.cert, w.key, "sidekey-forward", "127.0.0.1:7433", "/p/anthropic/v1/x")
        ours.append(c)
    one, m, a = (statistics.median(x) for x in (ours, mtls, auth))
    print(f"CPU per proxied request: sidekey {one:.1f} us, nginx mTLS + static header {m:.1f} us, nginx + auth_request + JSON log {a:.1f} us; "
          f"throughput {got['requests'] / got['seconds']:.0f}/s", flush=True)
    row("CPU a request / nginx mTLS + static header", f"{one / m:.2f} x", "<= 1.20 x", one / m <= 1.2)
    row("CPU a request / nginx + auth_request + JSON log", f"{one / a:.2f} x", "<= 0.45 x", one / a <= 0.45)
    direct = load(f"127.0.0.1:{UP}", "-", "-", "-", "api.anthropic.com", "/v1/x", "1")
    via = load("127.0.0.1:21004", w.cert, w.key, "sidekey-forward", "127.0.0.1:7433", "/p/anthropic/v1/x", "1")
    sync = fdatasync_us(b.dir)
    added = via["p50_us"] - direct["p50_us"]
    row("added latency, warm, p50 (one fdatasync here: %d us)" % sync, f"{added} us", f"<= {300 + sync} us", added <= 300 + sync)
    row("PSS at rest, all processes", f"{rest / 1024:.1f} MiB", "<= 25 MiB", rest <= 25 * 1024)
    ms = start_ms(b)
    row("start to ready (key file)", f"{ms:.0f} ms", "<= 100 ms", ms <= 100)
    ms = shim_ms(b)
    row("shim: start to exec of the child, enrolled", f"{ms:.1f} ms", "<= 25 ms", ms <= 25)
    size = stripped(b.dir)
    row("shim: static binary, stripped", f"{size / 1e6:.1f} MB", "<= 6 MB", size <= 6e6)


def stripped(dir_):
    subprocess.run(["strip", "-o", f"{dir_}/shim", f"{broker.BIN}/sidekey-shim"], check=True)
    return os.path.getsize(f"{dir_}/shim")


def fdatasync_us(dir_):
    took = []
    with open(f"{dir_}/sync", "wb") as f:
        for _ in range(200):
            f.write(b"x" * 600)
            f.flush()
            start = time.monotonic_ns()
            os.fdatasync(f.fileno())
            took.append((time.monotonic_ns() - start) / 1000)
    return int(statistics.median(took))


main()
