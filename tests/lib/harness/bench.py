"""Section 5 of the CIS Docker Benchmark, as docker-bench-security looks at it: on what `docker inspect` says of one container."""

DANGEROUS = ("/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr", "/var/lib/docker", "/var/run/docker.sock", "/run/docker.sock")


def checks(c):
    """{control: held} of one container."""
    host, config = c["HostConfig"], c["Config"]
    caps_added = set(host.get("CapAdd") or []) - {"CHOWN", "DAC_OVERRIDE", "FOWNER", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"}
    options = host.get("SecurityOpt") or []
    mounts = c.get("Mounts", [])
    log = host.get("LogConfig", {})
    return {
        "4.1 not root": config.get("User", "").split(":")[0] not in ("", "0", "root"),
        "5.2 seccomp and labels on": not any(o.endswith("=unconfined") or o.endswith(":unconfined") or "label=disable" in o for o in options),
        "5.3 capabilities dropped": "ALL" in (host.get("CapDrop") or []) and not caps_added,
        "5.4 not privileged": not host.get("Privileged"),
        "5.5 no host folders": not any(m.get("Type") == "bind" and m["Source"] in DANGEROUS for m in mounts),
        "5.7 log rotation": log.get("Type") == "json-file" and "max-size" in (log.get("Config") or {}),
        "5.9 not the host's network": host.get("NetworkMode") != "host",
        "5.10 memory limit": host.get("Memory", 0) > 0,
        "5.11 CPU limit": host.get("NanoCpus", 0) > 0 or host.get("CpuShares", 0) > 0 or host.get("CpuQuota", 0) > 0,
        "5.12 read-only root": bool(host.get("ReadonlyRootfs")),
        "5.13 ports on one address": all(b.get("HostIp") not in ("", "0.0.0.0", "::", None)
                                         for bs in (host.get("PortBindings") or {}).values() for b in bs or []),
        "5.15 not the host's pids": host.get("PidMode") != "host",
        "5.16 not the host's ipc": host.get("IpcMode") != "host",
        "5.17 no devices": not host.get("Devices"),
        "5.19 no shared mounts": not any(m.get("Propagation") == "shared" for m in mounts),
        "5.20 not the host's uts": host.get("UTSMode") != "host",
        "5.25 no new privileges": any(o.startswith("no-new-privileges") and not o.endswith("false") for o in options),
        "5.28 pids limit": (host.get("PidsLimit") or 0) > 0,
        "5.30 not the host's users": host.get("UsernsMode") != "host",
        "5.31 no docker.sock": not any(m["Source"].endswith("docker.sock") for m in mounts),
    }


def findings(c):
    return sorted(control for control, held in checks(c).items() if not held)
