"""Class F of the attacks: files that are no policy, as data. HEAD stands before each of USES; WHOLE are whole files."""

HEAD = "policy: coder\nworkloads: [coder]\nuse:\n  anthropic:\n"
GOOD = HEAD + '    allow: ["GET /**"]\n'


def bomb():
    levels = "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 9))
    return "b0: &b0 [x, x, x, x, x, x, x, x, x]\n" + levels + GOOD


USES = {
    **{f"allow: {v}": f"    allow: {v}\n" for v in ("", "[]", "null", "~", '"GET /**"', "true", "[null]", "[1]", "[[\"GET /\"]]", "[{GET: /}]", '["GET"]', '["GET /a", ""]', '["/**"]', '["GET  /a"]', '[" GET /a"]',
       '["GET\\t/a"]', '["GET /a "]', '["GET /a*"]', '["GET /a**"]', '["GET /***"]', '["GET /a/**b"]', '["GET /a/../b"]', '["GET /a/%2e%2e/b"]', '["GET /a//b"]', '["GET /a?b"]', '["GET /a#b"]', '["GET a"]', '["GET *"]',
       '["GET **"]', '["** /a"]', '["GÉT /a"]', '["G*T /a"]', '["get,post /a"]', '["GET|POST /a"]', '["GET /é"]', '["GET /a\\0"]', '["GET /a\\nDELETE /b"]', '["GET /%zz"]', '["GET /%41"]', '["GET /a\\\\b"]', '["GET https://evil.example/"]',
       "[" + ", ".join(['"GET /a"'] * 257) + "]", '["GET /' + "a" * 1024 + '"]', '["GET /' + "*/" * 300 + '"]')},
    **{f"limit: {v}": f'    allow: ["GET /**"]\n    limit: {v}\n' for v in ("{}", "60", "null", "[]", "{requests: 60}", "{requests: 0/1m}", "{requests: -1/1m}", "{requests: +1/1m}", "{requests: 1.5/1m}", "{requests: 1e400/1m}", "{requests: 1e3/1m}",
       "{requests: 0x10/1m}", "{requests: 1_000/1m}", "{requests: 1000001/1m}", "{requests: 99999999999999999999/1m}", "{requests: 18446744073709551617/1m}", "{requests: 60/0s}", "{requests: 60/0m}", "{requests: 60/-1m}", "{requests: 60/1}",
       "{requests: 60/m}", "{requests: 60/}", "{requests: 60/1w}", "{requests: 60/1d1s}", "{requests: 60/2d}", "{requests: 60/86401s}", "{requests: 60/99999999999999999999s}", "{requests: 60/18446744073709551676s}", "{requests: 60/1m/1m}",
       "{requests: 60 /1m}", "{requests: /1m}", "{requests: .inf/1m}", "{concurrent: 0}", "{concurrent: -1}", "{concurrent: 65536}", "{concurrent: 4294967297}", "{concurrent: 18446744073709551617}", "{concurrent: 1e400}", "{concurrent: 1.5}",
       "{concurrent: .inf}", "{concurrent: .nan}", "{concurrent: 0x10}", "{concurrent: 010}", "{concurrent: 1_0}", '{concurrent: "8"}', "{concurrent: true}", "{concurrent: null}", "{concurrent: [8]}", "{burst: 8}")},
    **{f"browser: {v}": f'    allow: ["GET /**"]\n    browser: {v}\n' for v in ("yes", "on", "1", '"true"', "True", "null", "[]")},
    "a key twice": '    allow: ["GET /a"]\n    allow: ["* /**"]\n', "a key twice, quoted": '    allow: ["GET /a"]\n    "allow": ["* /**"]\n', "deny twice": '    allow: ["* /**"]\n    deny: ["* /a"]\n    deny: ["* /b"]\n',
    "an upstream twice": '    allow: ["GET /a"]\n  anthropic:\n    allow: ["* /**"]\n', "an unknown key": '    alow: ["* /**"]\n', "a key in upper case": '    ALLOW: ["* /**"]\n', "a key with a confusable": '    аllow: ["* /**"]\n',
    "deny alone": '    deny: ["* /a"]\n', "an empty deny": '    allow: ["* /**"]\n    deny: []\n', "deny: null": '    allow: ["* /**"]\n    deny:\n', "a ttl, which nothing keeps": '    allow: ["* /**"]\n    ttl: 0\n',
    "a missing secret": '    allow: ["* /**"]\n  brave:\n    allow: ["GET /**"]\n', "a missing upstream": '    allow: ["* /**"]\n  nowhere:\n    allow: ["* /**"]\n', "an upstream in upper case": '    allow: ["* /**"]\n  Anthropic:\n    allow: ["* /**"]\n',
}
WHOLE = {
    "nothing": "", "a comment": "# policy: coder\n", "null": "null\n", "a list": "- policy: coder\n", "a string": '"policy: coder"\n', "a number": "1e400\n", "no use": "policy: coder\nworkloads: [coder]\n", "use: {}": "policy: coder\nworkloads: [coder]\nuse: {}\n",
    "use: null": "policy: coder\nworkloads: [coder]\nuse:\n", "no workloads": GOOD.replace("workloads: [coder]\n", ""), "workloads: []": GOOD.replace("[coder]", "[]"), "another name than the file's": GOOD.replace("policy: coder", "policy: other"),
    **{f"workloads: [{w}]": GOOD.replace("[coder]", f"[{w}]") for w in ('"*"', '"**"', "Coder", "сoder", '"coder "', '"coder\\u200b"', '"coder\\0"', "coder, coder", "null", "1", "[coder]", "..", "coder/..", "sidekey/x", "coder/", "/coder", "a/b/c/d/e", '"cod*"', "ｃoder")},
    "an anchor": GOOD.replace("[coder]", "&w [coder]"), "an alias": "x: &w [coder]\n" + GOOD.replace("[coder]", "*w"), "a bomb of aliases": bomb(), "a merge key": GOOD + "  <<: {openai: {allow: [\"* /**\"]}}\n", "a tag": GOOD.replace("[coder]", "!!seq [coder]"),
    "a tag of a language": GOOD.replace("coder]", "!!python/object/apply:os.system ['true']]"), "a local tag": GOOD.replace("policy: coder", "policy: !x coder"), "two documents": GOOD + "---\n" + GOOD, "a second, empty document": GOOD + "---\n",
    "a directive": "%YAML 1.1\n---\n" + GOOD, "100 levels deep": GOOD + "x: " + "[" * 100 + "]" * 100 + "\n", "10 000 levels deep": "[" * 10000, "maps 100 deep": "".join(" " * i + "a:\n" for i in range(100)), "a NUL": GOOD.replace("GET", "G\0T"),
    "a control character": GOOD.replace("coder]", "co\x1bder]"), "UTF-16": GOOD.encode("utf-16"), "no UTF-8": GOOD.encode().replace(b"GET", b"G\xffT"), "overlong UTF-8": GOOD.encode().replace(b"coder]", b"\xc1\xa3oder]"),
    "a surrogate": GOOD.encode().replace(b"coder]", b"\xed\xa0\x80]"), "a direction override": GOOD.replace("[coder]", '["\u202ecoder"]'), "tabs": GOOD.replace("  ", "\t"), "a complex key": GOOD + "? [a, b]\n: c\n", "a key that is a number": GOOD + "1: 2\n",
    "2 MiB": GOOD + "# " + "x" * (2 << 20) + "\n", "an open quote": GOOD.replace('"GET', "\"GET").rstrip("\n") + '\nx: "', "a top key twice": GOOD + "policy: coder\n", "use twice": GOOD + "use: {}\n", "on_misuse: kill": GOOD + "on_misuse: kill\n",
    "enroll_readable: true": GOOD + "enroll_readable: true\n",
}
