"""`docker` as a test wants it: answers from files, keeps what it was asked, and runs a script of the test's when Compose is asked about the outcome."""
import io
import json
import os
import subprocess
import tarfile

from . import tap

SCRIPT = r'''#!/bin/sh
cd "{folder}"
printf '%s\n' "$*" >> calls
case "$*" in *" config "*) [ ! -e refusal ] || {{ cat refusal >&2; exit 15; }} ;; esac
case "$*" in
"compose version --short") cat version ;;
*.sidekey.yml*" config "*) . ./outcome ;;
*--no-interpolate*) cat bare ;;
compose*) cat "model-$(printf %s "$*" | grep -o -- ' -f ' | wc -l)" ;;
"image inspect -- "*) [ -e image ] && cat image ;;
ps*) cat ps ;;
create*) echo 0123456789abcdef0123456789abcdef ;;
cp*) cat passwd ;;
esac
'''


class Client:
    """models: what `compose config` says of the first file, the first two, and so on."""

    def __init__(self, b, folder, models, bare, image, passwd="root:x:0:0::/:/bin/sh\n", ps=""):
        self.b, self.folder = b, folder
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/docker", "w") as f:
            f.write(SCRIPT.format(folder=folder))
        os.chmod(f"{folder}/docker", 0o755)
        for i, model in enumerate(models):
            self.say(f"model-{i + 1}", json.dumps(model))
        self.say("bare", json.dumps(bare))
        self.say("image", json.dumps([image]))
        self.say("ps", ps)
        self.say("version", "2.26.1\n")
        self.say("calls", "")
        self.outcome("cat model-1")
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as t:
            entry = tarfile.TarInfo("passwd")
            entry.size = len(passwd)
            t.addfile(entry, io.BytesIO(passwd.encode()))
        with open(f"{folder}/passwd", "wb") as f:
            f.write(tar.getvalue())
        os.chmod(folder, 0o777)
        os.chmod(f"{folder}/calls", 0o666)

    def say(self, name, text):
        with open(f"{self.folder}/{name}", "w") as f:
            f.write(text)

    def outcome(self, script):
        """What is done and said when originals and overlays are asked about together."""
        self.say("outcome", script + "\n")

    def calls(self):
        with open(f"{self.folder}/calls") as f:
            return f.read().splitlines()

    def run(self, *args, cwd=None, env=()):
        p = subprocess.run(["env", f"PATH={self.folder}:/usr/bin:/bin", "HOME=/tmp", *env, *self.b.command("import", "compose", *args)],
                           capture_output=True, text=True, timeout=60, cwd=cwd, stdin=subprocess.DEVNULL)
        tap.look("import compose", p.stderr)
        return p
