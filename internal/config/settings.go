package config

import (
	"net/netip"
	"sync"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// settings is the whole file, top to bottom in the order in which people read it. Nothing changes it.
var settings = sync.OnceValue(func() []field[Config] {
	fields := []field[Config]{
		value("version", version(), func(c *Config) *Value[int] { return &c.Version }, text{
			JA: "このファイルの書式の版。",
			EN: "Version of this file's form.",
		}).must().eg("1"),
		group("organisation", func(c *Config) *Organisation { return &c.Organisation }, nil, text{
			JA: "Sekisho を運用する組織。拒否ページと申請書に表示されます。",
			EN: "Who runs Sekisho. Shown on refusal pages and application forms.",
		}, organisationSettings()),
		value("language", oneOf("ja", "en"), func(c *Config) *Value[string] { return &c.Language }, text{
			JA: "ページとレポートの言語。ブラウザーが日本語か英語を要求したときは、そちらを優先します。",
			EN: "Language of pages and reports. A browser that asks for Japanese or English gets what it asks for.",
		}).or("en").eg("ja").by("lang", "SEKISHO_LANG"),
		group("listen", func(c *Config) *Listen { return &c.Listen }, nil, text{
			JA: "待ち受けるアドレスとポート。ループバック以外にするときは urls がすべて必要です。",
			EN: "Where Sekisho listens. Anything but loopback needs all of urls.",
		}, listenSettings()),
		group("urls", func(c *Config) *URLs { return &c.URLs }, nil, text{
			JA: "クライアントから見たアドレス。ループバック以外で待ち受けるときは必須です。",
			EN: "What clients see. Obligatory as soon as a listener is not loopback.",
		}, urlSettings()),
		group("tenant", func(c *Config) *Tenant { return &c.Tenant }, nil, text{
			JA: "テナントについての値。カタログには、テナントの名前や場所で決まる行があります。値がない行は閉じたままになり、推測もワイルドカードへの拡大もしません。",
			EN: "What rows of the catalog depend on. A row whose value is missing stays closed: nothing is guessed or widened to a wildcard.",
		}, tenantSettings()),
		values("features", feature(), func(c *Config) *[]Value[string] { return &c.Features }, text{
			JA: "利用する機能。必要なホストはカタログが知っています。一覧は「sekisho catalog list」で表示します。",
			EN: "The features that you use; the catalog knows the hosts of each. `sekisho catalog list` prints them.",
		}).eg("entra.sign-in"),
		groups("hosts", func(c *Config) *[]Host { return &c.Hosts }, func(h *Host) *finding.Pos { return &h.Pos }, text{
			JA: "カタログの機能のほかに許可する、組織独自のホスト。",
			EN: "The organisation's own hosts, allowed beside the catalog's features.",
		}, hostSettings()),
		groups("profiles", func(c *Config) *[]Profile { return &c.Profiles }, func(p *Profile) *finding.Pos { return &p.Pos }, text{
			JA: "テナント制限のプロファイル。リングから名前で参照します。",
			EN: "Tenant restriction profiles, named by the rings.",
		}, profileSettings()),
		groups("rings", func(c *Config) *[]Ring { return &c.Rings }, func(r *Ring) *finding.Pos { return &r.Pos }, text{
			JA: "段階的な展開のためのリング。上から順に調べ、最初に一致したものを適用します。条件のないリングは全員に一致します。",
			EN: "The rings of the roll-out, tried from the top; the first that matches applies. A ring without selectors is for everybody.",
		}, ringSettings()).must().atLeast(1),
		groups("aliases", func(c *Config) *[]Alias { return &c.Aliases }, func(a *Alias) *finding.Pos { return &a.Pos }, text{
			JA: "サインインの別名ホストと他クラウドのサインイン ホスト。通常は拒否します。ここに書いたネットワークからだけトンネルし、監査記録に残します。",
			EN: "Aliases of the sign-in hosts and sign-in hosts of other clouds. They are refused, except from the networks named here, where they are tunnelled and audited.",
		}, aliasSettings()),
		group("authentication", func(c *Config) *Authentication { return &c.Authentication }, func(a *Authentication) *finding.Pos { return &a.Pos }, text{
			JA: "プロキシの Basic 認証。このセクションがなければ、誰にも認証を求めません。",
			EN: "Basic authentication at the proxy. Without this section nobody is asked.",
		}, authenticationSettings()),
		group("network", func(c *Config) *Network { return &c.Network }, nil, text{
			JA: "接続先についての設定。",
			EN: "What the gateway may dial, and whom it trusts there.",
		}, networkSettings()),
		group("limits", func(c *Config) *Limits { return &c.Limits }, nil, text{
			JA: "ゲートウェイの上限。変更は次回の起動で反映されます。",
			EN: "Limits of the gateway. A change takes effect at the next start.",
		}, limitSettings()),
		groups("circuits", func(c *Config) *[]Circuit { return &c.Circuits }, func(c *Circuit) *finding.Pos { return &c.Pos }, text{
			JA: "ExpressRoute 回線。`sekisho route` の判定に使います。",
			EN: "ExpressRoute circuits, for the answers of `sekisho route`.",
		}, circuitSettings()),
		group("routes", func(c *Config) *Routes { return &c.Routes }, nil, text{
			JA: "経路の判定に使う、そのほかの情報。",
			EN: "What else is known for the answers of `sekisho route`.",
		}, routesSettings()),
		group("pac", func(c *Config) *PAC { return &c.PAC }, nil, text{
			JA: "PAC ファイルへの追加。",
			EN: "Additions to the PAC file.",
		}, pacSettings()),
		group("ca", func(c *Config) *CA { return &c.CA }, nil, text{
			JA: "署名する証明機関。",
			EN: "The signing authority.",
		}, caSettings()),
		group("catalog", func(c *Config) *Catalog { return &c.Catalog }, nil, text{
			JA: "カタログの更新と、データの古さの警告。更新は既定では行いません。組み込みのカタログと取り込んだファイルだけで動作します。",
			EN: "How the catalog is kept current, and when the age of its data is warned of. Nothing is fetched unless update says so: the built-in catalog and imported files are enough to work.",
		}, catalogSettings()),
		group("audit", func(c *Config) *Audit { return &c.Audit }, nil, text{
			JA: "監査記録。",
			EN: "The audit records.",
		}, auditSettings()),
		group("log", func(c *Config) *Log { return &c.Log }, nil, text{
			JA: "動作ログ。標準エラー出力に書きます。",
			EN: "The running log, on standard error.",
		}, logSettings()),
	}
	name(entries(fields), "")
	return fields
})

func organisationSettings() []field[Organisation] {
	return []field[Organisation]{
		value("name", sentence(), func(o *Organisation) *Value[string] { return &o.Name }, text{
			JA: "組織の名前。",
			EN: "Name of the organisation.",
		}).eg("Contoso"),
		value("contact", sentence(), func(o *Organisation) *Value[string] { return &o.Contact }, text{
			JA: "拒否された人の問い合わせ先。拒否ページに表示します。",
			EN: "Whom to ask after a refusal. Shown on refusal pages.",
		}).eg(`"IT service desk, ext. 1234"`),
	}
}

func listenSettings() []field[Listen] {
	return []field[Listen]{
		value("gateway", listenAddress(), func(l *Listen) *Value[netip.AddrPort] { return &l.Gateway }, text{
			JA: "フォワード プロキシの待ち受けアドレス。ポート 0 は空いているポートを意味します。",
			EN: "Where the forward proxy listens. Port 0 means a free port.",
		}).or("127.0.0.1:3128").by("gateway-listen", "SEKISHO_GATEWAY_LISTEN"),
		value("operations", listenAddress(), func(l *Listen) *Value[netip.AddrPort] { return &l.Operations }, text{
			JA: "PAC ファイル、証明書、失効リスト、状態ページ、メトリックの待ち受けアドレス。",
			EN: "Where PAC file, certificates, revocation list, status page and metrics are served.",
		}).or("127.0.0.1:3180").by("operations-listen", "SEKISHO_OPERATIONS_LISTEN"),
	}
}

func urlSettings() []field[URLs] {
	return []field[URLs]{
		value("gateway", authority(), func(u *URLs) *Value[endpoint.Authority] { return &u.Gateway }, text{
			JA: "PAC ファイルに書くプロキシのホスト名とポート。",
			EN: "Host and port of the proxy, as the PAC file names it.",
		}).eg("proxy.example.com:3128").by("gateway-url", "SEKISHO_GATEWAY_URL"),
		value("pac", webURL(text{JA: "URL(http または https)", EN: "URL (http or https)"}, false, "http", "https"), func(u *URLs) *Value[string] { return &u.PAC }, text{
			JA: "端末に配布する PAC ファイルの URL。",
			EN: "URL of the PAC file that devices are given.",
		}).eg("http://proxy.example.com:3180/proxy.pac").by("pac-url", "SEKISHO_PAC_URL"),
		// RFC 5280, section 8: a revocation list behind TLS may need itself to be fetched.
		value("crl", webURL(text{JA: "URL(http のみ)", EN: "URL (http only)"}, true, "http"), func(u *URLs) *Value[string] { return &u.CRL }, text{
			JA: "証明書失効リストの URL の先頭部分。プロキシ認証なしで届く必要があります。末尾に /issuing.crl と /root.crl を付けて使います。",
			EN: "Base URL of the revocation lists; /issuing.crl and /root.crl are appended. Clients must reach it without proxy authentication.",
		}).eg("http://proxy.example.com:3180/crl").by("crl-url", "SEKISHO_CRL_URL"),
	}
}

func hostSettings() []field[Host] {
	return []field[Host]{
		value("host", pattern(), func(h *Host) *Value[endpoint.Pattern] { return &h.Host }, text{
			JA: "ホスト名、または「*.example.com」のようなパターン(example.com 自体は含みません)。* で始まる値は引用符で囲みます。",
			EN: `A host name, or a pattern such as "*.example.com" (which leaves out example.com itself). What begins with * needs quotes.`,
		}).must().eg(`"*.example.com"`),
		value("ports", ports(), func(h *Host) *Value[endpoint.Ports] { return &h.Ports }, text{
			JA: "許可する TCP ポート。複数は「tcp/443,8443」、範囲は「tcp/5228-5230」と書きます。",
			EN: "TCP ports that are allowed: tcp/443,8443 for several, tcp/5228-5230 for a range.",
		}).or("tcp/443"),
		value("handling", oneOf("tunnel", "inspect"), func(h *Host) *Value[string] { return &h.Handling }, text{
			JA: "tunnel は TLS をそのまま通します。inspect は TLS を復号して要求を 1 件ずつ記録します。",
			EN: "tunnel passes TLS through untouched; inspect decrypts it and audits each request.",
		}).or("tunnel"),
		value("plain-http", yesNo(), func(h *Host) *Value[bool] { return &h.PlainHTTP }, text{
			JA: "暗号化しない HTTP (ポート 80)も許可します。",
			EN: "Allow HTTP without encryption (port 80) as well.",
		}).or("false"),
		value("websocket", yesNo(), func(h *Host) *Value[bool] { return &h.WebSocket }, text{
			JA: "inspect のとき、WebSocket への切り替えも通します。tunnel では常に通ります。",
			EN: "With inspect: let a switch to WebSocket pass. A tunnel passes it anyway.",
		}).or("false"),
		value("reason", sentence(), func(h *Host) *Value[string] { return &h.Reason }, text{
			JA: "許可する理由。申請書とレポートに載ります。",
			EN: "Why it is allowed; for application forms and reports.",
		}).eg(`"payroll portal"`),
	}
}

func profileSettings() []field[Profile] {
	return []field[Profile]{
		value("name", ringOrProfileName(), func(p *Profile) *Value[string] { return &p.Name }, text{
			JA: "プロファイルの名前。",
			EN: "Name of the profile.",
		}).must().eg("staff"),
		value("version", oneOf("v1", "v2"), func(p *Profile) *Value[string] { return &p.Version }, text{
			JA: "テナント制限の版。v1 は許可するテナントの一覧をヘッダーで送り、v2 は Entra ID 側のポリシーを指します。",
			EN: "Version of tenant restrictions: v1 sends the list of permitted tenants, v2 names a policy kept in Entra ID.",
		}).must().eg("v1"),
		values("permitted-tenants", tenant(), func(p *Profile) *[]Value[string] { return &p.PermittedTenants }, text{
			JA: "v1: サインインを許可するテナント。検証済みドメインまたはディレクトリ ID で書きます。自組織のテナントも含めてください。",
			EN: "v1: tenants that people may sign in to, each by a verified domain or its directory id. Your own belongs in it.",
		}).atLeast(1).eg("contoso.com"),
		value("context", directoryID(), func(p *Profile) *Value[string] { return &p.Context }, text{
			JA: "v1: 制限を設定するテナントのディレクトリ ID。サインインの記録はこのテナントに届きます。",
			EN: "v1: directory id of the tenant that sets the restriction, and that receives the report of blocked sign-ins.",
		}).eg("3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"),
		value("consumer-accounts", oneOf("block", "allow"), func(p *Profile) *Value[string] { return &p.ConsumerAccounts }, text{
			JA: "v1: 個人用 Microsoft アカウントでのサインイン。",
			EN: "v1: sign-in with personal Microsoft accounts.",
		}).or("block"),
		value("policy", policyID(), func(p *Profile) *Value[string] { return &p.Policy }, text{
			JA: "v2: 「ディレクトリ ID:ポリシー ID」。テナント間アクセス設定の既定のポリシーの ID です。",
			EN: "v2: directory id, colon, policy id of the default policy of cross-tenant access settings.",
		}).eg(`"3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31:f0e1d2c3-b4a5-4697-8869-7a6b5c4d3e2f"`),
	}
}

func ringSettings() []field[Ring] {
	return []field[Ring]{
		value("name", ringOrProfileName(), func(r *Ring) *Value[string] { return &r.Name }, text{
			JA: "リングの名前。監査記録に残ります。",
			EN: "Name of the ring; it stands in the audit records.",
		}).must().eg("everyone"),
		value("mode", oneOf("enforce", "report", "off"), func(r *Ring) *Value[string] { return &r.Mode }, text{
			JA: "enforce は制限します。report はサインインを止めずに、止めたはずのものを記録します。off はサインイン ホストもトンネルします。",
			EN: "enforce restricts; report lets sign-ins pass and records what would have been blocked; off tunnels the sign-in hosts too.",
		}).must().eg("report"),
		value("profile", ringOrProfileName(), func(r *Ring) *Value[string] { return &r.Profile }, text{
			JA: "適用するプロファイルの名前。enforce と report では必須です。",
			EN: "Name of the profile that applies. Obligatory with enforce and report.",
		}).eg("staff"),
		values("clients", prefix(), func(r *Ring) *[]Value[netip.Prefix] { return &r.Clients }, text{
			JA: "条件: クライアントのアドレス範囲。",
			EN: "Selector: client networks.",
		}).atLeast(1).eg("10.1.0.0/16"),
		values("users", person(), func(r *Ring) *[]Value[string] { return &r.Users }, text{
			JA: "条件: ユーザー名。authentication が必要です。",
			EN: "Selector: user names. Needs authentication.",
		}).atLeast(1).eg("alice"),
		values("groups", crowd(), func(r *Ring) *[]Value[string] { return &r.Groups }, text{
			JA: "条件: グループ名。authentication.groups が必要です。",
			EN: "Selector: groups. Needs authentication.groups.",
		}).atLeast(1).eg("it"),
		value("percent", number(1, 100, text{JA: "1 から 100 の整数", EN: "number from 1 to 100"}), func(r *Ring) *Value[int] { return &r.Percent }, text{
			JA: "条件: 全体に対する割合。同じ人は常に同じ結果になります。",
			EN: "Selector: a share of the people. The same person always gets the same answer.",
		}).eg("10"),
		values("proxies", proxyAddress(), func(r *Ring) *[]Value[string] { return &r.Proxies }, text{
			JA: "このリングの PAC ファイル (/pac/名前/proxy.pac) に書くプロキシ。試験用のプロキシを先に使わせる場合に指定します。省略すると pac.proxies と同じです。",
			EN: "The proxies in the PAC file of this ring (/pac/NAME/proxy.pac), where its people are to use others, such as those of a trial. Left out: those of pac.proxies.",
		}).atLeast(1).eg("proxy-test.example.com:3128"),
	}
}

func aliasSettings() []field[Alias] {
	return []field[Alias]{
		value("host", pattern(), func(a *Alias) *Value[endpoint.Pattern] { return &a.Host }, text{
			JA: "別名ホストの名前。",
			EN: "The alias.",
		}).must().eg("japaneast.login.microsoft.com"),
		values("clients", prefix(), func(a *Alias) *[]Value[netip.Prefix] { return &a.Clients }, text{
			JA: "許可するクライアントのアドレス範囲。",
			EN: "Client networks that may reach it.",
		}).must().atLeast(1).eg("10.9.0.0/24"),
	}
}

func authenticationSettings() []field[Authentication] {
	return []field[Authentication]{
		value("passwords", filePath(), func(a *Authentication) *Value[string] { return &a.Passwords }, text{
			JA: "パスワードファイル(htpasswd 形式、bcrypt または argon2id)。",
			EN: "Password file (htpasswd form, bcrypt or argon2id).",
		}).must().eg("users.htpasswd"),
		value("groups", filePath(), func(a *Authentication) *Value[string] { return &a.Groups }, text{
			JA: "グループファイル。1 行に「グループ名: ユーザー名 ユーザー名」と書きます。",
			EN: "Group file: one line \"group: user user\" for each group.",
		}).eg("groups.txt"),
	}
}

func networkSettings() []field[Network] {
	return []field[Network]{
		values("dial-allowed", prefix(), func(n *Network) *[]Value[netip.Prefix] { return &n.DialAllowed }, text{
			JA: "接続してよい内部のアドレス範囲。通常、プライベート アドレスと特殊なアドレスには接続しません。",
			EN: "Internal networks that may be dialled. Private and special addresses are refused otherwise.",
		}).atLeast(1).eg("10.20.0.0/16"),
		value("trust", filePath(), func(n *Network) *Value[string] { return &n.Trust }, text{
			JA: "接続先の検証で追加して信頼するルート証明書(PEM)。",
			EN: "Further root certificates (PEM) for verifying origins.",
		}).eg("origins.pem"),
		values("resolvers", resolver(), func(n *Network) *[]Value[netip.AddrPort] { return &n.Resolvers }, text{
			JA: "名前解決に使う DNS サーバー。上から順に問い合わせます。省略すると OS の設定を使います。ラボでは使いません。",
			EN: "DNS servers to ask, in this order, in place of the system's. Not used under the lab.",
		}).atLeast(1).eg("10.0.0.53"),
		groups("names", func(n *Network) *[]Name { return &n.Names }, func(n *Name) *finding.Pos { return &n.Pos }, text{
			JA: "アドレスを固定するホスト名。DNS には問い合わせません。内部のアドレスに接続するには dial-allowed も必要です。",
			EN: "Names with fixed addresses, for which no server is asked. An internal address needs dial-allowed as well.",
		}, nameSettings()),
		values("tunnel-without-sni", pattern(), func(n *Network) *[]Value[endpoint.Pattern] { return &n.TunnelWithoutSNI }, text{
			JA: "TLS のサーバー名(SNI)がなくてもトンネルを許可するホスト。",
			EN: "Hosts whose tunnels may do without a TLS server name (SNI).",
		}).atLeast(1).eg(`"*.push.example.com"`),
		values("source-addresses", prefix(), func(n *Network) *[]Value[netip.Prefix] { return &n.SourceAddresses }, text{
			JA: "ゲートウェイがインターネットに接続するときの送信元アドレス。他の機器の規則 (sekisho render) の送信元になります。ゲートウェイの動作は変わりません。",
			EN: "The addresses from which the gateways reach the Internet: the source in the rules for other devices (sekisho render). The gateway itself does nothing with them.",
		}).atLeast(1).eg("192.0.2.10/32"),
		group("upstream-proxy", func(n *Network) *UpstreamProxy { return &n.UpstreamProxy }, func(u *UpstreamProxy) *finding.Pos { return &u.Pos }, text{
			JA: "外部への通信を中継する上位プロキシ。省略すると接続先に直接接続します。ラボでは使いません。",
			EN: "The proxy through which the gateway goes out. Without this section it reaches hosts directly. Not used under the lab.",
		}, upstreamProxySettings()),
	}
}

func upstreamProxySettings() []field[UpstreamProxy] {
	return []field[UpstreamProxy]{
		value("address", authority(), func(u *UpstreamProxy) *Value[endpoint.Authority] { return &u.Address }, text{
			JA: "上位プロキシのホストとポート。接続先はホスト名で指定して CONNECT します。",
			EN: "Host and port of the upstream proxy. It is asked for hosts by name, with CONNECT.",
		}).must().eg("proxy.example.com:8080"),
		value("credentials", filePath(), func(u *UpstreamProxy) *Value[string] { return &u.Credentials }, text{
			JA: "上位プロキシの Basic 認証情報のファイル。1 行に「ユーザー名:パスワード」と書きます。",
			EN: "File with the credentials for it (Basic): one line \"user:password\".",
		}).eg("upstream.credentials"),
		values("except", pattern(), func(u *UpstreamProxy) *[]Value[endpoint.Pattern] { return &u.Except }, text{
			JA: "上位プロキシを通さず、直接接続するホスト。",
			EN: "Hosts that are reached directly all the same.",
		}).atLeast(1).eg(`"*.payroll.example.com"`),
		value("resolve", yesNo(), func(u *UpstreamProxy) *Value[bool] { return &u.Resolve }, text{
			JA: "ホスト名をゲートウェイでも解決し、接続してはならないアドレスが 1 つでも含まれていれば拒否します。外部の名前を解決できないネットワークでは false にします。その場合、アドレスの規則は上位プロキシの責任になります。",
			EN: "Names are resolved here too, and refused when one of their addresses may not be dialled. Say false where the network cannot resolve names of the Internet; the rules on addresses are then the upstream proxy's to keep.",
		}).or("true"),
	}
}

func nameSettings() []field[Name] {
	return []field[Name]{
		value("host", hostName(), func(n *Name) *Value[string] { return &n.Host }, text{
			JA: "ホスト名。",
			EN: "The host name.",
		}).must().eg("adfs.example.com"),
		values("addresses", address(), func(n *Name) *[]Value[netip.Addr] { return &n.Addresses }, text{
			JA: "IP アドレス。上から順に試します。",
			EN: "Its IP addresses, tried in this order.",
		}).must().atLeast(1).eg("10.20.0.7"),
	}
}

func limitSettings() []field[Limits] {
	return []field[Limits]{
		value("connections", number(10, 1000000, text{JA: "10 から 1000000 の整数", EN: "number from 10 to 1000000"}), func(l *Limits) *Value[int] { return &l.Connections }, text{
			JA: "同時に受け付けるクライアント接続の数。省略すると、使えるファイル記述子の数から決めます。",
			EN: "Client connections that are open at once. Left out: as many as the process's descriptors allow, at most 20000.",
		}).eg("20000"),
		value("connections-per-client", number(1, 1000000, text{JA: "1 から 1000000 の整数", EN: "number from 1 to 1000000"}), func(l *Limits) *Value[int] { return &l.ConnectionsPerClient }, text{
			JA: "1 つのアドレスからの接続の数。下位のプロキシやターミナル サーバーがあるときに増やします。",
			EN: "How many of them one address may hold. Raise it where a child proxy or a large terminal server stands before the gateway. Left out: at most 4096.",
		}).eg("4096"),
		value("tunnel-idle-minutes", number(1, 1440, text{JA: "1 から 1440 の整数(分)", EN: "number from 1 to 1440 (minutes)"}), func(l *Limits) *Value[int] { return &l.TunnelIdleMinutes }, text{
			JA: "通信のないトンネルを閉じるまでの時間。カタログがより長い時間を必要とするホストでは、そちらに従います。",
			EN: "How long a tunnel may be silent, unless the catalog asks for more. Left out: 35.",
		}).eg("35"),
	}
}

func pacSettings() []field[PAC] {
	return []field[PAC]{
		values("direct", pattern(), func(p *PAC) *[]Value[endpoint.Pattern] { return &p.Direct }, text{
			JA: "プロキシを通さないホスト。サインイン ホストは指定できません。",
			EN: "Hosts that go past the proxy. A sign-in host cannot.",
		}).atLeast(1).eg("intranet.example.com"),
		values("proxies", proxyAddress(), func(p *PAC) *[]Value[string] { return &p.Proxies }, text{
			JA: "PAC ファイルに書くプロキシ。クライアントは上から順に試します。省略すると urls.gateway の 1 台です。",
			EN: "The proxies that the PAC file names; clients try them from the top. Left out: the one of urls.gateway.",
		}).atLeast(1).eg("proxy.example.com:3128"),
	}
}

func caSettings() []field[CA] {
	return []field[CA]{
		value("organisation", sentence(), func(c *CA) *Value[string] { return &c.Organisation }, text{
			JA: "証明書の組織名(O)。省略すると organisation.name を使います。",
			EN: "Organisation (O) in the certificates; organisation.name when left out.",
		}).eg("Contoso"),
	}
}

func catalogSettings() []field[Catalog] {
	return []field[Catalog]{
		value("update", yesNo(), func(c *Catalog) *Value[bool] { return &c.Update }, text{
			JA: "「sekisho up」の動作中に、一覧を定期的に取得します。false のときも「sekisho catalog update」は使えます。",
			EN: "Fetch the lists from time to time while `sekisho up` runs. `sekisho catalog update` works either way.",
		}).or("false").eg("true"),
		values("lists", oneOf(Lists()...), func(c *Catalog) *[]Value[string] { return &c.Lists }, text{
			JA: "取得する一覧。省略すると m365-worldwide と service-tags-public に、tenant.cloud のクラウドの一覧を加えたものです。",
			EN: "Which lists are fetched. Left out: m365-worldwide and service-tags-public, and those of the cloud of tenant.cloud.",
		}).atLeast(1).eg("m365-worldwide"),
		value("base-url", webURL(text{JA: "URL(http または https)", EN: "URL (http or https)"}, true, "http", "https"), func(c *Catalog) *Value[string] { return &c.BaseURL }, text{
			JA: "Microsoft 365 のエンドポイント Web サービスの URL。同じサービスを提供する別の Sekisho の運用リスナーも指定できます。",
			EN: "The Microsoft 365 endpoints web service. The operations listener of another Sekisho serves the same.",
		}).or("https://endpoints.office.com"),
		value("service-tags-url", webURL(text{JA: "URL(http または https)", EN: "URL (http or https)"}, true, "http", "https"), func(c *Catalog) *Value[string] { return &c.ServiceTagsURL }, text{
			JA: "サービス タグのダウンロード ページがあるサイトの URL。",
			EN: "Site of the download pages of the service tags.",
		}).or("https://www.microsoft.com"),
		value("proxy", webURL(text{JA: "URL(http、https、socks5)", EN: "URL (http, https or socks5)"}, true, "http", "https", "socks5"), func(c *Catalog) *Value[string] { return &c.Proxy }, text{
			JA: "取得に使うプロキシ。省略すると、環境変数 HTTPS_PROXY、HTTP_PROXY、NO_PROXY に従います。",
			EN: "Proxy that the lists are fetched by. Left out: what the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.",
		}).eg("http://proxy.example.com:8080"),
		value("interval-hours", number(1, 168, text{JA: "1 から 168 の整数(時間)", EN: "number from 1 to 168 (hours)"}), func(c *Catalog) *Value[int] { return &c.IntervalHours }, text{
			JA: "定期的な取得の間隔(時間)。同じ時刻に集中しないよう、前後に 1 割までずらします。",
			EN: "Hours between two updates; moved by up to a tenth, so that not everybody asks at once.",
		}).or("24"),
		value("max-drop-percent", number(0, 100, text{JA: "0 から 100 の整数(%)", EN: "number from 0 to 100 (percent)"}), func(c *Catalog) *Value[int] { return &c.MaxDropPercent }, text{
			JA: "新しい一覧から消えてよいホストとアドレス範囲の割合(%)。これを超える一覧は「sekisho catalog approve」まで使いません。",
			EN: "Share of a list's hosts or address ranges, in percent, that a new one may drop. One that drops more waits for `sekisho catalog approve`.",
		}).or("20"),
		values("bundle-signers", signer(), func(c *Catalog) *[]Value[string] { return &c.BundleSigners }, text{
			JA: "取り込みを許すバンドルの署名者の公開鍵。バンドルを作る側で「sekisho catalog bundle keygen」が表示します。「sekisho catalog bundle trust」で追加したものに加えて有効です。",
			EN: "Signers whose bundles are imported, beside those of `sekisho catalog bundle trust`: the public key that `sekisho catalog bundle keygen` prints where the bundles are made.",
		}).atLeast(1).eg("ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
		value("max-age-days", number(1, 3650, text{JA: "1 から 3650 の整数(日)", EN: "number from 1 to 3650 (days)"}), func(c *Catalog) *Value[int] { return &c.MaxAgeDays }, text{
			JA: "情報源がこの日数より古いと警告します。日数は情報源自身の日付から数えます。省略すると、Microsoft 365 の一覧は 30 日、サービス タグは 14 日、ページは 365 日です。",
			EN: "Age of a source past which answers warn, counted from the source's own date. Left out: 30 days for the Microsoft 365 lists, 14 for service tags, 365 for pages.",
		}).eg("60"),
	}
}

func auditSettings() []field[Audit] {
	return []field[Audit]{
		value("retention-days", number(1, 3650, text{JA: "1 から 3650 の整数", EN: "number from 1 to 3650"}), func(a *Audit) *Value[int] { return &a.RetentionDays }, text{
			JA: "監査記録を保存する日数。",
			EN: "For how many days records are kept.",
		}).or("90"),
		value("when-full", oneOf("refuse-sign-in", "refuse-all", "continue"), func(a *Audit) *Value[string] { return &a.WhenFull }, text{
			JA: "スプールがいっぱいで記録できないときの動作。refuse-sign-in はサインインだけを拒否し、refuse-all はすべて拒否し、continue は記録せずに続けます。",
			EN: "What happens when the spool is full and nothing more can be recorded: refuse-sign-in refuses sign-ins alone, refuse-all everything, continue goes on without a record.",
		}).or("refuse-sign-in"),
		value("spool-mib", number(1, 1048576, text{JA: "1 から 1048576 の整数(MiB)", EN: "number from 1 to 1048576 (MiB)"}), func(a *Audit) *Value[int] { return &a.SpoolMiB }, text{
			JA: "スプールの上限(MiB)。",
			EN: "Most that the spool may hold, in MiB.",
		}).or("256"),
	}
}

func logSettings() []field[Log] {
	return []field[Log]{
		value("level", oneOf("debug", "info", "warn", "error"), func(l *Log) *Value[string] { return &l.Level }, text{
			JA: "これ以上の重要度だけを記録します。",
			EN: "Lowest severity that is logged.",
		}).or("info").by("log-level", "SEKISHO_LOG_LEVEL"),
		value("format", oneOf("text", "json"), func(l *Log) *Value[string] { return &l.Format }, text{
			JA: "ログの書式。",
			EN: "Form of a log line.",
		}).or("text").by("log-format", "SEKISHO_LOG_FORMAT"),
	}
}
