package lab

// Who lives in the shipped directory (directory/lab.yaml), for proofs and examples. None of it is a secret.
const (
	ContosoTenant     = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
	FabrikamTenant    = "8e2f4b17-6a9c-4d35-b0e8-7c1d2f3a4b52"
	NorthwindTenant   = "b5a1c3d7-2e4f-4a68-8c90-1d3e5f7a9b73"
	PassthroughTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
	ConsumersTenant   = "9188040d-6c67-4c5b-b112-36a304b66dad"

	ContosoDomain   = "contoso.com"
	FabrikamDomain  = "fabrikam.com"
	NorthwindDomain = "northwindtraders.com"

	// ContosoPolicy is Contoso's tenant restrictions v2 policy: Fabrikam's people may, nobody else.
	ContosoPolicy = "5e1f7c20-9b3a-4d86-a1c5-3f7e2d4b6a80"

	// ContosoGroupPolicy is another one: of Fabrikam, the group FabrikamPartners alone; of everybody else, ServiceApplication
	// alone.
	ContosoGroupPolicy = "5e1f7c20-9b3a-4d86-a1c5-3f7e2d4b6a81"

	// ContosoFinance is a group of hanako, within ContosoStaff, which has alice and the guest dave as well.
	ContosoFinance = "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b01"
	ContosoStaff   = "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b02"
	// FabrikamPartners is a group of dave.
	FabrikamPartners = "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b11"

	// PublicApplication is "Lab Desktop": no secret, http://localhost.
	PublicApplication = "2f6b8d04-1c3e-4a57-b9d8-6e0f2a4c8b10"
	// ServiceApplication is "Lab Service": a secret, in Contoso, Fabrikam and Northwind Traders.
	ServiceApplication = "4a8c0e26-3d5f-4b79-8ace-7f1b3d5e9c20"
	ServiceSecret      = "lab-secret-not-for-production"

	// CertificateApplication is "Lab Certificate Service": one certificate, whose private half nobody has.
	CertificateApplication = "8cd03f5a-6b72-4e81-9a4c-2f5e7d9b1c40"
	// UnconsentedApplication is "Lab Mail Reader": public; in Fabrikam nobody has agreed to it.
	UnconsentedApplication = "9de14a6b-7c83-4f92-8b5d-3a6f8e0c2d50"
	// PassthroughApplication is "Microsoft Azure PowerShell": without a tenant it signs in at PassthroughTenant.
	PassthroughApplication = "1950a258-227b-4e31-a9cf-717495945fc2"

	Alice         = "alice@contoso.com" // a guest in Fabrikam, too
	AlicePassword = "Lab-alice-1"
	Bob           = "bob@fabrikam.com"
	BobPassword   = "Lab-bob-1"
	Carol         = "carol@northwindtraders.com" // a guest in Contoso
	CarolPassword = "Lab-carol-1"
	Dave          = "dave@fabrikam.com" // a guest in Contoso
	DavePassword  = "Lab-dave-1"
	Erin          = "erin@outlook.com" // a personal account, a guest in Contoso
	ErinPassword  = "Lab-erin-1"
	Frank         = "frank@live.com" // a personal account
	FrankPassword = "Lab-frank-1"

	Hanako         = "hanako@contoso.com"
	HanakoPassword = "Lab-hanako-1"
	Noboru         = "noboru@contoso.com" // disabled
	NoboruPassword = "Lab-noboru-1"
	Mika           = "mika@contoso.com" // locked
	MikaPassword   = "Lab-mika-1"
	Ken            = "ken@contoso.com" // the password has expired
	KenPassword    = "Lab-ken-1"
	Yui            = "yui@contoso.com" // must change the password
	YuiPassword    = "Lab-yui-1"
)
