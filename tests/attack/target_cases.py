"""Class D of the attacks: targets, as data. Each row is (name, method, target, codes): the refusals that are right, or () for what must pass unchanged.

The scene (test_d_targets.py): upstreams api (allowed but for DENY), apix and api.x (not allowed for this workload), npm (encoded slashes are admitted,
/-/admin is denied), based (its url ends with /base/v1, which policy sees), search and underscore (the credential is the query's parameter "key" or "api_key").
"""

DENY = ["* /v1/secrets/**", "DELETE /**", "* /admin", "* /v2/*/keys"]
PARSED, RULED = ("bad_framing",), ("bad_target",)
EITHER = PARSED + RULED
DOOR = ("no_route", "no_upstream", "no_policy", "bad_framing", "bad_target")
DENIED = ("denied_by_rule",)
EVADED = DENIED + RULED
QUERY = ("query_credential",)


def rows(group, method, prefix, codes, *targets):
    return [(f"{group}: {method} {t if isinstance(t, str) else repr(t)[1:]}", method, prefix + (t if isinstance(t, bytes) else t.encode()), codes) for t in targets]


CASES = [
    *rows("dots", "GET", b"/p/api", EITHER,
          "/v1/../admin", "/../admin", "/..", "/.", "/v1/.", "/v1/..", "/./v1", "/v1/./x", "/v1/%2e%2e/admin", "/v1/%2E%2E/admin", "/v1/.%2e/admin", "/v1/%2e./admin",
          "/v1/%2e/x", "/v1/..;/admin", "/v1/..;a=b/admin", "/v1/.;/x", "/v1/..%3b/admin", "/v1/%2e%2e;/admin", "/v1/%2e%2e%3b/admin", "/v1/%2e%2e%2fadmin",
          "/v1/..%2fadmin", "/v1/..%5cadmin", "/v1/..\\admin", "/v1\\..\\admin", "/v1/%252e%252e/admin", "/v1/%252e%252e%252fadmin", "/v1/%25252e/x",
          "/v1/%25%32%65/x", "/v1/%%32%65/x", "/v1/%2%65/x", "/v1/..%00/admin", "/v1/..%0d/admin", "/v1/..%09/admin", "/v1/%u002e%u002e/admin", "/v1/..?/../admin",
          "/v1/..%20/admin", "/v1/%20../admin", "/v1/.%20./admin"),
    *rows("slashes", "GET", b"/p/api", EITHER,
          "//evil.example/x", "//", "/v1//x", "/v1/x//", "///evil.example", "/v1/%2f", "/v1/a%2fb", "/v1/a%2Fb", "/%2f/evil.example", "/%2fevil.example/x", "/v1/%5c", "/%5cevil.example/x",
          "/\\evil.example/x", "/v1/a%252fb", "/v1/a%255cb", "/v1/;/x", "/;/x", "/v1/%3b/x", "/https://evil.example/x", "/v1/x%2f"),
    *rows("escapes", "GET", b"/p/api", EITHER,
          "/v1/%", "/v1/%4", "/v1/%4/x", "/v1/%gg", "/v1/%-1", "/v1/%0x41", "/v1/% 41", "/v1/%00", "/v1/x%00.json", "/v1/%0a", "/v1/%0d%0aHost:%20evil.example", "/v1/%7f",
          "/v1/%61dmin", "/v1/%7Euser", "/v1/%2d", "/v1/%5F", "/v1/%2500", "/v1/%250a"),
    *rows("utf-8", "GET", b"/p/api", EITHER,
          "/v1/%c0%ae%c0%ae/admin", "/v1/%c0%af", "/v1/%C1%9C", "/v1/%e0%80%ae/x", "/v1/%e0%80%af", "/v1/%f0%80%80%ae", "/v1/%f0%80%80%af", "/v1/%c0%2e%c0%2e/admin", "/v1/%c1%81",
          b"/v1/\xc0\xae\xc0\xae/admin", b"/v1/\xc3\xa9", b"/v1/\xef\xbc\x8e\xef\xbc\x8e/admin", b"/v1/\xff", b"/v1/\x80"),
    *rows("forms", "GET", b"", EITHER + DOOR,
          "http://127.0.0.1:7433/p/api/v1/x", "https://api.anthropic.com/v1/x", "HTTP://api.anthropic.com/p/api/v1/x", "//api.anthropic.com/p/api/v1/x", "//127.0.0.1:7433/p/api/v1/x",
          "p/api/v1/x", "api.anthropic.com/v1/x", "*", "/*", "?/p/api/v1/x", "#/p/api/v1/x", ":443/p/api/v1/x", "@evil.example/p/api/v1/x", "\\p\\api\\v1", "/p/api/v1/x#frag", "/p/api/v1/x?a#b"),
    *rows("doors", "GET", b"", DOOR,
          "/p/apix/v1/x", "/p/api.x/v1/x", "/p/ap/v1/x", "/p/api", "/p/api?/v1/x", "/p/api#/v1/x", "/p//api/v1/x", "/p/API/v1/x", "/P/api/v1/x", "/p/api./v1/x", "/p/.api/v1/x", "/p/api%20/v1/x",
          "/p/%61pi/v1/x", "/p/api%2fv1/x", "/p/api%00/v1/x", "/p/api;x/v1/x", "/p/api:443/v1/x", "/p/api@evil.example/v1/x", "/p/evil.example/v1/x", "/p/https:/evil.example/x", "/p/../p/api/v1/x",
          "/p/api/../apix/v1/x", "/p/./api/v1/x", "/p%2fapi/v1/x", "/x/../p/api/v1/x", "/v1/../p/api/v1/x", "//p/api/v1/x", "/p/*/v1/x", "/p/**/v1/x", "/p/api,apix/v1/x", "/p/" + "a" * 129 + "/x",
          "/p", "/p/", "/", "/p/coder/v1/x", "/p/api\\v1/x", "/v1/self/../../p/api/v1/x", "/healthz/../p/api/v1/x", "/p/api-/v1/x", "/p/_api/v1/x", "/p/ａｐｉ/v1/x"),
    *rows("denied", "GET", b"/p/api", EVADED,
          "/v1/secrets/x", "/v1/secrets", "/v1/secrets/", "/v1/secrets/a/b/c/", "/v1/Secrets/x", "/V1/SECRETS/X", "/v1/%73ecrets/x", "/v1/secret%73/x", "/v1/%53ecrets/x", "/v1/secrets;a=b/x",
          "/v1;p/secrets/x", "/v1;/secrets;/x", "/v1/secrets%3ba/x", "/v1/secrets;%2f/x", "/v1/secrets/x?y", "/v1/secrets?", "/v1/secrets/?a=/v1/x", "/v1/secrets;/", "/admin", "/admin/", "/ADMIN",
          "/Admin/", "/admin;", "/admin;jsessionid=1", "/admin;a/", "/admin%3b", "/admin%3B.css", "/admin?x", "/admin/?x", "/admin//", "/admin/.", "/admin/%2e", "//admin", "/./admin", "/%61dmin",
          "/admi%6e", "/admi%4e", "/admin;/../x", "/v2/a/keys", "/v2/a/KEYS/", "/v2/%C3%A9/keys", "/v2/a;b/keys;c", "/v2/a%3b/keys", "/v2/%20/keys"),
    *rows("denied", "DELETE", b"/p/api", EVADED, "/v1/x", "/", "/a/b/c/d", "/v1/x?_method=GET", "/v1/x;GET"),
    *rows("denied", "delete", b"/p/api", PARSED, "/v1/x"),
    *rows("denied", "DeLeTe", b"/p/api", PARSED, "/v1/x"),
    *rows("denied", "POST", b"/p/api", EVADED, "/admin", "/v1/secrets/x"),
    *rows("denied", "X-ADMIN", b"/p/api", EVADED, "/admin"),
    *rows("encoded slash", "GET", b"/p/npm", EVADED,
          "/-/admin/x", "/-%2fadmin/x", "/-%2Fadmin%2fx", "/-/ADMIN%2fx", "/-%2fadmin", "/-%2fadmin;a%2fx", "/-;a%2fadmin", "/x%2f..%2f-%2fadmin", "/x%2f..%2fy", "/..%2f-/admin", "/x%2f%2e%2e%2fy",
          "/x%2f..;%2fy", "/x%2f.%2fy", "/x%2f%2fy", "/%2f-/admin", "/x%2f/y", "/x%252fy", "/x%5cy", "/%2f", "/-/admin%2f", "/-%2fadmin%2f"),
    *rows("base path", "GET", b"/p/based", EVADED + ("not_allowed",),
          "/../x", "/%2e%2e/x", "/..;/x", "//x", "/admin", "/ADMIN/", "/admin;a", "/v1/secrets", "/%2fx"),
    *rows("query", "GET", b"/p/search/find", QUERY,
          "?key=mine", "?KEY=mine", "?Key=mine", "?key", "?key=", "?a=b&key=mine", "?a=b;key=mine", "?&key=mine", "?;key=mine", "?k%65y=mine", "?%6bey=mine", "?%4BEY=mine", "?%6b%65%79=mine",
          "?k%2565y=mine", "?%256b%2565%2579=mine", "?k%252565y=mine", "?key=&a=b", "?a&key", "?a=b&&key=c", "?a==&key=c", "?key=mine&key=mine", "?q=1&k%45y=2", "?=&key=1", "??&key=1"),
    *rows("query", "GET", b"/p/underscore/find", QUERY, "?api_key=mine", "?API_KEY=mine", "?api%5fkey=mine", "?api%5Fkey=mine", "?api%255Fkey=mine", "?%61pi_%6bey=mine"),
    *rows("tunnel", "CONNECT", b"", ("method",), "api.anthropic.com:443", "127.0.0.1:443"),
    # what is odd and has one reading goes upstream byte for byte
    *rows("ok", "GET", b"/p/api", (),
          "/v1/x", "/", "/v1/x/", "/v1/...", "/v1/..x", "/v1/x..", "/v1/.well-known/x", "/v1/a;b=c", "/v1/a:b@c", "/v1/@evil.example/x", "/v1/%C3%A9", "/v1/%20", "/v1/%25", "/v1/%25x", "/v1/x?..%2f..%2f",
          "/v1/x?//evil.example", "/v1/x?url=https://evil.example/", "/v1/x?%zz%00%2e", "/v1/x??&&==", "/adminx", "/v1/admin", "/v1/secretsx/x", "/v2/a/b/keys", "/v1/%C5%BF", "/p/apix/v1/x", "/v1/x?;a"),
    *rows("ok", "GET", b"/p/npm", (), "/@scope%2fname", "/@scope%2Fname/-/name-1.0.0.tgz", "/-/adminx", "/a%2fb%2fc"),
    *rows("ok", "POST", b"/p/api", (), "/v1/x?_method=DELETE"),
]

