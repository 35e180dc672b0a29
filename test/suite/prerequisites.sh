#!/usr/bin/env bash
# Installs what the tests need where it can (Debian, as root); otherwise says what is missing and what it turns on.
set -euo pipefail

# command  Debian package  what it turns on
needs='
gcc        gcc             the race detector
curl       curl            the tests with curl
openssl    openssl         the certificate checks with OpenSSL
certutil   libnss3-tools   the root certificates of the browser tests
chromium   chromium        the browser tests
h2load     nghttp2-client  the test with the HTTP/2 client of nghttp2
squid      squid-openssl   the comparison with Squid
dnsmasq    dnsmasq-base    the test with a real name server
haproxy    haproxy         the comparison with HAProxy
h2load     nghttp2-client  the tests with nghttp and h2load
mitmdump   mitmproxy       the comparison with mitmproxy
pactester  libpacparser1   the comparison with pactester
nft        nftables        the tests that load rules into a kernel
ipset      ipset           the tests that restore sets into a kernel
node       nodejs          the tests with MSAL for Node
npm        npm             the tests with MSAL for Node
soffice    libreoffice-calc-nogui  the test that opens the change request with LibreOffice
samba      samba-ad-dc     the tests with a domain controller
samba-tool samba           the tests with a domain controller
python:samba.provision python3-samba  the tests with a domain controller
python:markdown python3-markdown  the tests with a domain controller
python:dns python3-dnspython   the tests with a domain controller
ldbadd     ldb-tools       the tests with a domain controller
ldapsearch ldap-utils      the tests with a domain controller
kinit      krb5-user       the tests with a domain controller
file:/usr/share/doc/samba-ad-dc samba-ad-dc  the tests with a domain controller
file:/usr/share/samba/setup/provision.ldif samba-ad-provision  the tests with a domain controller
python:openpyxl  python3-openpyxl  the test that opens the change request with openpyxl
'

# there reports whether a command is, a module of Debian's own Python ("python:NAME") or a file ("file:PATH").
there() {
  case $1 in
  python:*) /usr/bin/python3 -c "import ${1#python:}" 2>/dev/null ;;
  file:*) [ -e "${1#file:}" ] ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
while read -r command package why; do
  [ -n "$command" ] || continue
  there "$command" || missing+=("$package")
done <<<"$needs"

if [ ${#missing[@]} -eq 0 ]; then
  echo "prerequisites: all there"
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "prerequisites: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=400 -qq update
  apt-get -o DPkg::Lock::Timeout=400 -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi

echo "prerequisites: not installed, and this is not root on Debian:"
while read -r command package why; do
  [ -n "$command" ] || continue
  there "$command" || echo "  $command (Debian package $package): turns on $why"
done <<<"$needs"
if ! command -v gcc >/dev/null; then
  echo "error: make test runs with the race detector, which needs a C compiler"
  echo "hint: install gcc, or run go test ./... which does without"
  exit 1
fi
