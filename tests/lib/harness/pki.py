"""Test certificates by openssl(1): an upstream's CA and leaf, and the hostile leaves of the attack tables."""
import os
import subprocess
import time


def run(*args, **kw):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)


def key(path):
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    return path


def validity(days):
    """OpenSSL 3.4 refuses a negative -days, and those before have no -not_after."""
    if not days.startswith("-") or b"-not_after" not in subprocess.run(["openssl", "x509", "-help"], capture_output=True).stderr:
        return ["-days", days]
    return ["-not_before", "20200101000000Z", "-not_after", time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + int(days) * 86400))]


class Ca:
    """A CA of the test's own in dir; leaf() makes certificates under it."""

    def __init__(self, dir_, name="test-ca", subject=None, ski="hash"):
        os.makedirs(dir_, exist_ok=True)
        self.dir = dir_
        self.key = key(f"{dir_}/{name}.key")
        self.cert = f"{dir_}/{name}.pem"
        run("openssl", "req", "-x509", "-new", "-key", self.key, "-out", self.cert, "-days", "30",
            "-subj", subject or f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-addext", f"subjectKeyIdentifier={ski}")

    @classmethod
    def of(cls, dir_, cert, key_path):
        """A certificate and key that are no CA's, used as one."""
        ca = cls.__new__(cls)
        ca.dir, ca.cert, ca.key = dir_, cert, key_path
        os.makedirs(dir_, exist_ok=True)
        return ca

    def leaf(self, name, san, days="30", ext="", subject="/", leaf_key=None, digest="sha256"):
        """(certificate, key) paths; san is an openssl subjectAltName value or "", ext further lines."""
        leaf_key = leaf_key or key(f"{self.dir}/{name}.key")
        csr, cert, conf = (f"{self.dir}/{name}.{s}" for s in ("csr", "pem", "ext"))
        run("openssl", "req", "-new", "-key", leaf_key, "-subj", subject, "-out", csr)
        with open(conf, "w") as f:
            if san:
                f.write(f"subjectAltName={san}\n")
            f.write(ext)
        run("openssl", "x509", "-req", "-in", csr, "-CA", self.cert, "-CAkey", self.key,
            "-set_serial", str(int.from_bytes(os.urandom(15), "big") | 1 << 118), *validity(days),
            f"-{digest}", "-extfile", conf, "-out", cert)
        return cert, leaf_key