# What reaches the upstream of a request that claims to be another: none of these fields.
CLAIMS = ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "HTTP-Method-Override: DELETE", "x_http_method_override: DELETE", "X-Original-Method: DELETE",
          "X-Original-URL: /admin", "X_Original_URL: /admin", "X-Original-URI: /admin", "X-Rewrite-URL: /admin", "x-rewrite_url: /admin", "X-Original-Path: /admin", "X-Override-URL: /admin",
          "X-Envoy-Original-Path: /admin", "X-Envoy-Original-Host: evil.example", "X-Envoy-Original-Method: DELETE", "X-Rewrite-URI: /admin",
          "X-Waws-Unencoded-Url: /admin", "X-HTTP-Host-Override: evil.example", "X-Host: evil.example", "X-Original-Host: evil.example", "X-Forwarded-Host: evil.example", "X_FORWARDED_HOST: evil.example",
          "X-Forwarded-Server: evil.example", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Scheme: http", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /admin", "X-Forwarded-Path: /admin",
          "X-Forwarded-URI: /admin", "X-Forwarded-Method: DELETE", "Forwarded: for=127.0.0.1;host=evil.example", "X-Real-IP: 127.0.0.1", "Proxy: http://evil.example/", "Proxy-Connection: keep-alive",
          "Sidekey-Decision: allow", "Sidekey-Ticket: 00", "sidekey_ticket: 00"]
