// An ordinary application that signs in with MSAL for Node, as it is. Node before version 24 reads HTTPS_PROXY by itself
// nowhere, so that applications behind a proxy give it an agent, as this one does; MSAL's own proxyUrl speaks no TLS inside
// the tunnel. The tests give it HTTPS_PROXY and NODE_EXTRA_CA_CERTS, and what its person or administrator would give it.
//
//	node main.cjs secret TENANT APPLICATION SECRET
//	node main.cjs certificate TENANT APPLICATION KEY SHA256   file of the private key, the certificate's hash in hex
//	node main.cjs behalf TENANT APPLICATION SECRET TOKEN      on behalf of the person of TOKEN
//	node main.cjs password TENANT APPLICATION USER PASSWORD
//	node main.cjs device TENANT APPLICATION                   prints where to enter which code, then waits
//	node main.cjs browser TENANT APPLICATION                  authorization code with PKCE; prints the page, then waits
//
// It prints one JSON object a line; the last one is the outcome.
"use strict";

const https = require("node:https");
const fs = require("node:fs");
const msal = require("@azure/msal-node");
const { HttpsProxyAgent } = require("https-proxy-agent");

https.globalAgent = new HttpsProxyAgent(process.env.HTTPS_PROXY);

const graph = "https://graph.microsoft.com/";
const say = (o) => process.stdout.write(JSON.stringify(o) + "\n");

async function signIn([grant, tenant, application, a, b]) {
  const auth = { clientId: application, authority: "https://login.microsoftonline.com/" + tenant };
  if (["secret", "certificate", "behalf"].includes(grant)) {
    const credential =
      grant === "certificate"
        ? { clientCertificate: { thumbprintSha256: b, privateKey: fs.readFileSync(a, "utf8") } }
        : { clientSecret: a };
    const app = new msal.ConfidentialClientApplication({ auth: { ...auth, ...credential } });
    const ask = () =>
      grant === "behalf"
        ? app.acquireTokenOnBehalfOf({ oboAssertion: b, scopes: [graph + "User.Read"] })
        : app.acquireTokenByClientCredential({ scopes: [graph + ".default"] });
    const got = await ask();
    const again = await ask();
    return { token: got.accessToken, cached: again.fromCache && again.accessToken === got.accessToken };
  }
  const app = new msal.PublicClientApplication({ auth });
  const scopes = [graph + "User.Read"];
  let got;
  switch (grant) {
    case "password":
      got = await app.acquireTokenByUsernamePassword({ scopes, username: a, password: b });
      break;
    case "device":
      got = await app.acquireTokenByDeviceCode({
        scopes,
        deviceCodeCallback: (code) => say({ open: code.verificationUri, user_code: code.userCode }),
      });
      break;
    case "browser":
      got = await app.acquireTokenInteractive({ scopes, openBrowser: async (page) => say({ open: page }) });
      break;
    default:
      throw new Error(`there is no grant "${grant}"`);
  }
  const again = await app.acquireTokenSilent({ scopes, account: got.account });
  const fresh = await app.acquireTokenSilent({ scopes, account: got.account, forceRefresh: true });
  return {
    token: got.accessToken,
    tenant: got.tenantId,
    user: got.account.username,
    cached: again.fromCache && again.accessToken === got.accessToken,
    refreshed: !fresh.fromCache && fresh.accessToken !== "" && fresh.accessToken !== got.accessToken,
  };
}

signIn(process.argv.slice(2)).then(
  (outcome) => { say(outcome); process.exit(0); },
  (error) => {
    say({ error: error.message, call_err: error instanceof msal.ServerError || error instanceof msal.AuthError, code: error.errorCode, status: error.status });
    process.exit(0);
  },
);
