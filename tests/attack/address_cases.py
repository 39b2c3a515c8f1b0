"""Class D of the attacks: addresses and URLs, as data."""

# What a host name may lead to, and must not be dialled.
REFUSED4 = """0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.0.0.53 127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2
    172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1
    203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255""".split()
REFUSED6 = """:: ::1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:0:10.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::8.8.8.8 64:ff9b:1::a00:1 100::1
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:a00:1::1 2002:7f00:1:: 2002:808:808::1 2620:4f:8000::1 3ffe::1 3fff::1 4000::1 5f00::1 fc00::1
    fd00:ec2::254 fd12:3456::1 fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 feff::1 ff02::1 ff0e::1 e000::1""".split()

# Their neighbours, and what else is public.
DIALLED = """1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
    191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0 223.255.255.255""".split()
DIALLED6 = "2000::1 2001:200::1 2001:4860:4860::8888 2003::1 2606:4700::1 3ffd::1".split()

# (name, addresses that DNS says at once, the address that is dialled or None)
MIXED = [
    ("public, then private", ["8.8.8.8", "10.0.0.1"], "8.8.8.8"),
    ("private, then public", ["10.0.0.1", "8.8.8.8"], "8.8.8.8"),
    ("private between public", ["8.8.4.4", "127.0.0.1", "8.8.8.8"], ("8.8.4.4", "8.8.8.8")),
    ("metadata and loopback", ["169.254.169.254", "127.0.0.1"], None),
    ("a public one that does not answer, then private", ["9.9.9.9", "127.0.0.1"], None),
    ("a public one that does not answer, then public", ["9.9.9.9", "8.8.8.8"], "8.8.8.8"),
    ("a private IPv6 and a public IPv4", ["::1", "8.8.8.8"], "8.8.8.8"),
    ("eight private, then public", [f"10.0.0.{i}" for i in range(1, 9)] + ["8.8.8.8"], (None, "8.8.8.8")),
    ("sixty private", [f"192.168.0.{i}" for i in range(1, 61)], None),
    ("an alias to a private name", ["inner.example", "10.0.0.1"], None),
    ("an alias to localhost", ["localhost", "127.0.0.1"], None),
    ("an alias of an alias", ["a.example", "b.example", "169.254.169.254"], None),
]

# URLs of an upstream that are refused where they are written.
URLS = """https://0177.0.0.1/ https://0x7f.0.0.1/ https://0x7f000001/ https://0X7F000001/ https://2130706433/ https://017700000001/ https://127.1/ https://127.0.1/ https://0/ https://0.0.0.0/
    https://127.0.0.01/ https://127.00.0.1/ https://127.0.0.1/ https://127.0.0.1./ https://127.0.0.1.:443/ https://010.0.0.1/ https://10.1/ https://1.2.3/ https://1.2.3.4.5/ https://256.1.1.1/
    https://1.2.3.-4/ https://0xa9fea9fe/ https://169.254.43518/ https://2852039166/ https://a.0x7f/ https://a.1/ https://[::1]/ https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/
    https://[0:0:0:0:0:0:0:1]/ https://[fe80::1%25eth0]/ https://[fe80::1%eth0]/ https://[::1/ https://[127.0.0.1]/ https://[api.example]/ https://[]/ https://[::1]x/ https://::1/ https://169.254.169.254/latest/
    https://localhost./ https://api.example./ https://api.example../ https://.example/ https://a..example/ https://-a.example/ https://a-.example/ https://a_b.example/ https://*.example/
    https://user@api.example/ https://user:pw@api.example/ https://api.example@evil.example/ https://api.example%40evil.example/ https://evil.example#@api.example/ https://evil.example?@api.example/
    https://evil.example\\@api.example/ https://evil.example\\.api.example/ https://api.example:0/ https://api.example:65536/ https://api.example:+443/ https://api.example:0x1bb/ https://api.example:443:443/
    https://api.example:/ https://api.example:443a/ http://api.example/ ftp://api.example/ HTTPS://api.example/ https:api.example https:/api.example https:///api.example //api.example api.example file:///etc/passwd
    https://api%2eexample/ https://ａｐｉ.example/ https://api。example/ https://①②⑦.0.0.1/ https://api.example/../x https://api.example/./x https://api.example//x https://api.example/%2e%2e/x https://api.example/a?b
    https://api.example/a#b https:// https:///""".split()
CONNECTS = """127.1:443 0x7f000001:443 2130706433:443 0177.0.0.1:443 127.0.0.1.:443 127.0.0.1 127.0.0.1: 127.0.0.1:0 127.0.0.1:65536 127.0.0.1:-1 user@127.0.0.1:443 [::1]:443:1 ::1:443 unix:/run/x
    https://127.0.0.1:443 localhost:443/x [fe80::1%eth0]:443""".split()
