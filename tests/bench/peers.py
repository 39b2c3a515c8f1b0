"""The others in the same run, each one core, on the same upstream: nginx, haproxy and caddy; nobody of them writes down who asked but AUTH."""
import os
import socket
import subprocess
import time

UPSTREAM, MTLS, AUTH, AUTHORIZER, HAPROXY, CADDY = 21001, 21002, 21003, 21005, 21006, 21007
HOST = "api.anthropic.com"

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
NGINX_UPSTREAM = """
  server {{ listen 127.0.0.1:{up} ssl backlog=4096; ssl_certificate {cert}; ssl_certificate_key {key};
    location / {{ default_type application/json; return 200 '{payload}'; }} }}
"""
NGINX_PROXY = """
  upstream api {{ server 127.0.0.1:{up}; keepalive 64; keepalive_requests 100000000; }}
  {log}
  server {{ listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_client_certificate {ca}; ssl_verify_client on;
    location / {{ {auth} proxy_pass https://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host {host}; proxy_set_header x-api-key sk-ant-static;
      proxy_ssl_protocols TLSv1.3; proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca}; proxy_ssl_name {host}; proxy_ssl_server_name on; }}
    {authorizer} }}
"""
# A process of its own in the field: asked over HTTP, in the same nginx so that its cost is counted.
NGINX_AUTHORIZER = """location = /auth {{ internal; proxy_pass http://127.0.0.1:{port}; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_set_header X-Serial $ssl_client_serial; proxy_set_header X-Target $request_uri; }} }}
  server {{ listen 127.0.0.1:{port}; location / {{ return 204; }}"""
JSON_LOG = """log_format j escape=json '{{"t":"$time_iso8601","dn":"$ssl_client_serial","m":"$request_method","u":"$uri","s":$status,"d":$request_time}}';
  access_log {dir}/access.json j;"""

HAPROXY_CONF = """
global
  nbthread 1
  tune.ssl.cachesize 0
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend agents
  bind 127.0.0.1:{port} ssl crt {dir}/haproxy.crt ca-file {ca} verify required ssl-min-ver TLSv1.3 no-tls-tickets alpn http/1.1
  http-request set-header Host {host}
  http-request set-header x-api-key sk-ant-static
  default_backend api
backend api
  server api 127.0.0.1:{up} ssl verify required ca-file {ca} sni str({host}) verifyhost {host} ssl-min-ver TLSv1.3
"""
CADDY_CONF = """
{{
  admin off
  auto_https off
  default_sni {host}
  storage file_system {dir}/caddy
  servers {{
    protocols h1
    strict_sni_host insecure_off
  }}
}}
https://:{port} {{
  bind 127.0.0.1
  tls {cert} {key} {{
    protocols tls1.3
    client_auth {{
      mode require_and_verify
      trusted_ca_cert_file {ca}
    }}
  }}
  reverse_proxy https://127.0.0.1:{up} {{
    header_up Host {host}
    header_up x-api-key sk-ant-static
    transport http {{
      tls_trusted_ca_certs {ca}
      tls_server_name {host}
      versions 1.1
      keepalive_idle_conns_per_host 64
    }}
  }}
}}
"""


def written(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


class Peers:
    """Started in dir; cert and key are the server's for HOST, ca vouches for it and for the clients."""

    def __init__(self, dir_, cert, key, ca):
        self.names = dict(dir=dir_, up=UPSTREAM, cert=cert, key=key, ca=ca, host=HOST, payload='{"ok":"' + "x" * 90 + '"}')
        self.procs = {}
        os.makedirs(f"{dir_}/tmp", exist_ok=True)
        with open(cert) as c, open(key) as k:
            written(f"{dir_}/haproxy.crt", c.read() + k.read())
        self.nginx("upstream", UPSTREAM, NGINX_UPSTREAM)
        self.nginx("mtls", MTLS, NGINX_PROXY, log="", auth="", authorizer="")
        self.nginx("auth", AUTH, NGINX_PROXY, log=JSON_LOG.format(**self.names), auth="auth_request /auth;",
                   authorizer=NGINX_AUTHORIZER.format(port=AUTHORIZER))
        self.start("haproxy", HAPROXY, ["haproxy", "-f", written(f"{dir_}/haproxy.cfg", HAPROXY_CONF.format(port=HAPROXY, **self.names))])
        self.start("caddy", CADDY, ["caddy", "run", "--adapter", "caddyfile", "--config",
                                    written(f"{dir_}/Caddyfile", CADDY_CONF.format(port=CADDY, **self.names))],
                   {"GOMAXPROCS": "1", "HOME": dir_, "XDG_CONFIG_HOME": dir_, "XDG_DATA_HOME": dir_})

    def nginx(self, name, port, body, **more):
        dir_ = self.names["dir"]
        conf = NGINX.format(dir=dir_, name=name, body=body.format(port=port, **self.names, **more))
        self.start(name, port, ["nginx", "-p", dir_, "-c", written(f"{dir_}/{name}.conf", conf)])

    def start(self, name, port, command, env=None):
        with open(f"{self.names['dir']}/{name}.out", "wb") as out:
            self.procs[name] = subprocess.Popen(command, stdout=out, stderr=out, env={"PATH": os.environ["PATH"], **(env or {})})
        end = time.monotonic() + 10
        while time.monotonic() < end and self.procs[name].poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        with open(f"{self.names['dir']}/{name}.out") as out:
            raise RuntimeError(f"{name} does not listen on {port}: {out.read()[-500:]}")

    def pid(self, name):
        return self.procs[name].pid

    def close(self):
        for p in self.procs.values():
            p.terminate()
            p.wait()
