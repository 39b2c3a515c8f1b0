#!/usr/bin/python3
"""Real clients behind the shim: curl, Node's fetch, the Anthropic SDK, Claude Code in both pinned versions; streaming and not."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from harness import broker, oracle, stage, tap  # noqa: E402

USE = '  anthropic:\n    allow: ["POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models"]\n'
TEXT = "Hello from the local upstream."
CLIENTS = broker.for_any_uid(HERE)
CLAUDE = {"2.1.197": f"{CLIENTS}/node_modules/claude-code-old/node_modules/@anthropic-ai/claude-code-linux-x64/claude",
          "2.1.330": f"{CLIENTS}/node_modules/@anthropic-ai/claude-code-linux-x64/claude"}


def behind_shim(s, *command, timeout=90):
    """Runs command as an agent: nothing in its environment but what the shim puts there."""
    home = f"{s.b.dir}/home"
    os.makedirs(home, exist_ok=True)
    if s.b.prefix:
        os.chown(home, broker.ONE_UID, broker.ONE_UID)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1",
           "DISABLE_TELEMETRY": "1"}
    start = time.monotonic()
    p = subprocess.run([*s.b.prefix, f"{broker.BIN}/sidekey-shim", "--enroll", s.enroll, "--listen", "127.0.0.1:0", "--", *command],
                       capture_output=True, text=True, timeout=timeout, env=env, cwd=home, stdin=subprocess.DEVNULL)
    p.took = time.monotonic() - start
    return p


def said(p):
    return f"exit {p.returncode} after {p.took:.1f} s\n{p.stdout[-1500:]}\n{p.stderr[-1500:]}"


def keyed(s):
    """Every request that arrived carried the key, once, and no placeholder."""
    for r in s.up.requests:
        if r.get("x-api-key") != stage.KEY or r.get("authorization"):
            return f"{r.line}: {r.headers}"
    return "" if s.up.requests else "no request arrived"


def main(t):
    with stage.Stage(use=USE) as s:
        s.enroll = s.b.enroll("coder", "--reusable", "--cap", "4")
        curl = 'curl -sS -D- -H "x-api-key: $ANTHROPIC_API_KEY" -d \'{"stream":%s}\' "$ANTHROPIC_BASE_URL/v1/messages"'
        node = "/usr/bin/node" if os.path.exists("/usr/bin/node") else "node"
        runs = [
            ("curl", ["sh", "-c", curl % "false"], TEXT),
            ("curl, streaming", ["sh", "-c", curl % "true"], "event: message_stop"),
            ("Node fetch", [node, f"{CLIENTS}/fetch.mjs"], TEXT),
            ("Node fetch, streaming", [node, f"{CLIENTS}/fetch.mjs", "--stream"], "message_stop"),
            ("Anthropic SDK", [node, f"{CLIENTS}/sdk.mjs"], TEXT),
            ("Anthropic SDK, streaming", [node, f"{CLIENTS}/sdk.mjs", "--stream"], TEXT),
        ]
        for version, path in CLAUDE.items():
            runs.append((f"Claude Code {version}", [path, "-p", "hi"], TEXT))
            runs.append((f"Claude Code {version}, stream-json", [path, "-p", "hi", "--output-format", "stream-json", "--verbose"], TEXT))
        outputs = b""
        for what, command, want in runs:
            s.up.clear()
            p = behind_shim(s, *command)
            outputs += (p.stdout + p.stderr).encode()
            t.ok(p.returncode == 0 and want in p.stdout, what, said(p))
            t.is_(keyed(s), "", f"{what}: the key was put in, once")
            if "fetch, streaming" in what and p.returncode == 0:
                arrivals = json.loads(p.stdout)["arrivals"]
                t.ok(len(arrivals) >= 4 and arrivals[-1] - arrivals[0] > 120, f"{what}: chunks come as they are sent", arrivals)
        p = behind_shim(s, "sh", "-c", "env; cat /proc/$PPID/environ; tr '\\0' '\\n' </proc/self/environ")
        outputs += (p.stdout + p.stderr).encode()
        t.ok("ANTHROPIC_API_KEY=sk-ant-api03-" in p.stdout, "the agent has a placeholder in the shape of the key", said(p))
        t.is_(oracle.can_bytes(stage.KEY, outputs, "what agents printed"), "", "CAN: nothing an agent printed holds the key")

        s.b.policy("coder", ["coder"], '  anthropic:\n    allow: ["GET /v1/models"]\n')
        s.b.reload()
        s.up.clear()
        for what, command in [(f"Claude Code {v}", [path, "-p", "hi"]) for v, path in CLAUDE.items()] + [("Anthropic SDK", [node, f"{CLIENTS}/sdk.mjs"])]:
            p = behind_shim(s, *command)
            t.ok(p.returncode != 0 and "sidekey: POST /v1/messages is not allowed for coder" in p.stdout + p.stderr and p.took < 15,
                 f"{what}: a refusal ends it at once, with our words", said(p))
        t.is_(oracle.up0(s.up), "", "UP0")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


tap.Tap().run(main)
