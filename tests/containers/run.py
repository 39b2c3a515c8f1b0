#!/usr/bin/python3
"""One Docker engine for all container tests: starts it, builds the images, runs the tests given, ends it."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import docker  # noqa: E402

lacks = docker.missing()
if lacks:
    sys.exit(f"make containers needs: {lacks} (apt-get install docker.io debootstrap iptables, as root)")
with docker.Engine() as e:
    e.sidekey()
    env = {**os.environ, "SIDEKEY_TEST_DOCKER": e.host, "SIDEKEY_TEST_DOCKER_DATA": e.data, "SIDEKEY_TEST_COMPOSE": docker.CACHE}
    rc = subprocess.run(["prove", "-Q", "--timer", "--exec", "", *sys.argv[1:]], env=env).returncode
sys.exit(rc)
