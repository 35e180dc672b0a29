// Sekisho proxy auto-configuration. Catalog VERSION, policy HASH.
// Written by a program: change the configuration, not this file.
var sekishoProxy = "PROXY proxy.example.com:3128; HTTPS proxy2.example.com:3129";
var sekishoSignIn = {
  exact: {
    "accesscontrol.windows.net": " accounts ",
    "chinacloudapi.cn": " login ",
    "live.com": " login ",
    "microsoft.com": " login ",
    "microsoftonline-p.com": " login ",
    "microsoftonline.com": " login login-us logincert loginex ",
    "microsoftonline.de": " login ",
    "microsoftonline.us": " login ",
    "partner.microsoftonline.cn": " login ",
    "sovcloud-identity.de": " login ",
    "sovcloud-identity.fr": " login ",
    "sovcloud-identity.sg": " login ",
    "usgovcloudapi.net": " login ",
    "windows.net": " login sts "
  },
  below: {
    "accesscontrol.windows.net": " accounts ",
    "chinacloudapi.cn": " login ",
    "live.com": " login ",
    "microsoft.com": " login ",
    "microsoftonline-p.com": " login ",
    "microsoftonline.com": " login login-us ",
    "microsoftonline.de": " login ",
    "microsoftonline.us": " login ",
    "partner.microsoftonline.cn": " login ",
    "sovcloud-identity.de": " login ",
    "sovcloud-identity.fr": " login ",
    "sovcloud-identity.sg": " login ",
    "usgovcloudapi.net": " login ",
    "windows.net": " login sts "
  },
  ends: {},
  inside: {}
};
var sekishoDirect = {
  exact: {
    "": " 2001:db8::7 [2001:db8::7] host ",
    "0.2.7": " 192 ",
    "example.com": " intranet proxy "
  },
  below: {
    "example.jp": " corp "
  },
  ends: {
    "example.net": " cdn "
  },
  inside: {
    "example.org": [["files.", ""]]
  }
};

function sekishoHas(table, domain, label) {
  return label !== "" && label.indexOf(" ") < 0 && Object.prototype.hasOwnProperty.call(table, domain) &&
    table[domain].indexOf(" " + label + " ") >= 0;
}

function sekishoNamed(table, name) {
  var at = name.indexOf(".");
  if (at < 0) { return sekishoHas(table, "", name); }
  return sekishoHas(table, name.substring(at + 1), name.substring(0, at));
}

function sekishoEnds(text, end) {
  var at = text.length - end.length;
  return at > 0 && text.lastIndexOf(end) === at;
}

function sekishoListed(host, list) {
  var at, i, head, domain, parts, first, last;
  if (sekishoNamed(list.exact, host)) { return true; }
  for (at = host.indexOf("."); at >= 0; at = host.indexOf(".", at + 1)) {
    if (at === 0) { continue; }
    domain = host.substring(at + 1);
    if (sekishoNamed(list.below, domain)) { return true; }
    head = host.substring(0, at);
    if (Object.prototype.hasOwnProperty.call(list.ends, domain)) {
      parts = list.ends[domain].split(" ");
      for (i = 0; i < parts.length; i++) {
        if (parts[i] !== "" && sekishoEnds(head, parts[i])) { return true; }
      }
    }
    if (Object.prototype.hasOwnProperty.call(list.inside, domain)) {
      parts = list.inside[domain];
      for (i = 0; i < parts.length; i++) {
        first = parts[i][0];
        last = parts[i][1];
        if (head.length > first.length + last.length && head.indexOf(first) === 0 &&
            head.substring(head.length - last.length) === last &&
            head.substring(first.length, head.length - last.length).indexOf(".") < 0) { return true; }
      }
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
  if (host.length > 253) { return sekishoProxy; }
  if (sekishoListed(host, sekishoSignIn)) { return sekishoProxy; }
  if (sekishoThisMachine(host)) { return "DIRECT"; }
  if (sekishoListed(host, sekishoDirect)) { return "DIRECT"; }
  return sekishoProxy;
}
