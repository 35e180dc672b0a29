// Sekisho proxy auto-configuration. Catalog VERSION, policy HASH.
// Written by a program: change the configuration, not this file.
var sekishoProxy = "PROXY proxy.example.com:3128; HTTPS proxy2.example.com:3129";
var sekishoDirect = {
  "192.0.2.7": 1,
  "2001:db8::7": 1,
  "[2001:db8::7]": 1,
  "host": 1,
  "intranet.example.com": 1,
  "proxy.example.com": 1
};
var sekishoDirectBelow = [
  ".corp.example.jp"
];
var sekishoDirectEnds = [
  "cdn.example.net"
];
var sekishoDirectInside = [
  ["files.", ".example.org"]
];
var sekishoSignIn = {
  "accounts.accesscontrol.windows.net": 1,
  "ccs.login.microsoftonline.com": 1,
  "login-us.microsoftonline.com": 1,
  "login.chinacloudapi.cn": 1,
  "login.live.com": 1,
  "login.microsoft.com": 1,
  "login.microsoftonline-p.com": 1,
  "login.microsoftonline.com": 1,
  "login.microsoftonline.de": 1,
  "login.microsoftonline.us": 1,
  "login.partner.microsoftonline.cn": 1,
  "login.sovcloud-identity.de": 1,
  "login.sovcloud-identity.fr": 1,
  "login.sovcloud-identity.sg": 1,
  "login.usgovcloudapi.net": 1,
  "login.windows.net": 1,
  "logincert.microsoftonline.com": 1,
  "loginex.microsoftonline.com": 1,
  "sts.windows.net": 1
};
var sekishoSignInBelow = [
  ".accounts.accesscontrol.windows.net",
  ".login-us.microsoftonline.com",
  ".login.chinacloudapi.cn",
  ".login.live.com",
  ".login.microsoft.com",
  ".login.microsoftonline-p.com",
  ".login.microsoftonline.com",
  ".login.microsoftonline.de",
  ".login.microsoftonline.us",
  ".login.partner.microsoftonline.cn",
  ".login.sovcloud-identity.de",
  ".login.sovcloud-identity.fr",
  ".login.sovcloud-identity.sg",
  ".login.usgovcloudapi.net",
  ".login.windows.net",
  ".r.login.microsoftonline.com",
  ".sts.windows.net"
];
var sekishoSignInEnds = [];
var sekishoSignInInside = [];

function sekishoEnds(host, end) {
  var at = host.length - end.length;
  return at > 0 && host.lastIndexOf(end) === at;
}

function sekishoListed(host, exact, below, ends, inside) {
  var i, a, b, middle;
  if (Object.prototype.hasOwnProperty.call(exact, host)) { return true; }
  for (i = 0; i < below.length; i++) { if (sekishoEnds(host, below[i])) { return true; } }
  for (i = 0; i < ends.length; i++) { if (sekishoEnds(host, ends[i])) { return true; } }
  for (i = 0; i < inside.length; i++) {
    a = inside[i][0];
    b = inside[i][1];
    if (host.length > a.length + b.length && host.indexOf(a) === 0 && sekishoEnds(host, b)) {
      middle = host.substring(a.length, host.length - b.length);
      if (middle.indexOf(".") < 0) { return true; }
    }
  }
  return false;
}

function sekishoThisMachine(host) {
  var i, parts;
  if (host === "localhost" || sekishoEnds(host, ".localhost") || host === "::1" || host === "[::1]") { return true; }
  parts = host.split(".");
  if (parts.length !== 4 || parts[0] !== "127") { return false; }
  for (i = 1; i < 4; i++) {
    if (parts[i] === "" || parts[i].length > 3 || String(Number(parts[i])) !== parts[i] || Number(parts[i]) > 255) {
      return false;
    }
  }
  return true;
}

function FindProxyForURL(url, host) {
  host = String(host).toLowerCase();
  if (host.length > 1 && host.charAt(host.length - 1) === ".") { host = host.substring(0, host.length - 1); }
  if (sekishoListed(host, sekishoSignIn, sekishoSignInBelow, sekishoSignInEnds, sekishoSignInInside)) {
    return sekishoProxy;
  }
  if (sekishoThisMachine(host)) { return "DIRECT"; }
  if (sekishoListed(host, sekishoDirect, sekishoDirectBelow, sekishoDirectEnds, sekishoDirectInside)) {
    return "DIRECT";
  }
  return sekishoProxy;
}
